"""Where OpenVINO's time goes, by its own counters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.backends.openvino.backend import OpenVino
from harness.core.interfaces import Arrays, Artifact
from harness.core.preparing import LayerTime, LayerTimes

LAYERS = ("Convolution", "Deconvolution", "MatMul", "FullyConnected")
NOT_RUN = ("Const", "Input", "Output")


def layer_times(
    driver: OpenVino, artifact: Artifact, graph: str, inputs: list[Arrays], warmup: int, scratch: Path
) -> LayerTimes:
    """Real time of every node of the compiled model, mean over ``inputs`` after ``warmup`` runs; what took none is 0."""
    del scratch
    # a cached network was compiled without counters
    settings = {key: value for key, value in driver.settings().items() if key != "CACHE_DIR"} | {"PERF_COUNT": True}
    model = driver.core().read_model(str(artifact.files[graph]))
    compiled = driver.core().compile_model(model, driver.device_string(), settings)
    request = compiled.create_infer_request()
    spent: dict[tuple[str, str], float] = {}
    for index, arrays in enumerate([*[inputs[0]] * warmup, *inputs]):
        request.infer(dict(arrays))
        if index < warmup:
            continue
        for node in request.profiling_info:
            key = (node.node_name, node.node_type)
            spent[key] = spent.get(key, 0.0) + node.real_time.total_seconds() * 1e3 / len(inputs)
    told = _runtime_model(compiled)
    rows = [
        LayerTime(name, kind, ms, told.get(name, ("", ""))[1], told.get(name, ("", ""))[0] in LAYERS)
        for (name, kind), ms in spent.items()
    ]
    seen = {name for name, _ in spent}
    rows += [
        LayerTime(name, kind, 0.0, precision, kind in LAYERS)
        for name, (kind, precision) in told.items()
        if name not in seen
    ]
    return LayerTimes(tuple(rows), "OpenVINO profiling info (PERF_COUNT), real time")


def _runtime_model(compiled: Any) -> dict[str, tuple[str, str]]:
    """Type and precision of each node that runs, by name."""
    found = {}
    for node in compiled.get_runtime_model().get_ops():
        told = node.get_rt_info()
        kind, precision = (str(told[key].astype(str)) if key in told else "" for key in ("layerType", "runtimePrecision"))
        if kind not in NOT_RUN:
            found[node.get_friendly_name()] = (kind, precision)
    return found
