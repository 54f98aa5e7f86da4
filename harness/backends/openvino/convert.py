"""OpenVINO's IR from ONNX files or torch modules."""

from __future__ import annotations

import io
import shutil
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13

from harness.backends.shared.modules import load_modules
from harness.core.interfaces import Artifact, GraphSpec


def onnx_to_ir(
    options: Mapping[str, Any], graphs: Mapping[str, GraphSpec], parent: Artifact, folder: Path
) -> tuple[dict[str, Path], dict[str, Any]]:
    """ONNX -> IR."""
    files = {}
    for name, path in parent.files.items():
        files[name] = _save_ir(ov.convert_model(str(path)), graphs[name], folder, options["weights"])
    return files, {**_inherited(parent), "converter": f"openvino {ov.__version__} from onnx"}


def torch_to_ir(
    options: Mapping[str, Any], graphs: Mapping[str, GraphSpec], parent: Artifact, folder: Path
) -> tuple[dict[str, Path], dict[str, Any]]:
    """torch -> IR without ONNX between; names and static shapes are given, for the converter keeps neither."""
    import torch

    files = {}
    for name, module in load_modules(parent).items():
        graph = graphs[name]
        example = tuple(torch.zeros(item.shape, dtype=getattr(torch, item.dtype)) for item in graph.inputs)
        shapes = [(list(item.shape), getattr(ov.Type, _OV_TYPES[item.dtype])) for item in graph.inputs]
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            model = ov.convert_model(module, example_input=example, input=shapes)
        for port, tensor in zip(model.inputs, graph.inputs, strict=True):
            port.get_tensor().set_names({tensor.name})
        for port, tensor in zip(model.outputs, graph.outputs, strict=True):
            port.get_tensor().set_names({tensor.name})
        files[name] = _save_ir(model, graph, folder, options["weights"])
    return files, {"exporter": "none", "converter": f"openvino {ov.__version__} from torch"}


_OV_TYPES = {"float32": "f32", "uint8": "u8", "int64": "i64", "int32": "i32", "float16": "f16"}


def _save_ir(model: Any, graph: GraphSpec, folder: Path, weights: str) -> Path:
    inputs = [port.get_any_name() for port in model.inputs]
    graph.check_names(inputs, [port.get_any_name() for port in model.outputs])
    model.reshape({tensor.name: list(tensor.shape) for tensor in graph.inputs})
    norm_in_place(model)
    path = folder / f"{graph.name}.xml"
    # save_model halves the weights unless told not to
    ov.save_model(model, str(path), compress_to_fp16=weights == "fp16")
    return path


def ir_to_ir(
    options: Mapping[str, Any], graphs: Mapping[str, GraphSpec], parent: Artifact, folder: Path
) -> tuple[dict[str, Path], dict[str, Any]]:
    """IR -> IR with weights stored as asked."""
    core, files = ov.Core(), {}
    for name, path in parent.files.items():
        files[name] = _save_ir(core.read_model(str(path)), graphs[name], folder, options["weights"])
    return files, {**_inherited(parent), "converter": f"openvino {ov.__version__} from IR"}


def keep_onnx(
    options: Mapping[str, Any], graphs: Mapping[str, GraphSpec], parent: Artifact, folder: Path
) -> tuple[dict[str, Path], dict[str, Any]]:
    """No IR: OpenVINO reads the ONNX files itself."""
    del options, graphs
    files = {name: Path(shutil.copy(path, folder / path.name)) for name, path in parent.files.items()}
    return files, {**_inherited(parent), "converter": "none (ONNX file read by OpenVINO)"}


def _inherited(parent: Artifact) -> dict[str, Any]:
    return {key: parent.info[key] for key in ("exporter", "opset") if key in parent.info}


def norm_in_place(model: Any) -> None:
    """Removes the reshapes around norms over all of a tensor ``[1, L, C]``: to ``[1, 1, L C]`` and back, as converters write them.

    OpenVINO computes the flat form with one thread, copies the tensor before it, and cannot join the quantisation of int8 to it. The
    same numbers are taken over both axes instead.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() != "MVN" or node.input_value(0).get_node().get_type_name() != "Reshape":
            continue
        source = node.input_value(0).get_node().input_value(0)
        shape, flat = source.get_partial_shape(), node.get_input_partial_shape(0)
        after = [port.get_node() for port in node.output(0).get_target_inputs()]
        if shape.is_dynamic or len(shape) != 3 or shape[0] != 1 or flat != ov.PartialShape([1, 1, shape[1].get_length() * shape[2].get_length()]):
            continue
        if any(item.get_type_name() != "Reshape" or item.get_output_partial_shape(0) != shape for item in after):
            continue
        told = node.get_attributes()
        norm = opset13.mvn(source, np.array([1, 2]), told["normalize_variance"], told["eps"], told["eps_mode"])
        norm.set_friendly_name(node.get_friendly_name())
        for item in after:
            item.output(0).replace(norm.output(0))
