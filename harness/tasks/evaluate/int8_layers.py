"""Which layers of a compiled model run in int8, and what each costs: asked of the runtime, not of the file."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence as Seq
from pathlib import Path
from typing import Any

from harness.core.interfaces import Array, Artifact, Backend

RUNS = 8
LISTED = 12
INT8 = ("u8", "i8")
OPENVINO_LAYERS = ("Convolution", "Deconvolution", "MatMul", "FullyConnected")
ONNX_INT8 = ("QLinearConv", "QLinearMatMul", "QGemm", "MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul", "MatMulIntegerToFloat")
ONNX_FLOAT = ("Conv", "FusedConv", "ConvTranspose", "MatMul", "FusedMatMul", "Gemm", "FusedGemm")

Row = dict[str, Any]


def layer_report(
    artifact: Artifact,
    base: Artifact,
    backend: Backend,
    graphs: Seq[str],
    inputs: Mapping[str, Mapping[str, Array]],
) -> dict[str, Any]:
    """``int8_share`` of the layers, counts, time per precision, and ``costly``: the layers that take longest in int8.

    Profiling slows a model, so these times are shares to compare layers by, not speeds.
    """
    profile = profile_openvino if artifact.format == "openvino" else profile_onnx
    int8 = [row for name in graphs for row in profile(artifact.files[name], backend, inputs[name])]
    fp32 = [row for name in graphs for row in profile(base.files[name], backend, inputs[name])]
    layers = [row for row in int8 if row["layer"]]
    quantised = [row for row in layers if row["precision"] in INT8]
    before = {row["name"]: row["ms"] for row in fp32}
    costly = sorted(int8, key=lambda row: row["ms"], reverse=True)[:LISTED]
    return {
        "layers": len(layers),
        "int8_layers": len(quantised),
        "int8_share": len(quantised) / max(1, len(layers)),
        "int8_time_share": sum(row["ms"] for row in quantised) / max(1e-9, sum(row["ms"] for row in int8)),
        "ms": {"int8": sum(row["ms"] for row in int8), "fp32": sum(row["ms"] for row in fp32)},
        "by_type": {"int8": by_type(int8), "fp32": by_type(fp32)},
        "costly": [{**row, "fp32_ms": before.get(row["name"])} for row in costly],
    }


def by_type(rows: Seq[Row]) -> dict[str, float]:
    """``type precision`` -> milliseconds, longest first."""
    found: dict[str, float] = {}
    for row in rows:
        key = f"{row['type']} {row['precision']}"
        found[key] = found.get(key, 0.0) + row["ms"]
    return dict(sorted(found.items(), key=lambda item: item[1], reverse=True)[:LISTED])


def profile_openvino(path: Path, backend: Any, inputs: Mapping[str, Array]) -> list[Row]:
    """A row per operation of the compiled model: name, type, precision, milliseconds a run, whether it is a layer."""
    core = backend.core()
    settings = {key: value for key, value in backend.settings().items() if key != "CACHE_DIR"} | {"PERF_COUNT": "YES"}
    compiled = core.compile_model(core.read_model(str(path)), backend.device_string(), settings)
    request = compiled.create_infer_request()
    total: dict[str, float] = {}
    for run in range(RUNS + 2):
        request.infer(dict(inputs))
        if run < 2:
            continue
        for item in request.get_profiling_info():
            total[item.node_name] = total.get(item.node_name, 0.0) + item.real_time.total_seconds() * 1e3 / RUNS
    rows = []
    for node in compiled.get_runtime_model().get_ops():
        told = node.get_rt_info()
        kind, precision = (_text(told, key) for key in ("layerType", "runtimePrecision"))
        if kind in ("Const", "Input", "Output"):
            continue
        name = node.get_friendly_name()
        rows.append(_row(name, kind, precision, total.get(name, 0.0), kind in OPENVINO_LAYERS))
    return rows


def _text(told: Any, key: str) -> str:
    return str(told[key].astype(str)) if key in told else ""


def _row(name: str, kind: str, precision: str, ms: float, layer: bool) -> Row:
    return {"name": name, "type": kind, "precision": precision, "ms": ms, "layer": layer}


def profile_onnx(path: Path, backend: Any, inputs: Mapping[str, Array]) -> list[Row]:
    """The same from ONNX Runtime's profile."""
    import onnxruntime as ort

    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.intra_op_num_threads = backend.threads
        options.log_severity_level = 3
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        for _ in range(RUNS):
            session.run(None, dict(inputs))
        events = json.loads(Path(session.end_profiling()).read_text())
    total: dict[tuple[str, str], float] = {}
    for event in events:
        kind = event.get("args", {}).get("op_name")
        if event.get("cat") != "Node" or not kind or not event["name"].endswith("_kernel_time"):
            continue
        key = (event["name"].removesuffix("_kernel_time"), str(kind))
        total[key] = total.get(key, 0.0) + float(event["dur"]) / 1e3 / RUNS
    return [
        _row(name, kind, "i8" if kind in ONNX_INT8 else "f32", ms, kind in (*ONNX_INT8, *ONNX_FLOAT))
        for (name, kind), ms in total.items()
    ]
