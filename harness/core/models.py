"""Models: named graphs of static shape, their sources, and their files after preparation.

Import these types from ``harness.core.interfaces``, together with the other shared types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence as Seq
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from harness.core.arrays import Array
from harness.core.errors import BackendError, ConfigError, PrepareError


@dataclass(frozen=True)
class TensorSpec:
    """A named tensor of static shape; ``dtype`` is NumPy's name for it (``float32``, ``uint8``). Raises ConfigError."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"

    def __post_init__(self) -> None:
        whole = isinstance(self.shape, (list, tuple)) and all(
            isinstance(side, (int, np.integer)) and not isinstance(side, bool) and side > 0 for side in self.shape
        )
        if not whole:
            raise ConfigError(
                f"the shape of tensor {self.name} is {self.shape!r}; accepted: positive whole numbers, in a tuple."
            )
        object.__setattr__(self, "shape", tuple(int(side) for side in self.shape))
        try:
            object.__setattr__(self, "dtype", np.dtype(self.dtype).name)
        except TypeError:
            raise ConfigError(
                f"the dtype of tensor {self.name} is {self.dtype!r}; accepted: NumPy's names, such as float32 and uint8."
            ) from None


@dataclass(frozen=True)
class GraphSpec:
    """A static graph. An input with the name of another graph's output is fed from it. Raises ConfigError."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def __post_init__(self) -> None:
        for side in ("inputs", "outputs"):
            value = getattr(self, side)
            tensors = (value,) if isinstance(value, TensorSpec) else value
            if not isinstance(tensors, (list, tuple)) or not all(isinstance(item, TensorSpec) for item in tensors):
                raise ConfigError(f"the {side} of graph {self.name} are {value!r}; accepted: TensorSpecs, in a tuple.")
            names = [tensor.name for tensor in tensors]
            if len(set(names)) < len(names):
                raise ConfigError(
                    f"the {side} of graph {self.name} are named {', '.join(names)}; give each a name of its own."
                )
            object.__setattr__(self, side, tuple(tensors))

    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return tuple(tensor.name for tensor in self.inputs)

    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return tuple(tensor.name for tensor in self.outputs)

    def check_names(self, inputs: Seq[str], outputs: Seq[str]) -> None:
        """Raises PrepareError if a converted graph has other names than those the tracker gives."""
        if set(inputs) != set(self.input_names()) or set(outputs) != set(self.output_names()):
            raise PrepareError(
                f"graph {self.name} was exported with inputs {list(inputs)} and outputs {list(outputs)}; the tracker names "
                f"{list(self.input_names())} and {list(self.output_names())}. Does every input reach an output?"
            )


SourceKind = Literal["torch", "onnx", "openvino", "native"]
SOURCES: Mapping[str, str] = {
    "torch": "a checkpoint of torch",
    "onnx": "ONNX files",
    "openvino": "OpenVINO's IR",
    "native": "its own code, to run as it is",
}
"""The kinds of sources, in words."""


@dataclass(frozen=True)
class Source:
    """The source of a tracker's graphs; it is resolved only in the process that prepares.

    ``factory`` is ``"package.module:function"``, called as ``factory(weights, seed=seed, **options)``. It returns
    ``{graph name: model}``: a ``torch.nn.Module`` for ``kind="torch"``, an ``onnx.ModelProto`` for ``"onnx"``, an
    ``openvino.Model`` for ``"openvino"``; for the last two a path of a file will do. For ``"native"``, a tracker without
    graphs, it returns plain values: the recipe by which backend native starts it. Graphs that exist only as OpenVINO's IR
    run on backend openvino alone. ``weights`` holds the files that the factory reads, in order (paths or strings; one
    file may be given without a list; an IR's ``.bin`` need not be named); empty means random weights drawn with
    ``seed``. ``code`` names further modules whose source enters the artifact's key (the factory's own module always
    does). Raises ConfigError if a field is invalid.
    """

    kind: SourceKind
    factory: str
    weights: tuple[Path, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    code: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in get_args(SourceKind):
            raise ConfigError(f"Source.kind is {self.kind!r}; accepted: {', '.join(get_args(SourceKind))}.")
        module, _, function = self.factory.partition(":") if isinstance(self.factory, str) else ("", "", "")
        if not module or not function.isidentifier():
            raise ConfigError(f"Source.factory is {self.factory!r}; accepted: 'package.module:function'.")
        object.__setattr__(self, "weights", tuple(Path(item) for item in _each(self.weights, "weights", (str, Path))))
        object.__setattr__(self, "code", tuple(_each(self.code, "code", (str,))))
        if not isinstance(self.options, Mapping) or not all(isinstance(key, str) for key in self.options):
            raise ConfigError(
                f"Source.options is {self.options!r}; accepted: a dict of the factory's keyword arguments."
            )


def _each(value: Any, name: str, kinds: tuple[type, ...]) -> tuple[Any, ...]:
    """Returns the items of a field of Source, which may also be a single item without a list. Raises ConfigError."""
    items = (value,) if isinstance(value, kinds) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, kinds) for item in items):
        what = "files: paths or strings" if Path in kinds else "names of modules"
        raise ConfigError(f"Source.{name} is {value!r}; accepted: {what}, in a list.")
    return tuple(items)


@dataclass(frozen=True)
class Artifact:
    """A set of named graphs on disk, ready to be opened by a backend.

    ``format`` is ``torch``, ``onnx`` or ``openvino``; ``precision`` is ``fp32``, ``fp16`` or ``int8``;
    ``key`` is the SHA-256 of everything that the files depend on; ``info`` is what preparation recorded (parity,
    exporter, opset, sizes, durations).
    """

    format: str
    precision: str
    files: Mapping[str, Path]
    graphs: Mapping[str, GraphSpec]
    key: str
    folder: Path
    info: Mapping[str, Any] = field(default_factory=dict)


def misfit(spec: GraphSpec, tensor: TensorSpec, array: Array) -> BackendError:
    """Returns the error that a session raises if an input has another shape or type than the graph takes."""
    given, wanted = (f"{item.dtype}{list(item.shape)}" for item in (array, tensor))
    return BackendError(f"input {tensor.name} of graph {spec.name} is {given}; it must be {wanted}.")


def missing_input(spec: GraphSpec, error: KeyError) -> BackendError:
    """Returns the error that a session raises if an input is missing."""
    wanted = ", ".join(spec.input_names())
    return BackendError(f"graph {spec.name} was run without its input {error.args[0]!r}; it takes {wanted}.")
