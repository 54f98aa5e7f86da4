"""Verdicts from a measurement in turns: noise makes none, a difference is found, the value lies in its interval."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from turn_worlds import WORLDS, simulate

from harness.scoring.turns import LEAST_ROUNDS, PROCESS_SPREAD, Round, decide, ratio

TRIALS = 250
"""benchmarks/intervals.py runs a thousand of each."""


@functools.cache
def equals(world: str) -> list[list[Round]]:
    """Measurements of three ways that take equally long."""
    return [simulate({"a": 0.01, "b": 0.01, "c": 0.01}, world, seed) for seed in range(TRIALS)]


@pytest.mark.parametrize("world", WORLDS)
def test_intervals_of_equal_ways_exclude_one_in_at_most_seven_percent(world: str) -> None:
    wrong = 0
    for rounds in equals(world):
        found = ratio(rounds, "b", "a")
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.value <= found.high
        wrong += not found.low <= 1 <= found.high
    assert wrong / TRIALS <= 0.09, f"{wrong} of {TRIALS}: with 250 trials 0.07 + two standard errors"


@pytest.mark.parametrize("world", WORLDS)
def test_equal_ways_are_never_called_fastest(world: str) -> None:
    kinds = [decide(rounds, list("abc")).kind for rounds in equals(world)]
    assert kinds.count("tie") == TRIALS


@pytest.mark.parametrize(("world", "least"), [("steady", 48), ("drift", 48), ("two speeds", 22)])
def test_a_way_that_is_ten_percent_faster_is_found(world: str, least: int) -> None:
    speeds = {"a": 0.011, "b": 0.010, "c": 0.0125}
    found = [decide(simulate(speeds, world, seed), list("abc")) for seed in range(50)]
    assert all(item.leaders[0] == "b" for item in found)
    assert sum(item.kind == "fastest" for item in found) >= least


def test_two_equal_leaders_are_a_tie_and_the_slow_one_is_named() -> None:
    found = decide(simulate({"a": 0.02, "b": 0.01, "c": 0.01}, "steady", 3), list("abc"))
    assert (found.kind, set(found.leaders), found.slower) == ("tie", {"b", "c"}, ("a",))


def test_disturbed_rounds_are_left_out_and_too_few_quiet_ones_decide_nothing() -> None:
    quiet = [Round({"a": 0.02, "b": 0.01}) for _ in range(LEAST_ROUNDS)]
    loud = [Round({"a": 0.01, "b": 0.05}, quiet=False) for _ in range(9)]
    assert ratio([*quiet, *loud], "b", "a").value == pytest.approx(2.0)
    assert decide([*quiet, *loud], ["a", "b"]).kind == "fastest"
    few = decide([*quiet[1:], *loud], ["a", "b"])
    assert (few.kind, few.rounds, few.disturbed) == ("again", LEAST_ROUNDS - 1, 9)
    assert ratio(quiet[1:], "b", "a").low is None


def test_a_linear_drift_cancels_within_every_round() -> None:
    def seconds(position: int) -> float:
        return 0.01 * (1 + 0.05 * position)

    # the order a b c, then c b a: every way meets the same mean slowness
    means = {name: (seconds(index) + seconds(5 - index)) / 2 for index, name in enumerate("abc")}
    assert np.ptp(list(means.values())) < 1e-15


def test_rounds_of_one_loading_share_their_processes_so_that_more_of_them_do_not_narrow_the_interval_at_will() -> None:
    one = [Round({"a": 0.01, "b": 0.01}) for _ in range(1000)]
    two = [Round({"a": 0.01, "b": 0.01}, loading=number % 2) for number in range(1000)]
    each = [Round({"a": 0.01, "b": 0.01}, loading=number) for number in range(1000)]
    widths = [np.log(found.high) for rounds in (one, two, each) if (found := ratio(rounds, "b", "a")).high is not None]
    assert widths == pytest.approx([1.959964 * PROCESS_SPREAD, 1.959964 * PROCESS_SPREAD / 2**0.5, 0.0], rel=1e-5)
