"""OPE against hand-worked values and package got10k's own experiments."""

from __future__ import annotations

import numpy as np
import pytest
from got10k.experiments import ExperimentNfS, ExperimentOTB, ExperimentUAV123

from harness.core.errors import DataError
from harness.core.interfaces import Sequence, Track
from harness.scoring import ope

SQUARE = np.array([[10.0, 10.0, 10.0, 10.0]])


def sequence(truth: np.ndarray, **more: object) -> Sequence:
    return Sequence("s", (), truth[0], truth=truth, **more)  # type: ignore[arg-type]


def track(boxes: np.ndarray, name: str = "s", repetition: int = 1) -> Track:
    return Track(name, boxes, np.full(len(boxes), np.nan), repetition=repetition)


def test_curves_when_one_of_two_frames_overlaps_a_third_equal_the_hand_worked_ones() -> None:
    truth = np.repeat(SQUARE, 2, axis=0)
    boxes = truth + np.array([[0, 0, 0, 0], [5, 0, 0, 0]])  # 50 of 150 pixels shared: overlap 1/3; centres 5 pixels, 0.5 widths apart
    found = ope.score_ope([track(boxes)], [sequence(truth)], rule="otb")
    # thresholds 0, 0.05, ..., 0.30 (7) are passed by both frames, 0.35 to 0.95 (13) by the first, 1.0 by none
    assert found.metrics["auc"] == pytest.approx((7 * 1.0 + 13 * 0.5) / 21)
    assert found.metrics["op50"] == 0.5
    assert found.metrics["op75"] == 0.5
    assert found.metrics["precision20"] == 1.0
    assert found.metrics["norm_precision20"] == 0.5
    assert found.curves is not None
    np.testing.assert_array_equal(found.curves.precision[:6], [0.5, 0.5, 0.5, 0.5, 0.5, 1.0])
    np.testing.assert_array_equal(found.curves.norm_precision[[49, 50]], [0.5, 1.0])


def test_success_when_an_overlap_equals_a_threshold_is_not_counted_at_it() -> None:
    truth = np.repeat(SQUARE, 2, axis=0)
    boxes = np.array([SQUARE[0], [10.0, 10.0, 10.0, 5.0]])  # overlap exactly 0.5
    found = ope.score_ope([track(boxes)], [sequence(truth)], rule="otb")
    assert found.curves is not None
    assert found.curves.success[9] == 1.0
    assert found.curves.success[10] == 0.5


@pytest.mark.parametrize(
    ("rule", "auc", "precision20"),
    [("otb", 20 / 21 / 2, 1.0), ("lasot", 20 / 21 / 2, 0.5), ("exclude", 20 / 21, 1.0)],
)
def test_absent_frame_counts_as_the_rule_says(rule: str, auc: float, precision20: float) -> None:
    truth = np.array([SQUARE[0], [0.0, 0.0, 0.0, 0.0]])
    given = sequence(truth, visible=np.array([True, False]))
    found = ope.score_ope([track(np.repeat(SQUARE, 2, axis=0))], [given], rule=rule)
    assert found.metrics["auc"] == pytest.approx(auc)
    assert found.metrics["precision20"] == precision20
    assert found.invalid_truth == 1
    assert "no valid truth" in found.warnings[0]


def test_truth_at_the_border_is_valid_by_the_files_own_coordinates() -> None:
    truth = np.array([[5.0, 5.0, 4.0, 4.0], [0.0, 5.0, 4.0, 4.0], [-1.0, 5.0, 4.0, 4.0]])
    np.testing.assert_array_equal(ope.valid_truth(truth, "otb", 0), [True, False, False])
    np.testing.assert_array_equal(ope.valid_truth(truth, "otb", 1), [True, True, False])
    np.testing.assert_array_equal(ope.valid_truth(truth, "exclude", 1), [True, True, True])


def test_result_without_a_size_is_replaced_by_the_box_before() -> None:
    truth = np.repeat(SQUARE, 4, axis=0)
    boxes = truth.copy()
    boxes[1] = [12, 10, 10, 10]
    boxes[2] = [0, 0, 0, 0]
    boxes[3] = np.nan
    fixed, count = ope.repaired(boxes, truth)
    assert count == 2
    np.testing.assert_array_equal(fixed, [SQUARE[0], boxes[1], boxes[1], boxes[1]])


def test_first_box_when_the_tracker_was_started_elsewhere_is_kept() -> None:
    truth = np.repeat(SQUARE, 2, axis=0)
    boxes = truth + 30
    given = sequence(truth, meta={"first_given": "no"})
    assert ope.score_ope([track(boxes)], [given], rule="otb").metrics["auc"] == 0.0
    assert ope.score_ope([track(boxes)], [sequence(truth)], rule="otb").metrics["auc"] == pytest.approx(20 / 21 / 2)


def test_score_is_the_mean_over_sequences_and_attributes_over_their_own() -> None:
    long, short = np.repeat(SQUARE, 8, axis=0), np.repeat(SQUARE, 2, axis=0)
    sequences = [
        Sequence("long", (), long[0], truth=long, attributes=("IV",)),
        Sequence("short", (), short[0], truth=short, attributes=("IV", "OV")),
    ]
    lost = short.copy()
    lost[1, 0] = 200
    found = ope.score_ope([track(long, "long"), track(lost, "short")], sequences, rule="otb")
    perfect, half = 20 / 21, 10 / 21
    assert found.metrics["auc"] == pytest.approx((perfect + half) / 2)
    assert found.attributes["IV"][0].scores()["auc"] == pytest.approx((perfect + half) / 2)
    assert found.attributes["OV"][0].scores()["auc"] == pytest.approx(half)
    assert found.attributes["OV"][1] == ["short"]


def test_repetitions_are_averaged() -> None:
    truth = np.repeat(SQUARE, 2, axis=0)
    lost = truth.copy()
    lost[1, 0] = 200
    found = ope.score_ope([track(truth), track(lost, repetition=2)], [sequence(truth)], rule="otb")
    assert found.metrics["op50"] == pytest.approx((1.0 + 0.5) / 2)


def test_track_of_another_length_is_refused() -> None:
    truth = np.repeat(SQUARE, 3, axis=0)
    with pytest.raises(DataError, match="the track has 2 boxes, the ground truth 3 lines"):
        ope.score_ope([track(truth[:2])], [sequence(truth)])


def _random(frames: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.column_stack([rng.uniform(1, 300, (frames, 2)), rng.uniform(5, 90, (frames, 2))])
    boxes = truth + rng.normal(0, 12, truth.shape)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], 1.0)
    if seed % 2:
        truth, boxes = truth.round(), boxes.round()
    return truth, boxes


@pytest.mark.parametrize("experiment", [ExperimentOTB, ExperimentUAV123, ExperimentNfS])
@pytest.mark.parametrize("seed", range(6))
def test_curves_equal_package_got10k(experiment: type, seed: int) -> None:
    official = experiment.__new__(experiment)
    official.nbins_iou, official.nbins_ce = 21, 51
    truth, boxes = _random(240, seed)
    boxes[0] = truth[0]
    rule = "otb"
    given = truth.copy()
    visible = np.ones(len(truth), bool)
    if experiment is ExperimentUAV123:  # the package leaves out frames whose truth is NaN
        given[[7, 50, 51]] = np.nan
        visible[[7, 50, 51]] = False
        rule = "exclude"
    success, precision = official._calc_curves(*official._calc_metrics(boxes.copy(), given))
    shown = np.where(np.isnan(given), 0.0, given)
    found = ope.score_ope([track(boxes)], [sequence(shown, visible=visible)], rule=rule, as_shipped=False)
    assert found.curves is not None
    np.testing.assert_allclose(found.curves.success, success, atol=1e-9)
    np.testing.assert_allclose(found.curves.precision, precision, atol=1e-9)
