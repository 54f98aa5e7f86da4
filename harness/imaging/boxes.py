"""Boxes that a user gives."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.core.errors import ConfigError


def check_box(key: str, box: Sequence[float], size: tuple[int, int]) -> None:
    """Checks a target's box against its image.

    Args:
        key: The setting with the box, such as ``dataset.init_box``.
        box: ``[x, y, w, h]`` in pixels.
        size: Width and height of the image.

    Raises:
        ConfigError: The box is invalid, has no area, or is not inside the image.
    """
    width, height = size
    where = f"the image is {width}x{height}; give [x, y, w, h] in pixels of the first frame"
    if len(box) != 4 or not all(math.isfinite(value) for value in box):
        raise ConfigError(f"{key} is {box}; it needs four numbers, [x, y, w, h]: {where}.")
    x, y, w, h = box
    if w <= 0 or h <= 0:
        raise ConfigError(f"{key} is {box}; width and height must be positive: {where}.")
    if x < 0 or y < 0 or x + w > width or y + h > height:
        raise ConfigError(f"{key} is {box}, which is not inside the image: {where}.")
