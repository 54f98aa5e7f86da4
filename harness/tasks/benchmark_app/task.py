"""OpenVINO's own benchmark_app on a prepared graph, with the settings of the tracker's own session."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from harness.backends.openvino.backend import HINTS, OpenVino, unmet
from harness.core.config import MOST, MOST_AT_ONCE, at_least, class_of
from harness.core.errors import ConfigError, SkipJob
from harness.core.files import write_json
from harness.core.interfaces import Backend, Context, Dataset, Metrics, Task, TaskResult, TrackerSpec
from harness.core.records import Scoring
from harness.tasks.benchmark_app import process as app
from harness.tasks.benchmark_app.record import BenchmarkRecord
from harness.tracking.recording import check_dataset, graph_of, record_crops, save

FOLDER = "benchmark_app"
NOISE_SPREAD = 0.10
SLOWEST = 10
READ_FORMATS = ("onnx", "openvino")
"""File formats that OpenVINO, and therefore benchmark_app, reads."""
EFFECTIVE = {
    "threads": "INFERENCE_NUM_THREADS",
    "streams": "NUM_STREAMS",
    "precision": "INFERENCE_PRECISION_HINT",
    "hint": "PERFORMANCE_HINT",
    "requests": "OPTIMAL_NUMBER_OF_INFER_REQUESTS",
    "pinning": "ENABLE_CPU_PINNING",
    "device": "EXECUTION_DEVICES",
}

AT_ONCE = ("requests", "streams", "batch")
"""Keys that are counts of things running at the same time."""


@dataclass
class BenchmarkApp(Task):
    """``task=benchmark_app``.

    The fields are the keys of ``conf/task/benchmark_app.yaml``, which describes each of them.
    """

    uses_backend: ClassVar[bool] = False

    graph: str | None = None
    api: Literal["auto", "sync", "async"] = "auto"
    seconds: int = 10
    iterations: int | None = None
    requests: int | None = None
    streams: int | None = None
    batch: int | None = None
    inputs: Literal["random", "recorded"] = "random"
    crops: int = 32
    fill: bool | None = None
    percentiles: list[int] = field(default_factory=lambda: [90, 99])
    counters: Literal["none", "average", "detailed"] = "none"
    repeats: int = 1
    name: str = "benchmark_app"

    def __post_init__(self) -> None:
        for key in ("seconds", "iterations", "requests", "streams", "batch", "crops", "repeats"):
            at_least(getattr(self, key), 1, f"task.{key}", MOST_AT_ONCE if key in AT_ONCE else MOST)
        wrong = [value for value in self.percentiles if not 1 <= value <= 100]
        if wrong:
            raise ConfigError(f"task.percentiles has {wrong[0]}; accepted: whole numbers from 1 to 100.")

    def check(self, config: Mapping[str, Any], tracker: TrackerSpec, dataset: Dataset) -> None:
        file_format = class_of(config["backend"], Backend, "backend").format
        if file_format not in READ_FORMATS:
            raise SkipJob(
                f"benchmark_app is OpenVINO's: it reads ONNX files and IR, not {file_format}; choose backend=onnx or "
                "backend=openvino."
            )
        runtime(config, 1)
        graph_of(tracker, self.graph)
        sync = self.api == "sync" or (self.api == "auto" and str(config["hint"]["name"]) == "latency")
        if sync and (self.requests or 1) > 1:
            raise ConfigError(
                f"task.requests is {self.requests}, and benchmark_app's synchronous api has a single request in flight (it is "
                "the choice for hint=latency); add task.api=async, or leave task.requests out."
            )
        if self.inputs == "recorded":
            check_dataset(dataset)

    # ------------------------------------------------------------------------------------- running

    def run(self, context: Context) -> TaskResult:
        graph = graph_of(context.tracker, self.graph)
        driver = runtime(context.config, context.threads)
        driver.core()  # fails at once if the device is missing
        scratch = Path(tempfile.mkdtemp(prefix=".inputs-", dir=context.folder))
        try:
            inputs = self._record(context, graph, scratch) if self.inputs == "recorded" else None
            settings = app.Settings(
                model=context.artifact.files[graph],
                graph=context.artifact.graphs[graph],
                device=driver.device_string(),
                hint=str(context.config["hint"]["name"]),
                api="" if self.api == "auto" else self.api,
                requests=self.requests if self.requests is not None else driver.requests,
                properties=properties(driver, self.streams),
                seconds=self.seconds,
                iterations=self.iterations,
                inputs=inputs,
                fill=self.fill,
                counters="no_counters" if self.counters == "none" else "detailed_counters",
                batch=self.batch,
            )
            return self._measure(context, settings)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _record(self, context: Context, graph: str, scratch: Path) -> Path:
        """Writes crops of the data set to files. The sessions that make them end before anything is timed."""
        context.progress.say(f"recording {self.crops} inputs of graph {graph}")
        sessions = context.backend.open(context.artifact)
        return save(record_crops(context.tracker, sessions, list(context.dataset), graph, self.crops), scratch)

    def _measure(self, context: Context, settings: app.Settings) -> TaskResult:
        """Does the run that counts, then one more for each percentile, because the app reports only one per run."""
        wanted = [value for value in dict.fromkeys(self.percentiles) if value != 50 and not settings.device.startswith("MULTI")]
        display = Display(context, (1 + len(wanted)) * self.seconds)
        folder = context.folder / FOLDER
        main = app.run(settings, folder, display.show)
        display.next_run()
        runs, found = [main], metrics_of(main, settings)
        for value in wanted:
            report = app.run(percentile_of(settings, value), folder / f"p{value}", display.show)
            display.next_run()
            runs.append(report)
            if report.percentile_ms is not None:
                found[f"benchmark_app/latency_ms/p{value}"] = report.percentile_ms
        context.progress.close()
        return self._result(context, settings, runs, found)

    def _result(self, context: Context, settings: app.Settings, runs: list[app.Report], found: Metrics) -> TaskResult:
        main = runs[0]
        counters = app.load_counters(context.folder / FOLDER) if self.counters != "none" else []
        if counters:
            write_json(context.folder / FOLDER / "layers.json", counters)
        notes = warnings_of(runs, settings, main)
        if self.counters != "none" and not counters:
            notes.append("benchmark_app wrote no performance counters, though task.counters asked for them.")
        files = sorted(
            str(path.relative_to(context.folder)) for path in (context.folder / FOLDER).rglob("*") if path.is_file()
        )
        record = BenchmarkRecord(
            settings=dict(main.settings),
            inputs=dict(main.inputs),
            asked={"properties": dict(settings.properties), "hint": settings.hint, "device": settings.device},
            throughput_of_runs=[report.throughput for report in runs],
            slowest_layers=counters if self.counters == "detailed" else counters[:SLOWEST],
            scoring=Scoring(random_weights=context.tracker.random_weights),
            effective=effective(main),
        )
        return TaskResult(found, files, {}, record, notes)


class Display:
    """Shows the app's measuring time as progress, and its other steps as text."""

    def __init__(self, context: Context, total: int) -> None:
        self._progress, self._seconds, self._step = context.progress, 0, ""
        self._progress.start("benchmark_app, seconds", total)

    def show(self, step: str, seconds: int) -> None:
        if step != self._step:
            self._step = step
        if seconds > self._seconds:
            self._progress.step(seconds - self._seconds, step.partition("] ")[2].partition(" (")[0])
            self._seconds = seconds

    def next_run(self) -> None:
        self._seconds = 0


# ------------------------------------------------------------------------------------ settings, results


def runtime(config: Mapping[str, Any], threads: int) -> OpenVino:
    """Returns OpenVINO with the job's backend, device and hint settings, for any file format. Raises SkipJob."""
    device, hint = str(config["device"]["name"]), str(config["hint"]["name"])
    if device == "cuda":
        raise SkipJob("benchmark_app is OpenVINO's and cannot run on device=cuda; choose cpu, gpu, npu or auto.")
    if hint not in HINTS:
        raise SkipJob(f"benchmark_app knows no hint={hint}; accepted: {', '.join(HINTS)}.")
    section = config["backend"]
    return OpenVino(
        precision=section.get("precision", "fp32"),
        streams=section.get("streams"),
        requests=section.get("requests"),
        pinning=section.get("pinning"),
        priorities=list(config["device"].get("priorities") or []),
        properties=dict(section.get("properties") or {}),
        model_cache=False,
        device=device,
        hint=hint,
        threads=threads,
    )


def properties(driver: OpenVino, streams: int | None) -> dict[str, Any]:
    """Returns the device's properties of the tracker's session; hint and requests have their own options."""
    chosen = (driver if streams is None else replace(driver, streams=streams)).settings()
    for key in ("PERFORMANCE_HINT", "PERFORMANCE_HINT_NUM_REQUESTS"):
        chosen.pop(key, None)
    return {key: value if isinstance(value, (str, bool, Mapping)) else str(value) for key, value in chosen.items()}


def percentile_of(settings: app.Settings, value: int) -> app.Settings:
    """Returns the same run with another percentile, without counters."""
    return replace(settings, percentile=value, counters="no_counters")


def metrics_of(report: app.Report, settings: app.Settings) -> Metrics:
    """Returns the values by metric name. ``median`` is absent if another percentile was requested."""
    found: dict[str, float | None] = {
        "throughput_fps": report.throughput,
        "first_inference_ms": report.first_ms,
        "read_ms": report.read_ms,
        "compile_ms": report.compile_ms,
        "latency_ms/median": report.percentile_ms if settings.percentile == 50 else None,
        "latency_ms/average": report.average_ms,
        "latency_ms/min": report.min_ms,
        "latency_ms/max": report.max_ms,
        "iterations": float(report.iterations),
        "requests": float(report.requests),
        "streams": _maybe(report.settings.get("NUM_STREAMS")),
        "threads": _maybe(report.settings.get("INFERENCE_NUM_THREADS")),
        "total_ms": report.total_ms,
    }
    return {f"benchmark_app/{name}": value for name, value in found.items() if value is not None}


def _maybe(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def effective(report: app.Report) -> dict[str, str]:
    """Returns the properties of the compiled model, under the names that the backends use."""
    import openvino as ov

    found = {name: report.settings[key] for name, key in EFFECTIVE.items() if key in report.settings}
    return {"runtime": f"benchmark_app of openvino {ov.__version__}", "api": report.api, **found}


def warnings_of(runs: list[app.Report], settings: app.Settings, main: app.Report) -> list[str]:
    """Returns warnings about noise between the runs and about settings that the device did not apply."""
    found = []
    values = [report.throughput for report in runs]
    spread = (max(values) - min(values)) / sorted(values)[len(values) // 2]
    if spread > NOISE_SPREAD:
        listed = ", ".join(f"{value:.2f}" for value in values)
        found.append(f"benchmark_app's throughput spread over {spread:.0%} in runs alike ({listed}): this is noise.")
    if settings.counters != "no_counters":
        found.append("Performance counters were on: they slow the network down.")
    asked = dict(settings.properties) | ({"PERFORMANCE_HINT": settings.hint} if settings.hint != "none" else {})
    found += unmet(asked, main.settings)
    if settings.requests is not None and settings.requests != main.requests:
        found.append(f"requests: {settings.requests} asked for, benchmark_app ran {main.requests}.")
    return found
