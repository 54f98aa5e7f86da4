"""Changes of a level are found where they are, and noise is not taken for one."""

from __future__ import annotations

import numpy as np
import pytest

from harness.scoring.levels import Level, levels, noise, segments

NONE = np.nan


def found(values: list[float], half: float = NONE, floor: float = 1e-6, least: float = 0.0) -> list[Level]:
    return levels(np.array(values, float), np.full(len(values), half), floor, least)


def test_segments_of_a_clean_step_part_at_the_step() -> None:
    assert segments(np.array([1.0, 1, 1, 5, 5, 5]), 0.1, 1) == [0, 3, 6]
    assert segments(np.array([1.0, 1, 1, 5, 5, 5]), 100.0, 1) == [0, 6]  # a further level costs more than it saves
    assert segments(np.array([1.0, 1, 5, 5, 5, 5]), 0.1, 3) == [0, 3, 6]  # none is shorter than three


def test_a_step_is_found_with_the_medians_of_both_levels() -> None:
    assert found([100, 101, 99, 100, 80, 81, 79, 80], least=3) == [Level(0, 3, 100.0), Level(4, 7, 80.0)]


def test_a_lone_newest_number_is_a_change_and_one_within_is_none() -> None:
    steady = [100.0, 101, 99, 100, 101, 99, 100, 101]
    assert [level.first for level in found([*steady, 60], least=3)] == [0, 8]
    assert len(found([*steady, 60, *steady], least=3)) == 1


def test_a_change_below_the_least_is_not_told() -> None:
    assert len(found([100, 100, 100, 101, 101, 101], least=3)) == 1
    assert len(found([100, 100, 100, 101, 101, 101], least=0.5)) == 2


def test_one_number_and_none() -> None:
    assert found([7]) == [Level(0, 0, 7.0)] and found([]) == []


def test_noise_is_the_largest_of_what_is_known() -> None:
    values, none = np.array([1.0, 3, 1, 3, 1]), np.full(5, NONE)
    assert noise(values, none, 0.0) == pytest.approx(2 / (0.6745 * np.sqrt(2)))
    assert noise(values[:3], none[:3], 0.0) == 0.0  # two differences say nothing
    assert noise(values[:3], np.array([NONE, 0.98, 0.98]), 0.0) == pytest.approx(0.5)
    assert noise(values[:3], none[:3], 0.7) == 0.7


def test_noise_alone_gives_a_change_in_few_of_many_series_and_a_large_step_in_nearly_all() -> None:
    generator = np.random.default_rng(3)
    wrong = right = 0
    for _ in range(200):
        series = generator.normal(0.0, 1.0, 30)
        none = np.full(30, NONE)
        wrong += len(levels(series, none, 1e-3, 0.0)) > 1
        series[18:] += 5.0
        right += [level.first for level in levels(series, none, 1e-3, 0.0)] == [0, 18]
    assert wrong <= 20 and right >= 180
