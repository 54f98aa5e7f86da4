"""Races between ways of tracking: who is dropped, and how speeds of different heats are linked."""

from __future__ import annotations

import math

import pytest

from harness.scoring.race import beaten, means
from harness.scoring.turns import Round


def rounds_of(times: dict[str, float], count: int, wobble: float = 0.002) -> list[Round]:
    return [Round({name: value * (1 + wobble * ((number * 7 + place) % 3 - 1)) for place, (name, value) in enumerate(times.items())}) for number in range(count)]


def test_slower_way_of_the_same_class_is_dropped_after_four_rounds_alone() -> None:
    times = {"a": 0.010, "b": 0.012, "c": 0.020}
    classes = {"a": "x", "b": "x", "c": "y"}
    assert beaten(rounds_of(times, 3), list(times), classes) == {}
    assert beaten(rounds_of(times, 4), list(times), classes) == {"b": "a"}  # c computes something else
    assert beaten(rounds_of(times, 4), list(times), dict.fromkeys(times, "x")) == {"b": "a", "c": "a"}


def test_way_that_is_slower_by_less_than_two_equal_processes_differ_stays() -> None:
    times = {"a": 0.0100, "b": 0.0104}  # two processes: a standard deviation of 2 %, 2.6 of them asked
    assert beaten(rounds_of(times, 10, 0.0001), list(times), dict.fromkeys(times, "x")) == {}


def test_slower_way_with_a_shorter_tail_stays() -> None:
    times = {"a": 0.010, "b": 0.012}
    classes = dict.fromkeys(times, "x")
    assert beaten(rounds_of(times, 5), list(times), classes, {"a": 0.040, "b": 0.015}) == {}
    assert beaten(rounds_of(times, 5), list(times), classes, {"a": 0.040, "b": 0.039}) == {"b": "a"}  # less than 5 % shorter


def test_speeds_of_two_heats_are_linked_by_the_way_that_ran_in_both() -> None:
    first = rounds_of({"a": 0.010, "b": 0.015}, 4, 0.0)
    second = rounds_of({"b": 0.030, "c": 0.020}, 4, 0.0)  # the machine is now twice as slow
    found = means([*first, *second], ["a", "b", "c", "d"])
    assert found["c"] / found["a"] == pytest.approx(1.0, rel=1e-3)
    assert found["b"] / found["a"] == pytest.approx(1.5, rel=1e-3)
    assert math.isinf(found["d"])


def test_disturbed_rounds_count_only_for_ways_that_have_no_quiet_one() -> None:
    rounds = [Round({"a": 0.01, "b": 0.02}), Round({"a": 0.09, "b": 0.02}, quiet=False)]
    assert means(rounds, ["a", "b"])["a"] == pytest.approx(0.01)
    assert means([Round({"a": 0.03}, quiet=False)], ["a"])["a"] == pytest.approx(0.03)
