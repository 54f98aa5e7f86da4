"""Where a network's time goes: its slowest layers by type and by name, by the profiler of the runtime that runs it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import pandas as pd

from harness.core.config import at_least
from harness.core.errors import SkipJob
from harness.core.files import read_json, write_json, write_text
from harness.core.interfaces import Arrays, Context, Dataset, Metrics, Session, Task, TaskResult, TrackerSpec
from harness.tracking.recording import check_dataset, graph_of, record_crops

FOLDER = "profile"
MOST_LOGGED = 12
COLUMNS = ["name", "type", "ms"]


@dataclass(frozen=True)
class Layers:
    """A profile: a row a layer (``name``, ``type``, ``ms`` of one inference), ``types`` (``type``, ``ms``, ``share``), and how it was made."""

    rows: pd.DataFrame
    types: pd.DataFrame
    source: str


@dataclass
class Profile(Task):
    """``task=profile``. The fields are the keys of ``conf/task/profile.yaml``, where each has its line."""

    graph: str | None = None
    runs: int = 20
    warmup: int = 3
    top: int = 15
    repeats: int = 1
    name: str = "profile"

    def __post_init__(self) -> None:
        for key in ("runs", "warmup", "top", "repeats"):
            at_least(getattr(self, key), 1, f"task.{key}")

    def check(self, config: Mapping[str, Any], tracker: TrackerSpec, dataset: Dataset) -> None:
        graph_of(tracker, self.graph)
        check_dataset(dataset)
        if file_format(config) not in PROFILERS:
            raise SkipJob(f"task=profile has no profiler for this backend; accepted: {', '.join(PROFILERS)}.")

    def run(self, context: Context) -> TaskResult:
        graph = graph_of(context.tracker, self.graph)
        sessions = context.backend.open(context.artifact)
        context.progress.say(f"recording {self.runs} inputs of graph {graph}")
        inputs = record_crops(context.tracker, sessions, list(context.dataset), graph, self.runs)
        plain = self._plain(sessions[graph], inputs)
        scratch = Path(tempfile.mkdtemp(prefix=".profile-", dir=context.folder))
        try:
            profiler = PROFILERS[file_format(context.config)]
            layers = profiler(context, graph, inputs, self.warmup, scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return self._result(context, graph, layers, plain)

    def _plain(self, session: Session, inputs: list[Arrays]) -> float:
        """Milliseconds of an inference without any profiler (median)."""
        for _ in range(self.warmup):
            session.run(inputs[0])
        spent = []
        for arrays in inputs:
            begin = perf_counter()
            session.run(arrays)
            spent.append(perf_counter() - begin)
        return median(spent) * 1e3

    def _result(self, context: Context, graph: str, layers: Layers, plain: float) -> TaskResult:
        folder = context.folder / FOLDER
        total = float(layers.types["ms"].sum())
        write_text(folder / "layers.csv", layers.rows.to_csv(index=False, float_format="%.6f"))
        write_text(folder / "types.csv", layers.types.to_csv(index=False, float_format="%.6f"))
        found: dict[str, Any] = {
            "graph": graph,
            "source": layers.source,
            "plain_ms": plain,
            "total_ms": total,
            "types": layers.types.to_dict("records"),
            "layers": layers.rows.head(self.top).to_dict("records"),
        }
        write_json(folder / "profile.json", {**found, "layers": layers.rows.to_dict("records")})
        metrics: Metrics = {"profile/plain_ms": plain, "profile/total_ms": total}
        for row in found["types"][:MOST_LOGGED]:
            metrics[f"profile/type_ms/{metric_word(row['type'])}"] = float(row["ms"])
        files = [f"{FOLDER}/{name}" for name in ("layers.csv", "types.csv", "profile.json")]
        details = {"profile": found, "scoring": {"random_weights": context.tracker.random_weights}}
        return TaskResult(metrics, files, {}, details)


def metric_word(text: str) -> str:
    """A layer's type as part of a metric's name: letters, digits, ``_ - .`` alone."""
    return "".join(mark if mark.isalnum() or mark in "_-." else "_" for mark in text)


def file_format(config: Mapping[str, Any]) -> str:
    """``torch``, ``onnx`` or ``openvino``: the module that the chosen backend's class lies in."""
    return str(config["backend"].get("target", "")).rpartition(".")[0].rpartition(".")[2]


def layers_from(rows: list[dict[str, Any]], source: str) -> Layers:
    """Sorted tables from rows of name, type, ms; layers that took no time are left out."""
    table = pd.DataFrame(rows, columns=COLUMNS)
    table = table[table["ms"] > 0].sort_values("ms", ascending=False, ignore_index=True)
    return Layers(table, types_of(table), source)


def types_of(table: pd.DataFrame) -> pd.DataFrame:
    """``type``, ``count``, ``ms``, ``share`` of all, slowest first."""
    grouped = table.groupby("type")["ms"].agg(["count", "sum"]).reset_index()
    grouped.columns = pd.Index(["type", "count", "ms"])
    grouped["share"] = grouped["ms"] / grouped["ms"].sum()
    return grouped.sort_values("ms", ascending=False, ignore_index=True)


# ------------------------------------------------------------------------------------------ profilers


def by_openvino(context: Context, graph: str, inputs: list[Arrays], warmup: int, scratch: Path) -> Layers:
    """OpenVINO's profiling info: real time of every executed node, mean over the runs."""
    del scratch
    driver: Any = context.backend
    model = driver.core().read_model(str(context.artifact.files[graph]))
    settings = {**driver.settings(), "PERF_COUNT": True}
    settings.pop("CACHE_DIR", None)  # a cached network was compiled without counters
    request = driver.core().compile_model(model, driver.device_string(), settings).create_infer_request()
    spent: dict[tuple[str, str], float] = {}
    for index, arrays in enumerate([*[inputs[0]] * warmup, *inputs]):
        request.infer(arrays)
        if index < warmup:
            continue
        for node in request.profiling_info:
            key = (node.node_name, node.node_type)
            spent[key] = spent.get(key, 0.0) + node.real_time.total_seconds() * 1e3
    rows = [{"name": name, "type": kind, "ms": ms / len(inputs)} for (name, kind), ms in spent.items()]
    return layers_from(rows, "OpenVINO profiling info (PERF_COUNT), real time")


def by_onnxruntime(context: Context, graph: str, inputs: list[Arrays], warmup: int, scratch: Path) -> Layers:
    """ONNX Runtime's profiler: kernel time of every node, mean over the runs after the warm-up."""
    import onnxruntime as ort

    driver: Any = context.backend
    options = ort.SessionOptions()
    options.intra_op_num_threads = context.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_profiling = True
    options.profile_file_prefix = str(scratch / "onnxruntime")
    level = {"disable": "DISABLE_ALL", "all": "ENABLE_ALL"}.get(
        driver.optimization, f"ENABLE_{driver.optimization.upper()}"
    )
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_{level}")
    providers = [driver.provider] if driver.provider else None
    if providers is None:
        providers = ["CUDAExecutionProvider" if driver.device == "cuda" else "CPUExecutionProvider"]
    session = ort.InferenceSession(str(context.artifact.files[graph]), options, providers=providers)
    for arrays in [*[inputs[0]] * warmup, *inputs]:
        session.run(None, dict(arrays))
    events = read_json(Path(session.end_profiling()))
    return layers_from(onnxruntime_rows(events, warmup, len(inputs)), "ONNX Runtime profiler, kernel time")


def onnxruntime_rows(events: list[dict[str, Any]], warmup: int, runs: int) -> list[dict[str, Any]]:
    """Rows from the trace's events: of each node, the last ``runs`` kernel times (microseconds in the trace)."""
    times: dict[tuple[str, str], list[float]] = {}
    for event in events:
        name, arguments = str(event.get("name", "")), event.get("args") or {}
        if event.get("cat") != "Node" or not name.endswith("_kernel_time") or "op_name" not in arguments:
            continue
        key = (name.removesuffix("_kernel_time"), str(arguments["op_name"]))
        times.setdefault(key, []).append(float(event["dur"]) / 1e3)
    # a node of a loop's body runs several times an inference: its share of the runs is cut off, not a count of events
    kept = {key: values[len(values) * warmup // (warmup + runs) :] for key, values in times.items()}
    return [{"name": name, "type": kind, "ms": sum(values) / runs} for (name, kind), values in kept.items()]


def by_torch(context: Context, graph: str, inputs: list[Arrays], warmup: int, scratch: Path) -> Layers:
    """torch.profiler: operators by their own time are the types; leaf modules by name, with all that runs inside them."""
    del scratch
    import torch

    from harness.backends.torch.backend import TorchSession, load_modules

    driver: Any = context.backend
    module = load_modules(context.artifact)[graph].to(driver.device)
    session = TorchSession(context.artifact.graphs[graph], module, driver.device)
    hooks = name_modules(module)
    for _ in range(warmup):
        session.run(inputs[0])
    activities = [torch.profiler.ProfilerActivity.CPU]
    if driver.device == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with _silenced(), torch.profiler.profile(activities=activities) as profiler:
        for arrays in inputs:
            session.run(arrays)
    for hook in hooks:
        hook.remove()
    kinds = {name: type(item).__name__ for name, item in module.named_modules()}
    averages = profiler.key_averages()
    types = torch_types(averages, len(inputs))
    rows = [
        {"name": name, "type": kinds.get(name, ""), "ms": event.cpu_time_total / 1e3 / len(inputs)}
        for event in averages
        if event.key.startswith(MODULE) and (name := event.key.removeprefix(MODULE))
    ]
    table = layers_from(rows, "")
    return Layers(table.rows, types, "torch.profiler: types are operators by own CPU time, names are leaf modules")


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Nothing on standard error: torch's profiler announces its start and stop there, past Python."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as sink:
            os.dup2(sink.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


MODULE = "module:"


def name_modules(module: Any) -> list[Any]:
    """Hooks that mark the time inside each leaf module in the profiler's record."""
    import torch

    hooks: list[Any] = []
    for name, leaf in module.named_modules():
        if not name or any(True for _ in leaf.children()):
            continue
        open_marks: list[Any] = []

        def enter(*_: Any, name: str = name, marks: list[Any] = open_marks) -> None:
            mark = torch.profiler.record_function(MODULE + name)
            mark.__enter__()
            marks.append(mark)

        def leave(*_: Any, marks: list[Any] = open_marks) -> None:
            if marks:
                marks.pop().__exit__(None, None, None)

        hooks += [leaf.register_forward_pre_hook(enter), leaf.register_forward_hook(leave)]
    return hooks


def torch_types(averages: Any, runs: int) -> pd.DataFrame:
    """Operators with their own CPU time (module marks left out), slowest first."""
    rows = [
        {"type": event.key, "count": int(event.count) // runs, "ms": event.self_cpu_time_total / 1e3 / runs}
        for event in averages
        if not event.key.startswith(MODULE) and event.self_cpu_time_total > 0
    ]
    table = pd.DataFrame(rows, columns=["type", "count", "ms"]).sort_values("ms", ascending=False, ignore_index=True)
    table["share"] = table["ms"] / table["ms"].sum()
    return table


PROFILERS: dict[str, Callable[[Context, str, list[Arrays], int, Path], Layers]] = {
    "openvino": by_openvino,
    "onnx": by_onnxruntime,
    "torch": by_torch,
}
"""The backend's module -> its runtime's profiler."""
