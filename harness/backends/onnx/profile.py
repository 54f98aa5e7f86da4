"""Layer times of ONNX Runtime, by its own profiler."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import onnx
import onnxruntime as ort

from harness.backends.onnx.backend import Onnx
from harness.backends.onnx.session import session_options
from harness.backends.shared.products import products, rate
from harness.core.interfaces import Arrays, Artifact
from harness.core.preparing import LayerTime, LayerTimes

INT8 = (
    "QLinearConv", "QLinearMatMul", "QGemm", "MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul", "MatMulIntegerToFloat",
)  # fmt: skip
FLOAT = ("Conv", "FusedConv", "ConvTranspose", "MatMul", "FusedMatMul", "Gemm", "FusedGemm")


def layer_times(
    driver: Onnx, artifact: Artifact, graph: str, inputs: list[Arrays], warmup: int, scratch: Path
) -> LayerTimes:
    """Returns the kernel time of every node, mean over ``inputs`` after ``warmup`` runs."""
    options = session_options(driver, driver.threads)
    options.enable_profiling = True
    options.profile_file_prefix = str(scratch / "onnxruntime")
    options.optimized_model_filepath = str(scratch / "optimised.onnx")
    session = ort.InferenceSession(str(artifact.files[graph]), options, providers=[(driver.chosen_provider, driver.provider_options)])
    for arrays in [*[inputs[0]] * warmup, *inputs]:
        session.run(None, dict(arrays))
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    weights = weights_of(scratch / "optimised.onnx")
    return LayerTimes(tuple(rows_of(events, warmup, len(inputs), weights)), "ONNX Runtime profiler, kernel time")


@dataclass(frozen=True)
class Weight:
    """A node's weight: the shape of its largest constant with more than one dimension, and its bytes."""

    shape: list[int]
    bytes: int


def weights_of(path: Path) -> dict[str, Weight]:
    """Returns the weight of each node of an optimised model by name, because the trace omits repacked ones."""
    graph = onnx.load(path, load_external_data=False).graph
    kept = {
        item.name: Weight(list(item.dims), prod(item.dims) * onnx.helper.tensor_dtype_to_np_dtype(item.data_type).itemsize)
        for item in graph.initializer
        if len(item.dims) > 1
    }
    found = {node.name: [kept[name] for name in node.input if name in kept] for node in graph.node}
    return {name: max(weights, key=lambda item: item.bytes) for name, weights in found.items() if weights}


def rows_of(
    events: list[dict[str, Any]], warmup: int, runs: int, weights: Mapping[str, Weight] | None = None
) -> list[LayerTime]:
    """Returns rows from the trace's events: the last ``runs`` kernel times of each node (microseconds in the trace)."""
    times: dict[tuple[str, str], list[float]] = {}
    work: dict[tuple[str, str], tuple[float | None, float | None]] = {}
    for event in events:
        name, arguments = str(event.get("name", "")), event.get("args") or {}
        if event.get("cat") != "Node" or not name.endswith("_kernel_time") or "op_name" not in arguments:
            continue
        key = (name.removesuffix("_kernel_time"), str(arguments["op_name"]))
        times.setdefault(key, []).append(float(event["dur"]) / 1e3)
        work[key] = work_of(arguments, (weights or {}).get(key[0]))
    # a node in a loop's body runs several times per inference: cut off its share of the runs, not a number of events
    kept = {key: values[len(values) * warmup // (warmup + runs) :] for key, values in times.items()}
    return [
        LayerTime(name, kind, sum(values) / runs, "i8" if kind in INT8 else "f32", kind in (*INT8, *FLOAT), *work[name, kind])
        for (name, kind), values in kept.items()
    ]


def work_of(arguments: Mapping[str, Any], weight: Weight | None = None) -> tuple[float | None, float | None]:
    """Returns operations and bytes of one run of a node, by the shapes and sizes in its event.

    None if they are missing.

    Args:
        arguments: ``args`` of the event.
        weight: The node's weight, counted if the event leaves it out.
    """
    kind = str(arguments.get("op_name", ""))
    given, made = (_shapes(arguments.get(key)) for key in ("input_type_shape", "output_type_shape"))
    large = [shape for shape in given if len(shape) > 1]
    missing = weight if weight is not None and weight.shape not in given else None
    try:
        size = float(sum(int(arguments[key]) for key in ("activation_size", "parameter_size", "output_size")))
        size += missing.bytes if missing is not None else 0
    except (KeyError, ValueError):
        size = None  # type: ignore[assignment]
    if kind not in (*INT8, *FLOAT):
        return 0.0, size
    if not large or not made:
        return None, size
    if "Conv" not in kind:
        return 2.0 * prod(made[0]) * large[0][-1], size
    kernel = large[1] if len(large) > 1 else weight.shape if weight is not None else None
    if kernel is None:
        return None, size
    # in a transposed convolution the kernel is applied to each input value, else to each output value
    return 2.0 * prod(large[0] if "Transpose" in kind else made[0]) * prod(kernel) / kernel[0], size


def _shapes(told: Any) -> list[list[int]]:
    """Shapes from ``[{"float": [1, 3]}, ...]``."""
    return [[int(side) for side in shape] for item in told or () for shape in item.values()]


def peak(driver: Onnx, precision: str) -> float | None:
    """Returns operations per second of large products; None for a precision that ONNX Runtime does not use here."""
    if precision not in ("f32", "i8"):
        return None
    rates = []
    for product in products(precision == "i8"):
        options = session_options(driver, driver.threads)
        session = ort.InferenceSession(product.model, options, providers=[(driver.chosen_provider, driver.provider_options)])
        rates.append(rate(lambda session=session, product=product: session.run(None, product.inputs), product.operations))  # type: ignore[misc]
    return max(rates)
