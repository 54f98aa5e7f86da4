"""tracker=example: the box moves by ``step`` pixels a frame, whatever the image shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.core.interfaces import Boxes, GraphSpec, Image, Session, Source, TensorSpec, Tracker, TrackerSpec

GRAPH = GraphSpec("search", (TensorSpec("patch", (1, 4, 4, 3), "uint8"),), (TensorSpec("mean", (1, 3)),))


@dataclass
class ExampleTracker(TrackerSpec):
    """A tracker."""

    step: int = 0
    name: str = "example"

    @property
    def graphs(self) -> Mapping[str, GraphSpec]:
        return {GRAPH.name: GRAPH}

    def source(self) -> Source:
        return Source("torch", "harness_example.tracker:modules")

    def start(self, sessions: Mapping[str, Session]) -> Tracker:
        return Moving(sessions[GRAPH.name], self.step)


class Moving(Tracker):
    """The tracker at work."""

    def __init__(self, session: Session, step: int) -> None:
        self._session, self._step = session, step
        self._box = np.zeros(4)

    def init(self, image: Image, box: Boxes) -> None:
        self._box = box.copy()

    def update(self, image: Image) -> Boxes:
        self._session.run({"patch": image[None, :4, :4]})
        self._box = self._box + np.array([self._step, 0, 0, 0])
        return self._box

    def place(self, box: Boxes) -> None:
        self._box = box.copy()


def modules(weights: Any = (), **options: Any) -> dict[str, Any]:
    """The graph as a torch module."""
    import torch

    class Mean(torch.nn.Module):
        def forward(self, patch: torch.Tensor) -> torch.Tensor:
            return patch.to(torch.float32).mean(dim=(1, 2))

    return {GRAPH.name: Mean()}
