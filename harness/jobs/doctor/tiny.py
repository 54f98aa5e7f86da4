"""A tracker of one tiny graph, to find out whether a backend works at all. Light: the network is in ``network``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.core.errors import ConfigError
from harness.core.interfaces import GraphSpec, Session, Source, TensorSpec, Tracker, TrackerSpec

GRAPH = "search"
INPUT, OUTPUT = "search", "scores"
SIZE = 32


@dataclass
class Tiny(TrackerSpec):
    """Three convolutions on an image of 32x32 pixels, with random weights. It is prepared like any tracker, but cannot track."""

    name: str = "tiny"

    @property
    def graphs(self) -> Mapping[str, GraphSpec]:
        """The one graph."""
        image = TensorSpec(INPUT, (1, SIZE, SIZE, 3), "uint8")
        return {GRAPH: GraphSpec(GRAPH, (image,), (TensorSpec(OUTPUT, (1, 4, SIZE // 2, SIZE // 2)),))}

    def source(self) -> Source:
        """The random network."""
        return Source("torch", "harness.jobs.doctor.network:build")

    def start(self, sessions: Mapping[str, Session]) -> Tracker:
        """Raises ConfigError, because this graph cannot track."""
        raise ConfigError("this graph only checks that a backend works; it cannot track.")

    @property
    def random_weights(self) -> bool:
        """Always True."""
        return True
