"""What a profile tells besides numbers."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.records import Record
from harness.tasks.profile.roofline import Roofs


@dataclass(kw_only=True)
class TypeTime:
    """All layers of a type: how many, milliseconds of one inference, and their share of all layers' time; the rest as in ``LayerTime``."""

    type: str
    count: int
    ms: float
    share: float
    operations: float | None = None
    bytes: float | None = None
    limit_ms: float | None = None


@dataclass(kw_only=True)
class LayerTime:
    """A layer: milliseconds of one inference, its operations and bytes, the least time that the roofs allow, and which roof it is.

    None where the runtime does not tell.
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
        source: The profiler, in words.
        plain_ms: An inference without a profiler, median.
        total_ms: The sum over all layers.
        types: Slowest first.
        layers: The slowest, slowest first.
        limit_ms: The sum over all layers of the least time that the roofs allow (where it is unknown, the layer's own time).
        roofs: What this machine reached in this runtime.
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
