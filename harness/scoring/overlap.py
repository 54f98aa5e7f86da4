"""Overlap of boxes, and its summaries: average, success rate, success curve. Uses only NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from harness.core.interfaces import Boxes

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

THRESHOLDS: Floats = np.linspace(0, 1, 101)
"""The success curve's overlap thresholds."""


def clip_boxes(boxes: Boxes, size: tuple[int, int]) -> Boxes:
    """Boxes ``[T, 4]`` clipped to an image of ``size`` (width, height), as the GOT-10k toolkit does it."""
    clipped = np.array(boxes, float)
    for axis in (0, 1):
        clipped[:, axis] = np.clip(clipped[:, axis], 0, size[axis])
        clipped[:, axis + 2] = np.clip(clipped[:, axis + 2], 0, size[axis] - clipped[:, axis])
    return clipped


def iou(boxes: Boxes, truth: Boxes, size: tuple[int, int] | None = None) -> Floats:
    """Intersection over union ``[T]`` in [0, 1] of ``boxes`` and ``truth``, both ``[T, 4]``.

    With ``size`` (width, height) both are clipped to the image first. A pair that is not finite gives 0.
    """
    first, second = np.asarray(boxes, float).reshape(-1, 4), np.asarray(truth, float).reshape(-1, 4)
    if first.shape != second.shape:
        raise ValueError(f"{len(first)} boxes cannot be compared with {len(second)}")
    finite = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1)
    first, second = np.where(finite[:, None], first, 0.0), np.where(finite[:, None], second, 0.0)
    if size is not None:
        first, second = clip_boxes(first, size), clip_boxes(second, size)
    start = np.maximum(first[:, :2], second[:, :2])
    end = np.minimum(first[:, :2] + first[:, 2:], second[:, :2] + second[:, 2:])
    shared = np.prod(np.maximum(end - start, 0.0), axis=1)
    union = np.prod(first[:, 2:], axis=1) + np.prod(second[:, 2:], axis=1) - shared
    return np.asarray(np.clip(shared / (union + np.finfo(float).eps), 0.0, 1.0), float)


def ao(ious: Floats) -> float:
    """Average overlap: the mean of ``ious`` ``[N]``; NaN if there are none."""
    return float(np.mean(ious)) if len(ious) else float("nan")


def sr(ious: Floats, threshold: float) -> float:
    """Success rate: the share of ``ious`` strictly above ``threshold``; NaN if there are none."""
    return float(np.mean(ious > threshold)) if len(ious) else float("nan")


def success_curve(ious: Floats) -> Floats:
    """The share of ``ious`` ``[N]`` strictly above each of the 101 ``THRESHOLDS``; NaN if there are none."""
    if not len(ious):
        return np.full(len(THRESHOLDS), np.nan)
    ordered = np.sort(np.asarray(ious, float))
    above = len(ordered) - np.searchsorted(ordered, THRESHOLDS, side="right")
    curve: Floats = above / len(ordered)
    return curve
