"""Where ONNX Runtime's time goes, by its own profiler."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnxruntime as ort

from harness.backends.onnx.backend import Onnx
from harness.backends.onnx.session import session_options
from harness.core.interfaces import Arrays, Artifact
from harness.core.preparing import LayerTime, LayerTimes

INT8 = (
    "QLinearConv", "QLinearMatMul", "QGemm", "MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul", "MatMulIntegerToFloat",
)  # fmt: skip
FLOAT = ("Conv", "FusedConv", "ConvTranspose", "MatMul", "FusedMatMul", "Gemm", "FusedGemm")


def layer_times(
    driver: Onnx, artifact: Artifact, graph: str, inputs: list[Arrays], warmup: int, scratch: Path
) -> LayerTimes:
    """Kernel time of every node, mean over ``inputs`` after ``warmup`` runs."""
    options = session_options(driver, driver.threads)
    options.enable_profiling = True
    options.profile_file_prefix = str(scratch / "onnxruntime")
    session = ort.InferenceSession(str(artifact.files[graph]), options, providers=[driver.chosen_provider])
    for arrays in [*[inputs[0]] * warmup, *inputs]:
        session.run(None, dict(arrays))
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return LayerTimes(tuple(rows_of(events, warmup, len(inputs))), "ONNX Runtime profiler, kernel time")


def rows_of(events: list[dict[str, Any]], warmup: int, runs: int) -> list[LayerTime]:
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
    return [
        LayerTime(name, kind, sum(values) / runs, "i8" if kind in INT8 else "f32", kind in (*INT8, *FLOAT))
        for (name, kind), values in kept.items()
    ]
