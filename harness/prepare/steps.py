"""The builders: torch -> ONNX -> IR. Each fills a folder and returns what its artifact records."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

from filelock import FileLock

from harness.artifacts.store import ARTIFACT_FILE, REFERENCE_FILE, artifact_folder, load_artifact
from harness.backends.onnx.backend import Onnx
from harness.backends.openvino.backend import OpenVino, first_line
from harness.backends.torch.backend import TorchSession, call_factory, load_modules
from harness.core.errors import HarnessError, PrepareError, StoreError
from harness.core.files import write_json
from harness.core.interfaces import Arrays, Artifact, Backend, GraphSpec, Progress
from harness.prepare import parity
from harness.prepare.plan import Step, lookup

CHECKERS: dict[str, type[Onnx] | type[OpenVino]] = {"onnx": Onnx, "openvino": OpenVino}


def realise(step: Step, cache: Path, progress: Progress, threads: int) -> Artifact:
    """The artifact of ``step``: from the cache, or built with all that it needs; safe for several processes at once."""
    found = lookup(step, cache)
    if found is not None:
        return found
    parent = realise(step.parent, cache, progress, threads) if step.parent else None
    folder = artifact_folder(cache, step.key)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the folder of prepared models {cache} cannot be written ({error.strerror}); set prepare.cache to one that can."
        ) from error
    with FileLock(f"{folder}.lock"):
        found = lookup(step, cache)
        return found or _build(step, parent, folder, progress, threads)


def _build(step: Step, parent: Artifact | None, folder: Path, progress: Progress, threads: int) -> Artifact:
    import shutil
    import tempfile

    what = step.builder.partition(":")[2].replace("_", " ")
    progress.say(f"preparing: {what} ({step.format}, {step.precision})")
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        begin = perf_counter()
        artifact = _fill(step, parent, temporary, threads)
        info = {**artifact.info, "seconds": round(perf_counter() - begin, 3), "mb": _megabytes(artifact)}
        _record(step, artifact, info)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    except HarnessError:
        raise
    except Exception as error:
        raise PrepareError(f"{what} failed: {type(error).__name__}: {first_line(error)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return load_artifact(folder)


def _fill(step: Step, parent: Artifact | None, folder: Path, threads: int) -> Artifact:
    module, _, function = step.builder.partition(":")
    files, info = getattr(import_module(module), function)(step, parent, folder)
    graphs = {graph.name: graph for graph in step.graphs}
    artifact = Artifact(step.format, step.precision, files, graphs, step.key, folder, info)
    if step.parent is not None and step.tolerance is not None and parent is not None:
        artifact = _checked(step, artifact, threads)
    return artifact


def _checked(step: Step, artifact: Artifact, threads: int) -> Artifact:
    """``artifact`` with its parity recorded. Raises PrepareError beyond the tolerance."""
    reference = artifact.folder.parent / artifact_folder(Path(), step.chain()[0].key).name / REFERENCE_FILE
    backend: Backend = CHECKERS[step.format](threads=threads)
    if isinstance(backend, OpenVino):
        backend.model_cache = False
    found = parity.measure(artifact, backend, reference)
    if step.tolerance is not None:
        parity.judge(found, step.tolerance, f"conversion to {step.format} ({step.precision})")
    info = {**artifact.info, "parity": found}
    return Artifact(
        artifact.format, artifact.precision, artifact.files, artifact.graphs, artifact.key, artifact.folder, info
    )


def _record(step: Step, artifact: Artifact, info: Mapping[str, Any]) -> None:
    write_json(
        artifact.folder / ARTIFACT_FILE,
        {
            "key": step.key,
            "format": step.format,
            "precision": step.precision,
            "files": {name: Path(path).name for name, path in artifact.files.items()},
            "graphs": [asdict(graph) for graph in step.graphs],
            "parent": step.parent.key if step.parent else None,
            "options": {key: value for key, value in step.options.items() if not key.startswith("_")},
            "info": info,
        },
    )


def _megabytes(artifact: Artifact) -> float:
    """Size of all model files in MiB; for torch, of the parameters and buffers."""
    if "parameter_bytes" in artifact.info:
        return float(artifact.info["parameter_bytes"]) / 2**20
    total = 0
    for path in set(artifact.files.values()):
        total += path.stat().st_size
        weights = path.with_suffix(".bin")
        if path.suffix == ".xml" and weights.is_file():
            total += weights.stat().st_size
    return total / 2**20


# ------------------------------------------------------------------------------------------- sources


def from_torch(step: Step, parent: Artifact | None, folder: Path) -> tuple[dict[str, Path], dict[str, Any]]:
    """Keeps the recipe of the torch modules (no weights are copied) and the reference outputs."""
    del parent
    source = {key: step.options[key] for key in ("factory", "weights", "seed", "options")}
    path = folder / "source.json"
    path.write_text(json.dumps(source, indent=1))
    modules = call_factory(source)
    graphs = {graph.name: graph for graph in step.graphs}
    sessions = {name: TorchSession(graph, modules[name].eval(), "cpu") for name, graph in graphs.items()}
    parity.make_reference(
        graphs, lambda name, inputs: sessions[name].run(inputs), folder / REFERENCE_FILE, step.seed
    )
    tensors = {
        id(tensor): tensor.numel() * tensor.element_size()
        for module in modules.values()
        for tensor in (*module.parameters(), *module.buffers())
    }
    return dict.fromkeys(graphs, path), {"parameter_bytes": sum(tensors.values()), "exporter": "none"}


def from_onnx(step: Step, parent: Artifact | None, folder: Path) -> tuple[dict[str, Path], dict[str, Any]]:
    """Builds the graphs from published ONNX files; they are their own reference."""
    del parent
    import onnx

    source = {key: step.options[key] for key in ("factory", "weights", "seed", "options")}
    models = call_factory(source)
    files = {}
    for graph in step.graphs:
        onnx.checker.check_model(models[graph.name], full_check=True)
        files[graph.name] = folder / f"{graph.name}.onnx"
        onnx.save(models[graph.name], str(files[graph.name]))
    graphs = {graph.name: graph for graph in step.graphs}
    artifact = Artifact("onnx", "fp32", files, graphs, step.key, folder)
    sessions = Onnx().open(artifact)

    def run(name: str, inputs: Arrays) -> Arrays:
        return sessions[name].run(inputs)

    parity.make_reference(graphs, run, folder / REFERENCE_FILE, step.seed)
    opset = max(item.version for item in models[step.graphs[0].name].opset_import if item.domain == "")
    return files, {"exporter": "the authors' files", "opset": opset}


# --------------------------------------------------------------------------------------- conversions


def export_onnx(step: Step, parent: Artifact, folder: Path) -> tuple[dict[str, Path], dict[str, Any]]:
    """torch -> ONNX: named tensors, static shapes, weights inside the file."""
    import onnx

    files = {}
    for name, module in load_modules(parent).items():
        graph, path = parent.graphs[name], folder / f"{name}.onnx"
        _export(module, graph, path, step.options["exporter"] == "dynamo", int(step.options["opset"]))
        model = onnx.load(str(path))
        onnx.checker.check_model(model, full_check=True)
        _expect_names(graph, [item.name for item in model.graph.input], [item.name for item in model.graph.output])
        files[name] = path
    return files, {"exporter": f"torch.onnx {step.options['exporter']}", "opset": step.options["opset"]}


def _export(module: Any, graph: GraphSpec, path: Path, dynamo: bool, opset: int) -> None:
    import torch

    arguments = tuple(torch.zeros(item.shape, dtype=getattr(torch, item.dtype)) for item in graph.inputs)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of torchvision, which is not needed
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporters warn of their own deprecations and of constants
        torch.onnx.export(
            module,
            arguments,
            str(path),
            input_names=list(graph.input_names()),
            output_names=list(graph.output_names()),
            opset_version=opset,
            dynamo=dynamo,
            external_data=False,
            verbose=False,
        )


def _expect_names(graph: GraphSpec, inputs: list[str], outputs: list[str]) -> None:
    if set(inputs) != set(graph.input_names()) or set(outputs) != set(graph.output_names()):
        raise PrepareError(
            f"graph {graph.name} was exported with inputs {inputs} and outputs {outputs}; the tracker names "
            f"{list(graph.input_names())} and {list(graph.output_names())}. Does every input reach an output?"
        )


def onnx_to_ir(step: Step, parent: Artifact, folder: Path) -> tuple[dict[str, Path], dict[str, Any]]:
    """ONNX -> IR."""
    import openvino as ov

    files = {}
    for name, path in parent.files.items():
        files[name] = _save_ir(ov.convert_model(str(path)), parent.graphs[name], folder, step.options["weights"])
    return files, {**_inherited(parent), "converter": f"openvino {ov.__version__} from onnx"}


def torch_to_ir(step: Step, parent: Artifact, folder: Path) -> tuple[dict[str, Path], dict[str, Any]]:
    """torch -> IR without ONNX between; names and static shapes are given, for the converter keeps neither."""
    import openvino as ov
    import torch

    files = {}
    for name, module in load_modules(parent).items():
        graph = parent.graphs[name]
        example = tuple(torch.zeros(item.shape, dtype=getattr(torch, item.dtype)) for item in graph.inputs)
        shapes = [(list(item.shape), getattr(ov.Type, _OV_TYPES[item.dtype])) for item in graph.inputs]
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            model = ov.convert_model(module, example_input=example, input=shapes)
        for port, tensor in zip(model.inputs, graph.inputs, strict=True):
            port.get_tensor().set_names({tensor.name})
        for port, tensor in zip(model.outputs, graph.outputs, strict=True):
            port.get_tensor().set_names({tensor.name})
        files[name] = _save_ir(model, graph, folder, step.options["weights"])
    return files, {"exporter": "none", "converter": f"openvino {ov.__version__} from torch"}


_OV_TYPES = {"float32": "f32", "uint8": "u8", "int64": "i64", "int32": "i32", "float16": "f16"}


def _save_ir(model: Any, graph: GraphSpec, folder: Path, weights: str) -> Path:
    import openvino as ov

    inputs = [port.get_any_name() for port in model.inputs]
    _expect_names(graph, inputs, [port.get_any_name() for port in model.outputs])
    model.reshape({tensor.name: list(tensor.shape) for tensor in graph.inputs})
    path = folder / f"{graph.name}.xml"
    # save_model halves the weights unless told not to
    ov.save_model(model, str(path), compress_to_fp16=weights == "fp16")
    return path


def keep_onnx(step: Step, parent: Artifact, folder: Path) -> tuple[dict[str, Path], dict[str, Any]]:
    """No IR: OpenVINO reads the ONNX files itself."""
    import shutil

    del step
    files = {name: Path(shutil.copy(path, folder / path.name)) for name, path in parent.files.items()}
    return files, {**_inherited(parent), "converter": "none (ONNX file read by OpenVINO)"}


def _inherited(parent: Artifact) -> dict[str, Any]:
    return {key: parent.info[key] for key in ("exporter", "opset") if key in parent.info}
