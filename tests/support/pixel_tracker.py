"""A tracker whose boxes depend on every pixel of every frame: two runs agree only if they saw the same images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.core.interfaces import Boxes, GraphSpec, Image, Session, Source, Tracker, TrackerSpec


class PixelTracker(Tracker):
    """Adds a weighted sum of all pixels to its box. Fails in the update ``bad_at``."""

    def __init__(self, bad_at: int = 0) -> None:
        self._box, self._updates, self._bad_at = np.zeros(4), 0, bad_at

    def init(self, image: Image, box: Boxes) -> None:
        self._box = np.array(box, float)

    def update(self, image: Image) -> Boxes:
        self._updates += 1
        weights = np.arange(1, image.size + 1, dtype=float).reshape(image.shape)
        self._box = self._box + np.array([float((image * weights).sum() / weights.sum() / 1000), 0, 0, 0])
        self.confidence = 1.0 / (1 + self._updates)
        return self._box if self._updates != self._bad_at else np.full(4, np.nan)

    def place(self, box: Boxes) -> None:
        self._box = np.array(box, float)


@dataclass
class Pixels(TrackerSpec):
    """Needs no graph."""

    order: Literal["rgb", "bgr"] = "rgb"
    bad_at: int = 0
    name: str = "pixels"

    def __post_init__(self) -> None:
        self.color = self.order  # type: ignore[misc]

    @property
    def graphs(self) -> Mapping[str, GraphSpec]:
        return {}

    def source(self) -> Source:
        raise NotImplementedError

    def start(self, sessions: Mapping[str, Session]) -> Tracker:
        return PixelTracker(self.bad_at)
