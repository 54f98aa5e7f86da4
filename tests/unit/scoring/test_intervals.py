"""Intervals and agreement: against cases worked by hand, and for coverage against what they promise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.scoring import statistics
from harness.scoring.statistics import Scores


def timed(seconds: np.ndarray, rounds: int = 1) -> pd.DataFrame:
    frames = len(seconds) // rounds
    return pd.DataFrame(
        {
            "sequence": "a",
            "repetition": 1,
            "round": np.repeat(np.arange(1, rounds + 1), frames),
            "frame": np.tile(np.arange(1, frames + 1), rounds),
            "seconds": seconds,
        }
    )


def test_fps_is_frames_over_seconds_and_the_median_of_rounds() -> None:
    assert statistics.fps(timed(np.array([0.1, 0.3]))) == pytest.approx(5.0)
    assert statistics.fps(timed(np.array([0.1, 0.2, 0.5]), rounds=3)) == pytest.approx(5.0)


def test_ratio_interval_from_blocks_covers_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(3)
    hits = 0
    for _ in range(120):
        # noise that lasts ten frames, so that frames are not independent
        noise = [np.repeat(generator.normal(0, 0.01, 60), 10) + generator.normal(0, 0.005, 600) for _ in range(2)]
        found = statistics.speed_ratio(timed(0.05 + noise[0]), timed(0.10 + noise[1]))
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 2.0 <= found.high
    assert 0.86 <= hits / 120 <= 1.0


def test_paired_rounds_cancel_what_both_runs_share() -> None:
    drift = np.repeat([1.0, 1.3, 0.8, 1.1, 1.5], 20)
    jitter = 1 + 0.001 * np.sin(np.arange(100))
    paired = statistics.speed_ratio(timed(0.05 * drift * jitter, 5), timed(0.1 * drift, 5))
    assert paired.basis == "5 rounds"
    assert paired.low is not None
    assert paired.high is not None
    assert paired.high - paired.low < 0.01
    alone = statistics.fps_interval(timed(0.05 * drift * jitter, 5))
    assert alone.low is not None
    assert alone.high is not None
    assert alone.high / alone.low > 1.3  # the drift shows where nothing cancels it


def test_rounds_that_do_not_match_are_compared_unpaired() -> None:
    generator = np.random.default_rng(0)
    own, base = timed(0.05 + generator.normal(0, 0.002, 80), 4), timed(0.1 + generator.normal(0, 0.002, 60), 3)
    found = statistics.speed_ratio(own, base)
    assert found.basis == "3 rounds"
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high


def test_student_interval_by_hand() -> None:
    # mean 2, standard deviation 1, three values: 2 -+ 4.303 / sqrt(3)
    low, high = statistics._student(np.array([1.0, 2.0, 3.0]))
    assert (low, high) == pytest.approx((2 - 4.303 / np.sqrt(3), 2 + 4.303 / np.sqrt(3)))


@pytest.mark.parametrize(("freedom", "point"), [(1, 12.706), (4.9, 2.776), (30, 2.042), (1000, 1.962)])
def test_students_points(freedom: float, point: float) -> None:
    assert statistics._t95(freedom) == pytest.approx(point, abs=2e-3)


def frames(values: dict[str, list[float]]) -> pd.DataFrame:
    rows = [
        {"sequence": name, "frame": index, "repetition": 1, "round": 1, "iou": value, "scored": index > 0}
        for name, items in values.items()
        for index, value in enumerate([float("nan"), *items])
    ]
    return pd.DataFrame(rows)


def test_scores_pool_frames_and_success_is_strict() -> None:
    own = statistics.scores(frames({"b": [0.5, 1.0, 0.6], "a": [0.75]}))
    assert own is not None
    assert own.names == ("a", "b")
    assert own.pooled() == pytest.approx([(0.5 + 1.0 + 0.6 + 0.75) / 4, 3 / 4, 1 / 4])


def test_paired_difference_is_narrow_where_both_runs_share_the_hardness() -> None:
    generator = np.random.default_rng(1)
    counts = np.full(30, 50.0)
    hard = generator.uniform(0.2, 0.95, (30, 3))
    base = Scores(tuple(map(str, range(30))), counts, hard * counts[:, None])
    own = Scores(base.names, counts, (hard - 0.004 + generator.normal(0, 0.001, (30, 3))) * counts[:, None])
    difference = statistics.accuracy_differences(own, base)["ao"]
    alone = statistics.accuracy_intervals(own)["ao"]
    assert difference.value == pytest.approx(-0.004, abs=0.001)
    assert difference.excludes(0.0) == -1
    assert difference.low is not None
    assert difference.high is not None
    assert alone.low is not None
    assert alone.high is not None
    assert difference.high - difference.low < 0.05 * (alone.high - alone.low)


def test_other_sequences_are_not_paired() -> None:
    one = statistics.scores(frames({"a": [0.5]}))
    two = statistics.scores(frames({"b": [0.5]}))
    assert one is not None
    assert two is not None
    with pytest.raises(ValueError, match="different sequences"):
        statistics.accuracy_differences(one, two)


def test_a_single_sequence_has_no_interval() -> None:
    own = statistics.scores(frames({"a": [0.5, 0.7]}))
    assert own is not None
    assert not statistics.accuracy_intervals(own)["ao"].known


def boxes(values: dict[str, list[list[float]]]) -> pd.DataFrame:
    rows = [
        dict(zip("xywh", box, strict=True), sequence=name, frame=index, repetition=1, round=1)
        for name, items in values.items()
        for index, box in enumerate(items)
    ]
    return pd.DataFrame(rows)


def test_agreement_drops_frame_0_and_finds_where_runs_part() -> None:
    still = [0.0, 0.0, 10.0, 10.0]
    base = boxes({"a": [still] * 4, "b": [still] * 3})
    own = boxes({"a": [[9.0, 9.0, 1.0, 1.0], still, [5.0, 0.0, 10.0, 10.0], still], "b": [still] * 3})
    found = statistics.agreement(own, base)
    assert found is not None
    assert found.frames == 5
    assert found.mean_iou == pytest.approx((4 + 1 / 3) / 5)
    assert found.identical == pytest.approx(4 / 5)
    assert found.metrics()["agreement/first_divergent_frame"] == 2
    worst = found.table.iloc[0]
    assert (worst["sequence"], worst["differs"], worst["below_0.5"]) == ("a", 2, 2)
    assert np.isnan(found.table.iloc[1]["differs"])
    assert found.overlaps["a"] == pytest.approx([1, 1 / 3, 1])


def test_agreement_of_nothing_is_none() -> None:
    still = [0.0, 0.0, 10.0, 10.0]
    assert statistics.agreement(boxes({"a": [still] * 3}), boxes({"b": [still] * 3})) is None
    assert statistics.agreement(boxes({"a": [still] * 3}), boxes({"a": [still] * 4})) is None
