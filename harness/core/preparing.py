"""What a backend tells about its models: how its files are made, quantised, profiled and handed over.

All of it is plain data, so that the parent can plan without importing a runtime. Code is named as ``package.module:name`` and
imported by ``resolve`` in the process that runs it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Conversion:
    """How a backend makes its files from graphs of another format.

    ``builder`` is called as ``builder(options, graphs, parent, folder)`` with the parent artifact and an empty folder, and
    returns ``({graph: path}, info)``. ``packages`` are those whose versions the files depend on. ``half_weights`` says
    that weights are stored in 16 bits, which is judged by a tolerance of its own.
    """

    builder: str
    precision: str = "fp32"
    options: Mapping[str, Any] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    half_weights: bool = False


@dataclass(frozen=True)
class Quantization:
    """How a backend quantises to int8.

    ``engine`` is a ``harness.backends.shared.engine.Engine``; ``packages`` are those whose versions, ``modules`` those whose
    source the result depends on. ``own_form`` says that trackers offer a form of their graphs for it (``for_int8``).
    """

    engine: str
    packages: tuple[str, ...]
    modules: tuple[str, ...]
    own_form: bool = False


@dataclass(frozen=True)
class LayerTime:
    """One operation as the runtime ran it: milliseconds of one inference (a mean), the precision it was computed in.

    ``layer`` is True for the operations whose arithmetic int8 speeds up: convolutions and matrix products. ``operations`` of one
    inference count a multiplication and an addition each (0 where only memory is moved), ``bytes`` every input, weight and
    output once; None where the runtime does not tell.
    """

    name: str
    type: str
    ms: float
    precision: str = ""
    layer: bool = False
    operations: float | None = None
    bytes: float | None = None


@dataclass(frozen=True)
class TypeTime:
    """All operations of one type together: how many, and milliseconds of one inference; ``operations`` as in ``LayerTime``."""

    type: str
    count: int
    ms: float
    operations: float | None = None


@dataclass(frozen=True)
class LayerTimes:
    """A profile by the runtime's own profiler; ``source`` says which. ``types`` where they are not the sums of ``rows``."""

    rows: tuple[LayerTime, ...]
    source: str
    types: tuple[TypeTime, ...] | None = None


@dataclass(frozen=True)
class Handover:
    """What an exported script needs of a runtime: the PyPI package, the text of its ``Session`` class, its options."""

    package: str
    session: str
    options: Mapping[str, Any] = field(default_factory=dict)


def resolve(reference: str) -> Any:
    """What ``package.module:name`` names, imported now."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def companions(path: Path) -> tuple[Path, ...]:
    """The files that make up the model at ``path``: those beside it that bear its name before the suffix, itself first."""
    if not path.is_file():
        return ()
    others = sorted(item for item in path.parent.glob(f"{path.stem}.*") if item.is_file() and item != path)
    return (path, *others)
