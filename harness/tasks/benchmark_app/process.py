"""OpenVINO's own ``benchmark_app`` as a child process: its command line, its run, its report parsed by type.

Facts about the app that shape this module (openvino 2026.4): ``-nthreads`` and ``-nstreams`` are refused together with
a hint, so that both are passed in a configuration file; every value of its JSON report is a string; one run reports one
percentile instead of the median; images become u8 unless ``-iop`` names each input's type; the report's folder must
exist.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import BackendError
from harness.core.files import read_json, write_json
from harness.core.interfaces import GraphSpec

TYPES = {"float32": "f32", "uint8": "u8", "int64": "i64", "int32": "i32", "float16": "f16"}
REPORT = "benchmark_report.json"
COUNTERS = "benchmark_detailed_counters_report.json"
LOG = "benchmark_app.log"
GRACE_S = 600.0
POLL_S = 0.25
MEASURING = "[Step 10/"
_STEP = re.compile(r"^\[Step (\d+)/(\d+)\] (.+)$", re.MULTILINE)
_INPUT = re.compile(r"\]\s+(.+) \(node: .*\) : (\w+) / .* / \[([\d,]*)\]\s*$")
_SETTING = re.compile(r"^\[ INFO \]\s{2,}([A-Z][A-Z0-9_]+): (.*)$")


@dataclass(frozen=True)
class Settings:
    """The settings of one run of the app.

    ``device`` is OpenVINO's name (``CPU``); ``hint`` ``none``, ``latency``, ``throughput`` or ``cumulative_throughput``; ``api``
    ``sync``, ``async`` or empty (the app's choice: sync for latency). ``properties`` are OpenVINO's, for the device.
    ``inputs`` is a folder with a subfolder of ``.npy`` files for each input of ``graph``; None means random numbers.
    ``fill`` is True if inputs are filled again in the timed loop; None leaves it to the app (static graphs are filled
    once).
    """

    model: Path
    graph: GraphSpec
    device: str = "CPU"
    hint: str = "none"
    api: str = ""
    requests: int | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    seconds: int = 10
    iterations: int | None = None
    inputs: Path | None = None
    fill: bool | None = None
    percentile: int = 50
    counters: str = "no_counters"
    batch: int | None = None


@dataclass(frozen=True)
class Report:
    """One run: times in milliseconds, ``throughput`` in inferences per second; ``percentile_ms`` is the requested one.

    ``total_ms`` is the duration of the timed loop; ``settings`` are the properties of the compiled model, as text. On MULTI the
    app reports no latencies, so they are None.
    """

    throughput: float
    first_ms: float | None
    read_ms: float | None
    compile_ms: float | None
    percentile_ms: float | None
    average_ms: float | None
    min_ms: float | None
    max_ms: float | None
    total_ms: float
    iterations: int
    requests: int
    api: str
    filled_once: bool
    settings: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    wall_s: float = 0.0


def program() -> list[str]:
    """Returns the app of this Python: its console script, else its module. Raises BackendError if it is missing."""
    script = Path(sys.executable).parent / "benchmark_app"
    if script.is_file():
        return [str(script)]
    from importlib import util

    if util.find_spec("openvino") is None or util.find_spec("openvino.tools.benchmark.main") is None:
        raise BackendError(
            f"benchmark_app is not there: neither {script} nor openvino.tools.benchmark; install openvino with pip."
        )
    return [sys.executable, "-m", "openvino.tools.benchmark.main"]


def command(settings: Settings, folder: Path, config: Path | None) -> list[str]:
    """Returns the command line as a list; the report goes to ``folder``, ``config`` holds the device's properties."""
    precisions = ",".join(f"{tensor.name}:{TYPES[tensor.dtype]}" for tensor in settings.graph.inputs)
    words = [*program(), "-m", str(settings.model.resolve()), "-d", settings.device, "-hint", settings.hint]
    words += ["-iop", precisions, "-latency_percentile", str(settings.percentile)]
    words += ["-report_type", settings.counters, "-json_stats", "-report_folder", str(folder)]
    if settings.api:
        words += ["-api", settings.api]
    if settings.requests is not None:
        words += ["-nireq", str(settings.requests)]
    words += ["-t", str(settings.seconds)] if settings.iterations is None else ["-niter", str(settings.iterations)]
    if settings.inputs is not None:
        # relative to the folder of inputs, the child's working folder, because the app splits paths at , and :
        words += ["-i", ",".join(f"{tensor.name}:{tensor.name}" for tensor in settings.graph.inputs)]
    if settings.fill is not None:
        words += ["-inference_only", str(not settings.fill)]
    if settings.batch is not None:
        words += ["-b", str(settings.batch)]
    if config is not None:
        words += ["-load_config", str(config)]
    return words


def run(settings: Settings, folder: Path, on_second: Callable[[str, int], None] = lambda step, seconds: None) -> Report:
    """Runs the app; its report and log stay in ``folder``. ``on_second`` gets the app's step and the seconds measured.

    The child stays in this process's group, so that ending the group (Ctrl-C in the parent) ends the app too. Raises
    BackendError with the lines of the app's error.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for stale in (REPORT, COUNTERS):
        (folder / stale).unlink(missing_ok=True)
    config = None
    if settings.properties:
        # the app's file maps a device to properties; the key of a list of devices (MULTI:GPU,CPU) is its first word
        device = settings.device.partition(":")[0]
        properties = {name: _in_file(value) for name, value in settings.properties.items()}
        config = write_json(folder / "config.json", {device: properties})
    words = command(settings, folder, config)
    began = time.perf_counter()
    code = _wait(words, settings, folder / LOG, on_second)
    log = (folder / LOG).read_text(encoding="utf-8", errors="replace")
    if code or not (folder / REPORT).is_file():
        static = " The graph's shapes are static, so that task.batch may not fit it." if settings.batch else ""
        raise BackendError(
            f"benchmark_app failed (exit code {code}): {complaint(log)}; all it said is in {folder / LOG}.{static}"
        )
    report = parse(read_json(folder / REPORT), log, time.perf_counter() - began)
    check_inputs(report.inputs, settings)
    return report


def _in_file(value: Any) -> Any:
    """Returns a property for the app's file.

    Properties of single devices are a string, ``{CPU:{NAME:value,NAME:value}}``.
    """
    if not isinstance(value, Mapping):
        return value
    inner = (f"{name}:{_in_file(item) if isinstance(item, Mapping) else item}" for name, item in value.items())
    return "{" + ",".join(inner) + "}"


def _wait(words: list[str], settings: Settings, log: Path, on_second: Callable[[str, int], None]) -> int:
    """Starts the app and waits for it, following its current step in the log; ends it if this process must stop."""
    limit = time.monotonic() + settings.seconds + GRACE_S
    with open(log, "wb") as sink:
        where = settings.inputs.resolve() if settings.inputs is not None else log.parent
        variables = {**os.environ, "PYTHONUNBUFFERED": "1"}  # so that its steps reach the log immediately
        child = subprocess.Popen(
            words, env=variables, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, cwd=where
        )
        measuring: float | None = None
        said: tuple[str, int] = ("", 0)
        try:
            while child.poll() is None:
                step = current_step(log)
                if step.startswith(MEASURING):
                    measuring = measuring or time.monotonic()
                now = (step, int(time.monotonic() - measuring) if measuring else 0)
                if now != said:
                    on_second(*now)
                    said = now
                if settings.iterations is None and time.monotonic() > limit:
                    raise BackendError(
                        f"benchmark_app did not end {GRACE_S:.0f} s after its {settings.seconds} s; it was at {step}."
                    )
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(POLL_S)
            return int(child.returncode)
        finally:
            if child.poll() is None:
                _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    for stop in (child.terminate, child.kill):
        stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(3)
            return


def current_step(log: Path) -> str:
    """The last line ``[Step N/11] ...`` of the app's log; empty before the first."""
    with contextlib.suppress(OSError):
        found = _STEP.findall(log.read_text(encoding="utf-8", errors="replace"))
        if found:
            number, last, title = found[-1]
            return f"[Step {number}/{last}] {title}"
    return ""


# -------------------------------------------------------------------------------------------- parsing


def parse(raw: Mapping[str, Any], log: str, wall_s: float = 0.0) -> Report:
    """Returns the report as numbers. Raises BackendError if values that every run reports are missing."""
    results, setup = raw.get("execution_results", {}), raw.get("configuration_setup", {})
    if results.get("error"):
        raise BackendError(f"benchmark_app reports: {results['error']}")
    silent = str(setup.get("target device", "")).startswith("MULTI") and "avg latency" not in results
    percentile = next((value for key, value in results.items() if key.startswith("latency (")), None)
    try:
        return Report(
            throughput=float(results["throughput"]),
            first_ms=_number(results.get("first inference time (ms)")),
            read_ms=_number(results.get("read model time (ms)")),
            compile_ms=_number(results.get("compile model time (ms)")),
            percentile_ms=None if silent else float(percentile if percentile is not None else results["avg latency"]),
            average_ms=None if silent else float(results["avg latency"]),
            min_ms=None if silent else float(results["min latency"]),
            max_ms=None if silent else float(results["max latency"]),
            total_ms=float(results["total execution time (ms)"]),
            iterations=int(results["total number of iterations"]),
            requests=int(setup["number of parallel infer requests"]),
            api=str(setup["API"]),
            filled_once=str(setup["inference_only"]).lower() == "true",
            settings=compiled_settings(log),
            inputs=configured_inputs(log),
            wall_s=wall_s,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BackendError(
            f"benchmark_app's report lacks or garbles {error}; this version of openvino writes another report than the "
            "harness reads."
        ) from error


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def compiled_settings(log: str) -> dict[str, str]:
    """Properties of the compiled model, as the app lists them between its steps 8 and 9."""
    part = log.partition("[Step 8/")[2].partition("[Step 9/")[0]
    found = {}
    for line in part.splitlines():
        match = _SETTING.match(line)
        if match:
            found[match[1]] = match[2].strip().removeprefix("<Type: '").removesuffix("'>")
    return found


def configured_inputs(log: str) -> dict[str, str]:
    """Returns ``{input: "u8 [1,256,256,3]"}`` as the app sets the inputs before it compiles (its step 6)."""
    part = log.partition("[Step 6/")[2].partition("[Step 7/")[0].partition("Model outputs:")[0]
    matches = [match for line in part.splitlines() if (match := _INPUT.search(line))]
    return {match[1].strip(): f"{match[2]} [{match[3]}]" for match in matches}


def check_inputs(found: Mapping[str, str], settings: Settings) -> None:
    """Raises BackendError if the app's inputs differ from those of the tracker's session, which means another graph."""
    for tensor in settings.graph.inputs:
        shape = list(tensor.shape)
        if settings.batch is not None:
            shape[0] = settings.batch
        wanted = f"{TYPES[tensor.dtype]} [{','.join(map(str, shape))}]"
        if found and found.get(tensor.name) != wanted:
            raise BackendError(
                f"benchmark_app set input {tensor.name} to {found.get(tensor.name, 'nothing')} where the tracker's own session "
                f"has {wanted}; it would time another graph."
            )


def complaint(log: str) -> str:
    """Returns the lines of the app's output that describe the error, without tracebacks and source positions."""
    tail = log.rpartition("[ ERROR ]")
    text = tail[2] if tail[1] else log
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [
        line for line in lines if not line.startswith(("Traceback", "File ", "[Step", "[ INFO ]", "raise ", "^", "~"))
    ]
    lines = [line for line in lines if not line.startswith("Exception from")]
    if not lines:
        return "it gave no reason"
    own = lines[0] if tail[1] else lines[-1]
    telling = [line for line in lines if re.match(r"^(\w+(Error|Exception)|Exception|Check)\b", line)]
    last = lines[-1] if not telling else telling[-1]
    return " / ".join(dict.fromkeys([own, last, lines[-1]]))[:600].rstrip(".")


def load_counters(folder: Path) -> list[dict[str, Any]]:
    """Reads the counters of a run with ``counters=detailed_counters``, slowest first: name, type, exec_type, mean ms.

    Empty if the app wrote none. Its own averages (``average_counters``) are not used: in openvino 2026.4 they hold only
    the first node. Raises BackendError if the report has another form.
    """
    path = folder / COUNTERS
    if not path.is_file():
        return []
    try:
        requests = [request["nodes"] for request in json.loads(path.read_text(encoding="utf-8"))["detailed_performance"]]
        times: dict[tuple[str, str, str], list[float]] = {}
        for node in (node for nodes in requests for node in nodes):
            key = (str(node["name"]), str(node["node_type"]), str(node["exec_type"]))
            times.setdefault(key, []).append(float(node["real_time"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BackendError(f"{path} is not a report of counters ({error}).") from error
    rows: list[dict[str, Any]] = [
        {"name": name, "type": kind, "exec_type": how, "ms": sum(found) / len(requests)}
        for (name, kind, how), found in times.items()
    ]
    return sorted((row for row in rows if row["ms"] > 0), key=lambda row: -row["ms"])
