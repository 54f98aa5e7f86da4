"""The ground that the demo's drawing stands on: seeds, affine maps.

Everything is a function of its seed, and each use of the drawing has a seed space of its own (``SPACES``).

Conventions: images are uint8 RGB ``[H, W, 3]``; coordinates are continuous with pixel ``i`` covering
``[i, i + 1)``; a sprite fills the square ``[-1, 1] x [-1, 1]`` of its own coordinates; an affine map is a
float64 ``[2, 3]`` matrix ``[A | t]``, ``p -> A p + t``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence as Seq

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Plane = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]
Numbers = Seq[float] | Floats
Rng = np.random.Generator

VERSION = 1
"""Raised whenever the same seed gives other pixels: the demo's cache folder depends on it."""

SPACES = {"train": 1, "val": 2, "calibration": 3, "test": 4}
"""The first word of every seed. Streams of different spaces are independent (NumPy's SeedSequence)."""

_SEED_MARK = 0x5EED


def generator(space: str, *words: int) -> Rng:
    """The random generator of ``words`` (each >= 0; trailing zeros do not count) in the seed space ``space``."""
    return np.random.default_rng([_SEED_MARK, SPACES[space], *words])


def affine(scale: Numbers = (1.0, 1.0), angle: float = 0.0, shear: float = 0.0, at: Numbers = (0, 0)) -> Floats:
    """Rotation by ``angle`` (radians) after a shear after scaling by ``scale`` (x, y), then a move to ``at``."""
    cos, sin = math.cos(angle), math.sin(angle)
    sx, sy = scale
    return np.array(
        [
            [cos * sx, cos * shear * sy - sin * sy, at[0]],
            [sin * sx, sin * shear * sy + cos * sy, at[1]],
        ]
    )


def chain(outer: Floats, inner: Floats) -> Floats:
    """``outer`` after ``inner``."""
    result: Floats = outer[:, :2] @ inner
    result[:, 2] += outer[:, 2]
    return result


def mapped(matrix: Floats, points: Floats) -> Floats:
    """``points`` ``[N, 2]`` through ``matrix``."""
    moved: Floats = points @ matrix[:, :2].T + matrix[:, 2]
    return moved
