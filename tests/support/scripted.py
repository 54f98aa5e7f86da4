"""A session that answers what a test wants."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.core.interfaces import GraphSpec


class Scripted:
    """Returns the arrays it was given and keeps copies of its inputs."""

    def __init__(self, spec: GraphSpec, outputs: Mapping[str, np.ndarray] | None = None) -> None:
        self.spec = spec
        zeros = {item.name: np.zeros(item.shape, item.dtype) for item in spec.outputs}
        self.outputs = {**zeros, **(outputs or {})}
        self.calls: list[dict[str, np.ndarray]] = []

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.calls.append({name: value.copy() for name, value in inputs.items()})
        return {name: value.copy() for name, value in self.outputs.items()}


def blocky_image(seed: int, width: int, height: int, dtype: type = np.int64) -> np.ndarray:
    """Noise whose pixels are 8 x 8 large, cut to ``width`` x ``height``: the golden crops' images. The type of the numbers
    drawn decides which they are."""
    small = np.random.default_rng(seed).integers(0, 256, (-(-height // 8), -(-width // 8), 3), dtype=dtype)
    return small.repeat(8, 0).repeat(8, 1)[:height, :width].astype(np.uint8)
