"""The first step of every plan: a tracker's own graphs, as its source's factory builds them, and their outputs on seeded inputs.

What can be wrong with a user's factory is reported here, in one sentence each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.artifacts.store import READS_WEIGHTS, REFERENCE_FILE, SOURCE_FILE
from harness.backends.shared.modules import call_factory
from harness.core.errors import ConfigError, HarnessError, WeightsError, telling_line, told
from harness.core.interfaces import Arrays, Artifact, GraphSpec
from harness.core.preparing import resolve
from harness.prepare import parity
from harness.prepare.plan import ONNX_CHECKER, Step

Built = tuple[dict[str, Path], dict[str, Any]]
"""Files by graph, and what the artifact records."""


def from_torch(step: Step, parent: Artifact | None, folder: Path) -> Built:
    """Keeps the recipe of the torch modules (no weights are copied) and the reference outputs."""
    del parent
    import torch

    path = folder / SOURCE_FILE
    path.write_text(json.dumps(_recipe(step), indent=1))
    modules = _built(step, torch.nn.Module, "a torch.nn.Module")
    graphs = {graph.name: graph for graph in step.graphs}
    session = resolve("harness.backends.torch.session:TorchSession")
    sessions = {name: session(graph, modules[name].eval(), "cpu") for name, graph in graphs.items()}

    named: set[str] = set()

    def run(name: str, inputs: Arrays) -> Arrays:
        outputs: Arrays = sessions[name].run(inputs)
        return outputs

    for name, module in modules.items():
        module.register_forward_hook(_note_dict(named, name))
    reference = _reference_in_double(step, graphs, run, folder / REFERENCE_FILE)
    tensors = {
        id(tensor): tensor.numel() * tensor.element_size()
        for module in modules.values()
        for tensor in (*module.parameters(), *module.buffers())
    }
    info: dict[str, Any] = {"parameter_bytes": sum(tensors.values()), "exporter": "none", "reference": reference}
    info[READS_WEIGHTS] = True
    return dict.fromkeys(graphs, path), info | ({"named_outputs": sorted(named)} if named else {})


def _reference_in_double(
    step: Step, graphs: Mapping[str, GraphSpec], run: Callable[[str, Arrays], Arrays], path: Path
) -> str:
    """Writes the reference, from the modules in float64 where they run so; returns what it is."""
    modules = call_factory(_recipe(step))  # a second time: the first stay in float32
    session = resolve("harness.backends.torch.exact:ExactSession")
    try:
        sessions = {name: session(graph, modules[name]) for name, graph in graphs.items()}
        parity.make_reference(graphs, run, path, step.seed, lambda name, inputs: sessions[name].run(inputs))
        return "torch float64"
    except HarnessError:
        raise
    except Exception as error:  # a user's module may insist on float32 in many ways
        parity.make_reference(graphs, run, path, step.seed)
        return f"torch float32 (in float64 the modules fail: {told(error)})"


def _note_dict(named: set[str], name: str) -> Callable[[Any, Any, Any], None]:
    """A hook that enters ``name`` in ``named`` where a module returns a dict: exporters need it in order."""

    def note(module: Any, inputs: Any, outputs: Any) -> None:
        del module, inputs
        if isinstance(outputs, Mapping):
            named.add(name)

    return note


def from_onnx(step: Step, parent: Artifact | None, folder: Path) -> Built:
    """Builds the graphs from published ONNX files; they are their own reference."""
    del parent
    import onnx

    models = _built(
        step, onnx.ModelProto, "an onnx.ModelProto, or the path of an ONNX file", lambda path: onnx.load(str(path))
    )
    files = {}
    for graph in step.graphs:
        model = models[graph.name]
        constants = {item.name for item in model.graph.initializer}  # old files list them among the inputs
        inputs = [item.name for item in model.graph.input if item.name not in constants]
        _expect(step, graph, inputs, [item.name for item in model.graph.output])
        onnx.checker.check_model(model, full_check=True)
        files[graph.name] = folder / f"{graph.name}.onnx"
        onnx.save(model, str(files[graph.name]))
    _make_reference(step, files, folder, ONNX_CHECKER)
    opset = max(item.version for item in models[step.graphs[0].name].opset_import if item.domain == "")
    return files, {"exporter": "the authors' files", "opset": opset}


def from_openvino(step: Step, parent: Artifact | None, folder: Path) -> Built:
    """Builds the graphs from published IR; they are their own reference."""
    del parent
    import openvino as ov

    models = _built(
        step, ov.Model, "an openvino.Model, or the path of an IR's .xml", lambda path: ov.Core().read_model(str(path))
    )
    files = {}
    for graph in step.graphs:
        model = models[graph.name]
        names = [
            _name_ports(*side) for side in ((model.inputs, graph.input_names()), (model.outputs, graph.output_names()))
        ]
        _expect(step, graph, *names)
        for tensor in graph.inputs:
            found = model.input(tensor.name).get_element_type().to_dtype()
            if found != tensor.dtype:
                raise ConfigError(
                    f"{step.options['factory']}: input {tensor.name} of graph {graph.name} is {found} in the IR and "
                    f"{tensor.dtype} in the tracker's graphs; name the type that the IR has."
                )
        model.reshape({tensor.name: list(tensor.shape) for tensor in graph.inputs})
        files[graph.name] = folder / f"{graph.name}.xml"
        ov.save_model(model, str(files[graph.name]), compress_to_fp16=False)  # what is stored in 16 bits stays so
    _make_reference(step, files, folder, "harness.backends.openvino.backend:OpenVino")
    return files, {"exporter": "the authors' files", "converter": "none (published IR)"}


def from_native(step: Step, parent: Artifact | None, folder: Path) -> Built:
    """Keeps the recipe of a tracker that runs as it is: no graphs, nothing to convert."""
    del parent
    path = folder / "tracker.json"
    path.write_text(json.dumps(call_factory(_recipe(step)), indent=1))
    size = sum(Path(item).stat().st_size for item in step.options["weights"])
    return {"tracker": path}, {"parameter_bytes": size or None, "exporter": "none", READS_WEIGHTS: True}


def _name_ports(ports: Sequence[Any], wanted: Sequence[str]) -> list[str]:
    """The names of an IR's inputs or outputs; where a tensor has several, the wanted one becomes its only one."""
    names = []
    for port in ports:
        own = sorted(port.get_names())
        names.append(next((name for name in own if name in wanted), own[0] if own else "(no name)"))
        port.get_tensor().set_names({names[-1]})
    return names


def _make_reference(step: Step, files: Mapping[str, Path], folder: Path, backend: str) -> None:
    graphs = {graph.name: graph for graph in step.graphs}
    sessions = resolve(backend).plain(1).open(Artifact(step.format, "fp32", files, graphs, step.key, folder))

    def run(name: str, inputs: Arrays) -> Arrays:
        outputs: Arrays = sessions[name].run(inputs)
        return outputs

    parity.make_reference(graphs, run, folder / REFERENCE_FILE, step.seed)


# ------------------------------------------------------------------------------------- a user's factory


def _recipe(step: Step) -> dict[str, Any]:
    return {key: step.options[key] for key in ("factory", "weights", "seed", "options")}


def _built(step: Step, kind: type, words: str, read: Any = None) -> dict[str, Any]:
    """The models that the factory built, by graph, each of class ``kind`` (or a path, which ``read`` reads). ConfigError."""
    built = call_factory(_recipe(step))
    factory = step.options["factory"]
    missing = [graph.name for graph in step.graphs if graph.name not in built]
    if missing:
        raise ConfigError(
            f"{factory} built no graph {', '.join(missing)}, which the tracker's graphs name; it built "
            f"{', '.join(map(str, built)) or 'none'}."
        )
    models = {}
    for graph in step.graphs:
        model = built[graph.name]
        if read is not None and isinstance(model, (str, Path)):
            try:
                model = read(model)
            except Exception as error:  # each library raises many kinds for a file that is not its own
                raise WeightsError(
                    f"{factory}: {model} cannot be read for graph {graph.name} ({telling_line(error)})."
                ) from error
        if not isinstance(model, kind):
            raise ConfigError(f"{factory} gave a {type(model).__name__} for graph {graph.name}; accepted: {words}.")
        models[graph.name] = model
    return models


def _expect(step: Step, graph: GraphSpec, inputs: list[str], outputs: list[str]) -> None:
    """Raises ConfigError if a model's tensors have other names than the tracker's graph."""
    for side, found, named in (("inputs", inputs, graph.input_names()), ("outputs", outputs, graph.output_names())):
        if set(found) != set(named):
            raise ConfigError(
                f"{step.options['factory']}: graph {graph.name} has {side} {', '.join(found)}, and the tracker's graphs name "
                f"{', '.join(named)}; give both the same names."
            )
