"""Intervals: against cases worked by hand, and for coverage against what they promise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.scoring import intervals, turns
from harness.scoring.intervals import Sums
from harness.scoring.turns import Round


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
    assert intervals.fps(timed(np.array([0.1, 0.3]))) == pytest.approx(5.0)
    assert intervals.fps(timed(np.array([0.1, 0.2, 0.5]), rounds=3)) == pytest.approx(5.0)


def test_paired_rounds_cancel_what_both_runs_share() -> None:
    drift = np.repeat([1.0, 1.3, 0.8, 1.1, 1.5], 20)
    jitter = 1 + 0.001 * np.sin(np.arange(100))
    fast, slow = intervals.round_fps(timed(0.05 * drift * jitter, 5)), intervals.round_fps(timed(0.1 * drift, 5))
    rounds = [Round({"a": 1 / fast[number], "b": 1 / slow[number]}, loading=int(number)) for number in fast.index]
    paired = turns.ratio(rounds, "a", "b", least=3)
    assert paired.rounds == 5
    assert paired.low is not None
    assert paired.high is not None
    assert paired.high - paired.low < 0.01
    alone = intervals.fps_interval(timed(0.05 * drift * jitter, 5))
    assert alone.low is not None
    assert alone.high is not None
    assert alone.high / alone.low > 1.3  # the drift shows where nothing cancels it


def frames(values: dict[str, list[float]]) -> pd.DataFrame:
    rows = [
        {"sequence": name, "frame": index, "repetition": 1, "round": 1, "iou": value, "scored": index > 0}
        for name, items in values.items()
        for index, value in enumerate([float("nan"), *items])
    ]
    return pd.DataFrame(rows)


def test_scores_pool_frames_and_success_is_strict() -> None:
    own = intervals.sums_of(frames({"b": [0.5, 1.0, 0.6], "a": [0.75]}))
    assert own is not None
    assert own.names == ("a", "b")
    assert own.pooled() == pytest.approx([(0.5 + 1.0 + 0.6 + 0.75) / 4, 3 / 4, 1 / 4])


def test_paired_difference_is_narrow_where_both_runs_share_the_hardness() -> None:
    generator = np.random.default_rng(1)
    counts = np.full(30, 50.0)
    hard = generator.uniform(0.2, 0.95, (30, 3))
    base = Sums(tuple(map(str, range(30))), counts, hard * counts[:, None])
    own = Sums(base.names, counts, (hard - 0.004 + generator.normal(0, 0.001, (30, 3))) * counts[:, None])
    difference = intervals.accuracy_differences(own, base)["ao"]
    alone = intervals.accuracy_intervals(own)["ao"]
    assert difference.value == pytest.approx(-0.004, abs=0.001)
    assert difference.excludes(0.0) == -1
    assert difference.low is not None
    assert difference.high is not None
    assert alone.low is not None
    assert alone.high is not None
    assert difference.high - difference.low < 0.05 * (alone.high - alone.low)


def test_other_sequences_are_not_paired() -> None:
    one = intervals.sums_of(frames({"a": [0.5]}))
    two = intervals.sums_of(frames({"b": [0.5]}))
    assert one is not None
    assert two is not None
    with pytest.raises(ValueError, match="different sequences"):
        intervals.accuracy_differences(one, two)


def test_a_single_sequence_has_no_interval() -> None:
    own = intervals.sums_of(frames({"a": [0.5, 0.7]}))
    assert own is not None
    assert not intervals.accuracy_intervals(own)["ao"].known
