"""How a backend describes the making of its model files: conversion, quantisation, profiling and export.

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
    returns ``({graph: path}, info)``. ``packages`` are those whose versions the files depend on. ``half_weights`` is
    True if weights are stored in 16 bits; such files are checked with a separate tolerance.
    """

    builder: str
    precision: str = "fp32"
    options: Mapping[str, Any] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    half_weights: bool = False


@dataclass(frozen=True)
class Quantization:
    """How a backend quantises to int8.

    ``engine`` is a ``harness.backends.shared.engine.Engine``. The result depends on the versions of ``packages`` and on
    the source of ``modules``. ``own_form`` is True if trackers offer a special form of their graphs for it
    (``for_int8``).
    """

    engine: str
    packages: tuple[str, ...]
    modules: tuple[str, ...]
    own_form: bool = False


@dataclass(frozen=True)
class LayerTime:
    """One operation as the runtime ran it: mean milliseconds per inference, and the precision it was computed in.

    ``layer`` is True for the operations whose arithmetic int8 speeds up: convolutions and matrix products.
    ``operations`` counts each multiplication and each addition of one inference (0 if only memory is moved); ``bytes``
    counts every input, weight and output once. Both are None if the runtime does not report them.
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
    """All operations of one type together: their count and milliseconds per inference.

    ``operations`` as in ``LayerTime``.
    """

    type: str
    count: int
    ms: float
    operations: float | None = None


@dataclass(frozen=True)
class LayerTimes:
    """A profile by the runtime's own profiler, named in ``source``.

    ``types`` is given if it is not the sums of ``rows``.
    """

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
    """Imports and returns the object that ``package.module:name`` names."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def companions(path: Path) -> tuple[Path, ...]:
    """Returns the files of the model at ``path``: itself first, then those beside it with the same stem."""
    if not path.is_file():
        return ()
    others = sorted(item for item in path.parent.glob(f"{path.stem}.*") if item.is_file() and item != path)
    return (path, *others)
