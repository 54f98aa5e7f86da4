"""Large products as ONNX models, whose speed is taken as the highest that a runtime reaches on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from harness.core.interfaces import Arrays

CHANNELS, SIDE, WIDTH = 128, 48, 1024
CHAIN = 4
"""The number of products in a chain, so that the time before the first and after the last is small."""
LEAST_RUNS, LEAST_SECONDS = 8, 0.4
SCALE = 0.02


@dataclass(frozen=True)
class Product:
    """A model with one input: its bytes, its inputs, and the operations of one inference (multiply and add: 2)."""

    model: bytes
    inputs: Arrays
    operations: float


def products(int8: bool) -> list[Product]:
    """Returns a chain of 3x3 convolutions and one of matrix products, in float32 or int8 (QDQ, symmetric, signed)."""
    kernel = (CHANNELS, CHANNELS, 3, 3)
    convolutions = 2.0 * CHAIN * np.prod(kernel) * SIDE**2
    matrices = 2.0 * CHAIN * WIDTH**3
    return [
        Product(_chain("Conv", (1, CHANNELS, SIDE, SIDE), kernel, int8, pads=[1, 1, 1, 1]), _given((1, CHANNELS, SIDE, SIDE)), float(convolutions)),
        Product(_chain("MatMul", (WIDTH, WIDTH), (WIDTH, WIDTH), int8), _given((WIDTH, WIDTH)), float(matrices)),
    ]  # fmt: skip


def rate(run: Callable[[], Any], operations: float) -> float:
    """Returns operations per second of the fastest of many runs, after two that do not count."""
    run(), run()
    least, begin, runs = float("inf"), perf_counter(), 0
    while runs < LEAST_RUNS or perf_counter() - begin < LEAST_SECONDS:
        start = perf_counter()
        run()
        least = min(least, perf_counter() - start)
        runs += 1
    return operations / least


def _given(shape: tuple[int, ...]) -> Arrays:
    return {"x": np.random.default_rng(0).standard_normal(shape, dtype=np.float32)}


def _chain(kind: str, shape: tuple[int, ...], weight: tuple[int, ...], int8: bool, **attributes: Any) -> bytes:
    random = np.random.default_rng(1)
    constants = [numpy_helper.from_array(np.float32(SCALE), "scale"), numpy_helper.from_array(np.int8(0), "zero")] if int8 else []
    nodes, value = [], "x"

    def add(operator: str, inputs: list[str], output: str, **more: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], name=output, **more))
        return output

    def stored(value: str, name: str) -> str:
        return add("DequantizeLinear", [add("QuantizeLinear", [value, "scale", "zero"], f"{name}_q"), "scale", "zero"], f"{name}_dq")

    for number in range(CHAIN):
        name = f"w{number}"
        values = random.integers(-20, 20, weight)
        if int8:
            constants.append(numpy_helper.from_array(values.astype(np.int8), name))
            value, name = stored(value, f"x{number}"), add("DequantizeLinear", [name, "scale", "zero"], f"{name}_dq")
        else:
            constants.append(numpy_helper.from_array((values * SCALE).astype(np.float32), name))
        value = add(kind, [value, name], f"y{number}", **attributes)
    if int8:
        value = stored(value, "out")
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", value)]
    graph = helper.make_graph(nodes, "products", tensors[:1], tensors[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())
