"""The results of a profile besides its metrics."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.records import Record
from harness.tasks.profile.roofline import Roofs


@dataclass(kw_only=True)
class TypeTime:
    """All layers of a type: count, milliseconds per inference, share of all layers' time.

    The rest as in ``LayerTime``.
    """

    type: str
    count: int
    ms: float
    share: float
    operations: float | None = None
    bytes: float | None = None
    limit_ms: float | None = None


@dataclass(kw_only=True)
class LayerTime:
    """A layer: milliseconds per inference, operations, bytes, the least time by the roofs, and the limiting roof.

    Values are None if the runtime does not report them.
    """

    name: str
    type: str
    ms: float
    precision: str = ""
    operations: float | None = None
    bytes: float | None = None
    limit_ms: float | None = None
    limited_by: str = ""


@dataclass(kw_only=True)
class Profiled:
    """A graph's profile.

    Attributes:
        graph: The graph's name.
        source: The name of the profiler.
        plain_ms: Median time of an inference without a profiler.
        total_ms: The sum over all layers.
        types: Slowest first.
        layers: The slowest, slowest first.
        limit_ms: The sum over all layers of the least time that the roofs allow (the layer's own time if it is
            unknown).
        roofs: The rates that this machine reached in this runtime.
    """

    graph: str
    source: str
    plain_ms: float
    total_ms: float
    types: list[TypeTime]
    layers: list[LayerTime]
    limit_ms: float | None = None
    roofs: Roofs | None = None


@dataclass(kw_only=True)
class ProfileRecord(Record):
    """``task=profile``."""

    profile: Profiled | None = None
