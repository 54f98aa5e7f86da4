"""NanoTrack from its authors' two ONNX files: the same two graphs as harness.trackers.nanotrack.network.

The published backbone is fixed at the search crop's 255 pixels, so the template's graph is the same nodes with another
input shape; the backbone and the head joined make the graph that runs every frame. Images enter as uint8 NHWC: a cast
and a transpose go before the first convolution.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper, shape_inference

from harness.core.errors import WeightsError

Version = Literal["v1", "v2", "v3"]
TEMPLATE_SIZE, SEARCH_SIZE = 127, 255
FEATURES = {"v1": 48, "v2": 48, "v3": 96}
CELLS = {"v1": 16, "v2": 16, "v3": 15}
CORRELATIONS = {"v1": 1, "v2": 2, "v3": 2}
"""Pixel-wise correlations in the head: v1's two branches share one."""
SQUEEZE = {"v1": 0.1038075, "v2": 0.1033545}
"""Mean magnitude of the first squeeze layer's 8 x 16 weights in the published backbones, which differ in their weights alone."""
OPSET = 14  # the lowest that holds all three versions' operators
Shapes = dict[str, tuple[int, ...]]


def graphs(weights: list[Path], *, seed: int = 0, version: Version = "v3", **_: Any) -> dict[str, onnx.ModelProto]:
    """``template`` and ``search`` from ``[backbone.onnx, head.onnx]``. Raises WeightsError where a file is another."""
    del seed
    if len(weights) != 2:
        raise WeightsError(f"NanoTrack's ONNX weights are two files, [backbone.onnx, head.onnx]; {len(weights)} given.")
    channels, cells = FEATURES[version], CELLS[version]
    side = SEARCH_SIZE
    backbone = _read(weights[0], version, "backbone", {"input": (1, 3, side, side)}, {"output": (1, channels, 16, 16)})
    head = _read(
        weights[1],
        version,
        "head",
        {"input1": (1, channels, 8, 8), "input2": (1, channels, 16, 16)},
        {"output1": (1, 2, cells, cells), "output2": (1, 4, cells, cells)},
    )
    _check_version(weights, backbone, head, version)
    template = _with_image(_resized(backbone, TEMPLATE_SIZE), "template", TEMPLATE_SIZE)
    template = _renamed(template, {"output": "template_features"})
    search = _joined(_with_image(backbone, "search", SEARCH_SIZE), head)
    search = _renamed(search, {"h/input1": "template_features", "h/output1": "cls", "h/output2": "loc"})
    features: Shapes = {"template_features": (1, channels, 8, 8)}
    _order_inputs(search, ("template_features", "search"))
    _checked(template, {"template": (1, TEMPLATE_SIZE, TEMPLATE_SIZE, 3)}, features)
    maps: Shapes = {"cls": (1, 2, cells, cells), "loc": (1, 4, cells, cells)}
    _checked(search, {**features, "search": (1, side, side, 3)}, maps)
    return {"template": template, "search": search}


def _check_version(paths: list[Path], backbone: onnx.ModelProto, head: onnx.ModelProto, version: str) -> None:
    """Tells v1 and v2 apart, whose files have the same names and shapes. Raises WeightsError for files of the other version."""
    correlations = sum(node.op_type == "MatMul" for node in head.graph.node)
    parts = [
        (paths[0], "backbone", {name for name, mean in SQUEEZE.items() if math.isclose(_squeeze(backbone), mean, rel_tol=1e-4)}),
        (paths[1], "head", {name for name, count in CORRELATIONS.items() if count == correlations}),
    ]
    for path, part, versions in parts:
        if versions and version not in versions and version in SQUEEZE:
            other = next(name for name in SQUEEZE if name != version)
            raise WeightsError(
                f"{path} is the {part} of NanoTrack {other}, and tracker.version is {version}; set tracker.version={other}, or give "
                f"{version}'s backbone and head."
            )


def _squeeze(backbone: onnx.ModelProto) -> float:
    """Mean magnitude of the first 8 x 16 weights; NaN if there are none. No batch norm is ever folded into them."""
    for item in backbone.graph.initializer:
        if sorted(dim for dim in item.dims if dim != 1) == [8, 16]:
            return float(np.abs(numpy_helper.to_array(item)).mean())
    return math.nan


def _joined(backbone: onnx.ModelProto, head: onnx.ModelProto) -> onnx.ModelProto:
    """The head on top of the backbone; the head's other names get the prefix ``h/``. Raises WeightsError."""
    try:
        return compose.merge_models(
            compose.add_prefix(backbone, "b/", rename_inputs=False),
            compose.add_prefix(head, "h/"),
            io_map=[("b/output", "h/input2")],
        )
    except ValueError as error:
        raise WeightsError(
            f"NanoTrack's ONNX files do not join: {error}. Give backbone and head of one version and one export."
        ) from error


def _read(path: Path, version: str, part: str, inputs: Shapes, outputs: Shapes) -> onnx.ModelProto:
    """The model at ``path`` at our opset, or WeightsError where its inputs and outputs are not those expected."""
    if not Path(path).is_file():
        raise WeightsError(f"the weights {path} do not exist; give NanoTrack {version}'s {part} ONNX file.")
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and the checker raise many kinds, all meaning the same
        raise WeightsError(f"{path} is not an ONNX model; give NanoTrack {version}'s {part} ONNX file.") from error
    initial = {item.name for item in model.graph.initializer}
    found_in = _shapes(item for item in model.graph.input if item.name not in initial)
    found_out = _shapes(model.graph.output)
    if found_in != inputs or found_out != outputs:
        raise WeightsError(
            f"{path} is not NanoTrack {version}'s {part}: it maps {_words(found_in)} to {_words(found_out)}, expected "
            f"{_words(inputs)} to {_words(outputs)}. Set tracker.version, or give the files as [backbone, head]."
        )
    _lift_opset(model)
    return model


def _lift_opset(model: onnx.ModelProto) -> None:
    """v1's files are opset 9: Clip's bounds are attributes there, and inputs from 11 on. In place.

    The general converter is not used: it refuses or renames more than these files need.
    """
    found = model.opset_import[0].version
    if found < OPSET:
        nodes = list(model.graph.node)
        bounds: dict[tuple[str, float], str] = {}
        for node in nodes:
            if node.op_type == "Clip" and len(node.input) == 1:
                for attribute in sorted(node.attribute, key=lambda item: item.name, reverse=True):  # min, max
                    key = (attribute.name, attribute.f)
                    if key not in bounds:
                        bounds[key] = f"clip_{attribute.name}_{len(bounds)}"
                        model.graph.initializer.append(
                            helper.make_tensor(bounds[key], TensorProto.FLOAT, [], [attribute.f])
                        )
                    node.input.append(bounds[key])
                del node.attribute[:]
        model.opset_import[0].version = OPSET
    model.ir_version = 8


def _resized(model: onnx.ModelProto, side: int) -> onnx.ModelProto:
    """A copy for images of ``side`` pixels; shapes recorded for the old size go."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.value_info[:]
    for value, shape in ((copy.graph.input[0], (side, side)), (copy.graph.output[0], (side // 16 + 1,) * 2)):
        for dim, length in zip(value.type.tensor_type.shape.dim[2:], shape, strict=True):
            dim.dim_value = length
    return copy


def _with_image(model: onnx.ModelProto, name: str, side: int) -> onnx.ModelProto:
    """A copy whose image input is uint8 NHWC under ``name``: Cast and Transpose go before what read ``input``."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    cast = helper.make_node("Cast", [name], [f"{name}_float"], name=f"{name}_cast", to=TensorProto.FLOAT)
    transpose = helper.make_node(
        "Transpose", [f"{name}_float"], ["input"], name=f"{name}_transpose", perm=[0, 3, 1, 2]
    )
    nodes = [cast, transpose, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.input[0].CopyFrom(helper.make_tensor_value_info(name, TensorProto.UINT8, (1, side, side, 3)))
    return copy


def _renamed(model: onnx.ModelProto, names: dict[str, str]) -> onnx.ModelProto:
    """Renames values throughout the graph, in place."""
    graph = model.graph
    for node in graph.node:
        for values in (node.input, node.output):
            for index, value in enumerate(values):
                values[index] = names.get(value, value)
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.name = names.get(value.name, value.name)
    return model


def _order_inputs(model: onnx.ModelProto, names: tuple[str, ...]) -> None:
    inputs = {value.name: value for value in model.graph.input}
    ordered = [inputs[name] for name in names]
    del model.graph.input[:]
    model.graph.input.extend(ordered)


def _checked(model: onnx.ModelProto, inputs: Shapes, outputs: Shapes) -> None:
    """The checker's full run, and names and shapes as announced. Raises WeightsError."""
    try:
        onnx.checker.check_model(model, full_check=True)
        inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as error:
        raise WeightsError(f"NanoTrack's ONNX files do not join: {str(error).splitlines()[0]}") from error
    if _shapes(inferred.graph.input) != inputs or _shapes(inferred.graph.output) != outputs:
        raise WeightsError(
            f"NanoTrack's ONNX files join to {_words(_shapes(inferred.graph.input))} and "
            f"{_words(_shapes(inferred.graph.output))}; expected {_words(inputs)} and {_words(outputs)}."
        )


def _shapes(values: Iterable[onnx.ValueInfoProto]) -> Shapes:
    return {value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim) for value in values}


def _words(shapes: Shapes) -> str:
    return ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items()) or "nothing"
