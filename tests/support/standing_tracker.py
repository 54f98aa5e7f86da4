"""A tracker of one's own, as a person outside the package writes it: it looks at a patch and stays where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.core.interfaces import Boxes, GraphSpec, Image, Session, Source, TensorSpec, Tracker, TrackerSpec

GRAPH = GraphSpec("search", (TensorSpec("patch", (1, 4, 4, 3), "uint8"),), (TensorSpec("mean", (1, 3)),))


@dataclass
class Standing(TrackerSpec):
    """``random`` makes it one that is not deterministic: it trembles by less than a pixel."""

    tremble: bool = False
    name: str = "standing"

    def __post_init__(self) -> None:
        self.deterministic = not self.tremble  # type: ignore[misc]

    @property
    def graphs(self) -> Mapping[str, GraphSpec]:
        return {GRAPH.name: GRAPH}

    def source(self) -> Source:
        return Source("torch", "standing_tracker:modules")

    def start(self, sessions: Mapping[str, Session]) -> Tracker:
        return StandingTracker(sessions[GRAPH.name], self.tremble)


class StandingTracker(Tracker):
    def __init__(self, session: Session, tremble: bool) -> None:
        self._session, self._tremble = session, tremble
        self._rng = np.random.default_rng()
        self._box = np.zeros(4)

    def init(self, image: Image, box: Boxes) -> None:
        self._session.run({"patch": image[None, :4, :4]})
        self._box = box.copy()

    def update(self, image: Image) -> Boxes:
        self._session.run({"patch": image[None, :4, :4]})
        return self._box + (self._rng.uniform(0, 0.5, 4) if self._tremble else 0.0)

    def place(self, box: Boxes) -> None:
        self._box = box.copy()


def modules(weights: Any = (), **options: Any) -> dict[str, Any]:
    """The graph as a torch module."""
    import torch

    class Mean(torch.nn.Module):
        def forward(self, patch: torch.Tensor) -> torch.Tensor:
            return patch.to(torch.float32).mean(dim=(1, 2))

    return {GRAPH.name: Mean()}
