"""Overlap of boxes: cases worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.scoring.overlap import ao, clip_boxes, iou, sr, success_curve


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, float)


@pytest.mark.parametrize(
    ("mine", "truth", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
        ((0, 0, 10, 10), (5, 0, 10, 10), 50 / 150),
        ((0, 0, 10, 10), (10, 0, 10, 10), 0.0),  # touching; the older +1 convention would give more than 0
        ((0, 0, 2, 2), (1, 1, 2, 2), 1 / 7),
        ((0, 0, 0, 0), (0, 0, 0, 0), 0.0),
        ((3, 3, 0, 5), (0, 0, 10, 10), 0.0),
        ((math.nan, 0, 10, 10), (0, 0, 10, 10), 0.0),
        ((0, 0, math.inf, 10), (0, 0, 10, 10), 0.0),
        ((-5, 0, 10, 10), (-5, 0, 10, 10), 1.0),
    ],
)
def test_overlap_by_hand(mine, truth, expected):
    assert iou(boxes(mine), boxes(truth)) == pytest.approx([expected], abs=1e-12)


def test_clipping_is_the_toolkits():
    # the corner moves to the image, the width stays: [-10, 0, 20, 10] becomes [0, 0, 20, 10], not [0, 0, 10, 10]
    clipped = clip_boxes(boxes((-10, 0, 20, 10), (90, 50, 30, 30), (120, 70, 5, 5)), (100, 60))
    assert clipped.tolist() == [[0, 0, 20, 10], [90, 50, 10, 10], [100, 60, 0, 0]]


def test_overlap_does_not_change_its_arguments():
    mine, truth = boxes((-10, 0, 20, 10)), boxes((-10, 0, 20, 10))
    iou(mine, truth, (15, 15))
    assert mine.tolist() == truth.tolist() == [[-10, 0, 20, 10]]


def test_overlap_of_unequal_numbers_is_refused():
    with pytest.raises(ValueError, match="1 boxes cannot be compared with 2"):
        iou(boxes((0, 0, 1, 1)), boxes((0, 0, 1, 1), (0, 0, 1, 1)))


def test_success_is_strict():
    ious = np.array([0.5, 0.75, 0.751, 0.2])
    assert sr(ious, 0.5) == 0.5
    assert sr(ious, 0.75) == 0.25
    assert ao(ious) == pytest.approx(0.55025)


def test_success_curve_counts_what_lies_above_each_threshold():
    ious = np.concatenate([np.linspace(0, 1, 201), [0.5, 0.5, 1.0, 0.0]])
    curve = success_curve(ious)
    assert curve.shape == (101,)
    assert curve == pytest.approx([np.mean(ious > threshold) for threshold in np.linspace(0, 1, 101)], abs=1e-15)
    assert curve[-1] == 0.0


def test_nothing_to_score_is_nan_not_zero():
    assert math.isnan(ao(np.empty(0)))
    assert math.isnan(sr(np.empty(0), 0.5))
    assert np.isnan(success_curve(np.empty(0))).all()
