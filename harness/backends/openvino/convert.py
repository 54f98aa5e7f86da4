"""OpenVINO's IR from ONNX files or torch modules."""

from __future__ import annotations

import io
import shutil
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import openvino as ov

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
