"""What a profile tells besides numbers."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.records import Record


@dataclass(kw_only=True)
class TypeTime:
    """All layers of a type: how many, milliseconds of one inference, and their share of all layers' time."""

    type: str
    count: int
    ms: float
    share: float


@dataclass(kw_only=True)
class LayerTime:
    """A layer: milliseconds of one inference."""

    name: str
    type: str
    ms: float


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
    """

    graph: str
    source: str
    plain_ms: float
    total_ms: float
    types: list[TypeTime]
    layers: list[LayerTime]


@dataclass(kw_only=True)
class ProfileRecord(Record):
    """``task=profile``."""

    profile: Profiled | None = None
