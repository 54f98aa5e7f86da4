"""What a confidence is worth: against scikit-learn, and on cases worked by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.core.interfaces import Track
from harness.core.results import confidence_path, read_numbers, track_paths, write_tracks
from harness.scoring import confidence
from harness.scoring.frames import frames_table


@pytest.mark.parametrize("seed", range(20))
def test_auroc_is_scikit_learns_also_with_ties(seed: int) -> None:
    from sklearn.metrics import roc_auc_score  # here: every worker imports every file of tests

    generator = np.random.default_rng(seed)
    tracked = generator.random(200) < generator.uniform(0.1, 0.9)
    values = generator.normal(size=200) + tracked
    values = np.round(values, int(generator.integers(0, 3)))
    assert confidence.auroc(values, tracked) == pytest.approx(roc_auc_score(tracked, values), abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_no_threshold_has_a_larger_f1_than_the_best_one(seed: int) -> None:
    from sklearn.metrics import f1_score

    generator = np.random.default_rng(seed)
    tracked = generator.random(60) < 0.6
    values = np.round(generator.normal(size=60) + 0.7 * tracked, 1)
    best = confidence.best_threshold(values, tracked)
    scores = {value: f1_score(tracked, values >= value) for value in np.unique(values)}
    assert best in scores
    assert scores[best] == pytest.approx(max(scores.values()))
    assert confidence.f1(values, tracked, best) == pytest.approx(scores[best])


def test_an_oracle_is_perfect_and_noise_is_chance() -> None:
    from scipy import stats

    generator = np.random.default_rng(4)
    overlap = generator.random(2000)
    tracked = overlap > 0.5
    assert confidence.auroc(overlap, tracked) == 1.0
    areas = [confidence.auroc(generator.random(400), generator.random(400) > 0.5) for _ in range(100)]
    low, high = stats.t.interval(0.999, 99, np.mean(areas), stats.sem(areas))
    assert low < 0.5 < high


def test_one_kind_of_frame_alone_has_no_area() -> None:
    assert np.isnan(confidence.auroc(np.array([0.1, 0.2]), np.array([True, True])))
    assert np.isnan(confidence.best_threshold(np.array([0.1, 0.2]), np.array([False, False])))
    judged = confidence.Judged(np.array([0.3, 0.2]), np.array([True, True]))
    assert confidence.metrics_of(judged) == {"confidence/threshold": 0.2}


def frames(values: list[float], overlaps: list[float], scored: list[bool]) -> pd.DataFrame:
    count = len(values)
    columns = {"sequence": ["a"] * count, "repetition": [1] * count, "frame": range(count)}
    return pd.DataFrame({**columns, "confidence": values, "iou": overlaps, "scored": scored})


def test_covered_and_absent_targets_belong_to_the_rest() -> None:
    nan = float("nan")
    table = frames([nan, 0.9, 0.8, 0.7, 0.6], [nan, 0.9, 0.8, 0.1, 0.0], [False, True, False, True, False])
    judged = confidence.judged(table)
    assert judged is not None
    assert judged.tracked.tolist() == [True, False, False, False]  # the second overlaps well, but its target is covered
    assert confidence.judged(table.drop(columns="confidence")) is None
    assert confidence.judged(table.assign(iou=nan)) is None


def test_difference_and_flips_by_hand() -> None:
    nan = float("nan")
    base = frames([nan, 0.9, 0.6, 0.4, 0.2], [nan, 0.9, 0.8, 0.1, 0.1], [False] + [True] * 4)
    own = frames([nan, 0.7, 0.4, 0.4, 0.3], [nan, 0.9, 0.8, 0.1, 0.1], [False] + [True] * 4)
    found = confidence.agreement(own, base, 0.5)
    assert found["agreement/confidence_diff"] == pytest.approx((0.2 + 0.2 + 0 + 0.1) / 4)
    assert found["agreement/confidence_flips"] == pytest.approx(1 / 4)
    assert confidence.agreement(base, base, 0.5) == {"agreement/confidence_diff": 0.0, "agreement/confidence_flips": 0.0}
    assert confidence.agreement(own.drop(columns="confidence"), base, 0.5) == {}


def test_a_threshold_is_kept_only_if_it_costs_next_to_nothing() -> None:
    generator = np.random.default_rng(0)
    tracked = np.arange(400) % 2 == 0
    values = np.where(tracked, 0.8, 0.2) + 0.05 * generator.random(400)
    assert confidence.keeps(confidence.Judged(values, tracked), 0.5)[0]
    keep, kept, best = confidence.keeps(confidence.Judged(values - 0.4, tracked), 0.5)  # int8 shifted all scores
    assert (keep, kept, best) == (False, 0.0, 1.0)


def test_reliability_rises_with_an_honest_confidence() -> None:
    generator = np.random.default_rng(1)
    values = generator.random(5000)
    means, shares, counts = confidence.reliability(confidence.Judged(values, generator.random(5000) < values))
    assert counts.sum() == 5000
    np.testing.assert_allclose(means, shares, atol=0.06)


def test_confidence_is_kept_beside_the_boxes_a_number_a_line(tmp_path) -> None:
    told = np.array([np.nan, 0.91234567, 0.5])
    boxes = np.tile([1.0, 2, 3, 4], (3, 1))
    track = Track("a", boxes, np.full(3, 0.1), confidence=told)
    write_tracks(tmp_path, [track])
    path = confidence_path(track_paths(tmp_path, "a")[0])
    assert path.name == "a_001_confidence.value"
    np.testing.assert_allclose(read_numbers(path).ravel(), told)
    assert "confidence" in frames_table([track], None)
    silent = Track("b", boxes, np.full(3, 0.1))
    write_tracks(tmp_path, [silent])
    assert not list((tmp_path / "b").glob("*.value"))
    assert "confidence" not in frames_table([silent], None)
    both = frames_table([track, silent], None)["confidence"]
    assert np.isnan(both[3:]).all()
