"""Layer times of OpenVINO, by its own counters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod, sqrt
from pathlib import Path
from typing import Any

from harness.backends.openvino.backend import OpenVino
from harness.backends.shared.products import products, rate
from harness.core.interfaces import Arrays, Artifact
from harness.core.preparing import LayerTime, LayerTimes

LAYERS = ("Convolution", "Deconvolution", "MatMul", "FullyConnected")
NOT_RUN = ("Const", "Input", "Output")


def layer_times(
    driver: OpenVino, artifact: Artifact, graph: str, inputs: list[Arrays], warmup: int, scratch: Path
) -> LayerTimes:
    """Returns the real time of every node, mean over ``inputs`` after ``warmup`` runs; 0 if it took none."""
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
    rows = []
    for (name, kind), ms in spent.items():
        node = told.pop(name, Node())
        rows.append(LayerTime(name, kind, ms, node.precision, node.kind in LAYERS, node.operations, node.bytes))
    rows += [
        LayerTime(name, node.kind, 0.0, node.precision, node.kind in LAYERS, node.operations, node.bytes)
        for name, node in told.items()
    ]
    return LayerTimes(tuple(rows), "OpenVINO profiling info (PERF_COUNT), real time")


@dataclass(frozen=True)
class Node:
    """A node of the compiled model: OpenVINO's type and precision, operations and bytes of one inference."""

    kind: str = ""
    precision: str = ""
    operations: float | None = None
    bytes: float | None = None


def _runtime_model(compiled: Any) -> dict[str, Node]:
    """Returns each node that runs, by name."""
    found = {}
    for node in compiled.get_runtime_model().get_ops():
        told = node.get_rt_info()
        kind, precision = (str(told[key].astype(str)) if key in told else "" for key in ("layerType", "runtimePrecision"))
        if kind not in NOT_RUN:
            found[node.get_friendly_name()] = Node(kind, precision, *_work_of(node, kind))
    return found


def _work_of(node: Any, kind: str) -> tuple[float | None, float | None]:
    """Returns operations (multiplications and additions; 0 without products) and bytes of a node.

    None if not static.
    """
    ends = [*node.inputs(), *node.outputs()]
    if not node.outputs() or any(end.get_partial_shape().is_dynamic for end in ends):
        return None, None
    size = float(sum(prod(end.get_shape()) * end.get_element_type().size for end in ends))
    if kind not in LAYERS:
        return 0.0, size
    given, made = [tuple(end.get_shape()) for end in node.inputs()], tuple(node.output(0).get_shape())
    if len(given) < 2:
        return None, size
    return operations_of(kind, given[0], given[1], made), size


def operations_of(kind: str, data: Sequence[int], weights: Sequence[int], made: Sequence[int]) -> float:
    """Returns the operations of a product, by its shapes.

    Args:
        kind: ``Convolution`` (weights (O, I, h, w) or (groups, O, I, h, w)), ``Deconvolution`` (weights (I, O, h, w)),
            ``FullyConnected`` (weights (O, K)) or ``MatMul`` (both inputs are data, either may be transposed).
        data: Shape of the first input.
        weights: Shape of the second.
        made: Shape of the output.
    """
    if kind == "Convolution":
        outputs = prod(weights[: len(weights) - len(made) + 1])  # (O) or (groups, O)
        return 2.0 * prod(made) * prod(weights) / outputs
    if kind == "Deconvolution":
        return 2.0 * prod(data) * prod(weights) / weights[0]
    if kind == "FullyConnected":
        return 2.0 * prod(made) * prod(weights) / made[-1]
    batches = prod(made[:-2])
    # sizes: rows x inner x batches, inner x columns x batches, rows x columns x batches; they give the inner side
    batched = prod(weights[:-2]) == batches
    shared = prod(data) * prod(weights) / prod(made) / (batches if batched else 1)
    return 2.0 * prod(made) * sqrt(shared)


def peak(driver: OpenVino, precision: str) -> float | None:
    """Returns operations per second of large products on the device; None for an unsupported precision."""
    settings = {key: value for key, value in driver.settings().items() if key not in ("CACHE_DIR", "PERFORMANCE_HINT", "NUM_STREAMS")}
    settings |= {"NUM_STREAMS": "1"} if driver.device == "cpu" else {}
    if precision != "i8":
        settings["INFERENCE_PRECISION_HINT"] = precision
    rates = []
    for product in products(precision == "i8"):
        try:
            model = driver.core().compile_model(driver.core().read_model(product.model), driver.device_string(), settings)
        except RuntimeError:
            return None
        request = model.create_infer_request()
        rates.append(rate(lambda request=request, product=product: request.infer(product.inputs), product.operations))  # type: ignore[misc]
    return max(rates)
