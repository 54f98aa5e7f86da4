"""How far two runs give the same boxes: cases worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.core.errors import DataError
from harness.scoring.agreement import agreement, sequence_agreement


def test_agreement_by_hand():
    base = {"a": np.tile([0.0, 0, 10, 10], (4, 1)), "b": np.tile([0.0, 0, 10, 10], (2, 1))}
    mine = {name: rows.copy() for name, rows in base.items()}
    mine["a"][0] = 99  # frame 0 does not count
    mine["a"][2] = (0, 0, 10, 5)
    found = agreement(mine, base).metrics()
    assert found["agreement/mean_iou"] == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    assert found["agreement/identical_boxes"] == pytest.approx(3 / 4)
    assert found["agreement/first_divergent_frame"] == 2
    assert "agreement/first_divergent_frame" not in agreement(base, base).metrics()


def test_agreement_needs_the_same_sequences():
    rows = np.tile([0.0, 0, 10, 10], (3, 1))
    with pytest.raises(DataError, match="no sequence"):
        agreement({"a": rows}, {"b": rows})
    with pytest.raises(DataError, match="a: 2 boxes in one run, 3 in the other"):
        agreement({"a": rows[:2]}, {"a": rows})


def test_first_divergent_frame():
    base = np.tile([0.0, 0, 10, 10], (5, 1))
    mine = base.copy()
    mine[2, 2] = 9
    mine[4, 2] = 4
    found = sequence_agreement("a", mine, base)
    assert found.first_different == 2
    assert found.first_below(0.5) == 4
    assert sequence_agreement("a", base, base).first_different is None


def test_sequences_are_listed_from_the_one_that_agrees_least_and_firsts_are_over_all():
    base = {name: np.tile([0.0, 0, 10, 10], (4, 1)) for name in ("a", "b")} | {"c": np.zeros((1, 4))}
    mine = {name: rows.copy() for name, rows in base.items()}
    mine["a"][3] = (0, 0, 10, 9)
    mine["b"][2] = (5, 0, 10, 10)
    found = agreement(mine, base)
    assert [item.sequence for item in found.sequences] == ["b", "a", "c"]
    assert (found.frames, found.first_divergent, found.first_below(0.5)) == (6, 2, 2)
    assert math.isnan(found.sequences[-1].mean_iou)


def test_runs_of_single_frames_have_no_agreement_to_tell():
    one = {"a": np.zeros((1, 4))}
    assert agreement(one, one).metrics() == {}


@pytest.mark.parametrize("lost", [[0.0, 0, 0, 0], [-1.0, -1, -1, -1], [np.nan] * 4, [5.0, 5, np.nan, 0]])
def test_equal_boxes_of_a_lost_target_agree(lost: list[float]) -> None:
    boxes = np.array([[20.0, 30, 30, 30], [24, 32, 30, 30], lost, [32, 36, 30, 30]])
    found = agreement({"s": boxes}, {"s": boxes.copy()})
    assert (found.mean_iou, found.identical, found.first_divergent) == (1.0, 1.0, None)
    assert found.first_below(0.5) is None


def test_a_lost_target_in_one_run_alone_is_disagreement() -> None:
    boxes = np.array([[20.0, 30, 30, 30], [24, 32, 30, 30], [28, 34, 30, 30]])
    other = boxes.copy()
    other[2] = np.nan
    found = agreement({"s": other}, {"s": boxes})
    assert (found.mean_iou, found.identical, found.first_divergent) == (0.5, 0.5, 2)
