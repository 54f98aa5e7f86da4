"""VOT's regions (rectangle, polygon, mask in run-length form, special codes) as boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.core.errors import DataError
from harness.datasets.layouts.reading import Line, numbers_of

ABSENT = [float("nan")] * 4
LARGEST_SIDE = 1 << 15
"""The largest side of a mask in pixels; a larger one means a damaged line."""


def box_of(path: Path, line: Line) -> list[float]:
    """The box of a line: a rectangle as it is, the bounds of a polygon or mask, four NaN for a code or an empty mask.

    Raises DataError with the line.
    """
    if line.text[0] in "mM":
        return mask_box(path, line)
    numbers = numbers_of(path, line)
    if len(numbers) == 1:  # 0: unknown, 1: initialisation, 2: failure
        return ABSENT
    if len(numbers) == 4:
        return numbers
    if len(numbers) < 6 or len(numbers) % 2:
        raise DataError(
            f"{path}, line {line.number}: {len(numbers)} numbers; a region is four (rectangle), an even number from six (polygon), or a "
            "mask (m and whole numbers)."
        )
    if "," in line.text and len(line.text.replace(",", " ").split()) != line.text.count(",") + 1:
        raise DataError(f"{path}, line {line.number}: commas and spaces are mixed, so the polygon's numbers cannot be separated.")
    if np.isnan(numbers).any():
        if not np.isnan(numbers).all():
            raise DataError(f"{path}, line {line.number}: the polygon is neither numbers nor NaN throughout; correct it.")
        return ABSENT
    xs, ys = numbers[0::2], numbers[1::2]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def mask_box(path: Path, line: Line) -> list[float]:
    """The bounds of ``mX,Y,W,H,runs``: a W by H mask at (X, Y), row by row, runs of zeros and ones in turn, zeros first."""
    numbers = numbers_of(path, Line(line.number, line.text[1:]))
    if any(number != int(number) for number in numbers if np.isfinite(number)) or not np.isfinite(numbers).all():
        raise DataError(f"{path}, line {line.number}: a mask has whole numbers alone.")
    values = [int(number) for number in numbers]
    if len(values) < 4 or min(values[2:], default=-1) < 0 or max(values[2], values[3]) > LARGEST_SIDE:
        raise DataError(f"{path}, line {line.number}: a mask starts with its corner, width and height, and no run is negative.")
    left, top, width, height = values[:4]
    runs = np.array(values[4:], np.int64)
    if runs.sum() > width * height:
        raise DataError(f"{path}, line {line.number}: the mask's runs are {runs.sum()} pixels, its size is {width}x{height}.")
    ends = np.cumsum(runs)
    starts, stops = ends[0::2][: len(ends) // 2], ends[1::2]
    filled = stops > starts
    if not filled.any():
        return ABSENT
    starts, stops = starts[filled], stops[filled] - 1
    rows = starts // width, stops // width
    spans = rows[0] != rows[1]  # a run across the end of a row touches both edges
    first = np.where(spans, 0, starts % width).min()
    last = np.where(spans, width - 1, stops % width).max()
    return [
        float(left + first),
        float(top + rows[0].min()),
        float(last - first + 1),
        float(rows[1].max() - rows[0].min() + 1),
    ]
