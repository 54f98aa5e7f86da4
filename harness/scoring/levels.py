"""Finds level changes of a series of numbers: the best segmentation into constant levels by least squares."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PENALTY = 3.0
"""The penalty in units of log(n) times the noise variance, for each of the two parameters of a further level."""
LEAST_LENGTH = 8
"""The least n in the penalty, because a few numbers give a poor estimate of their noise."""
FEWEST_DIFFERENCES = 4
"""The least number of differences between neighbours for an estimate of the noise."""
Z95 = 1.96


def segments(values: Floats, penalty: float, shortest: int) -> list[int]:
    """Returns bounds ``[0, ..., N]`` of the cheapest segmentation into levels of at least ``shortest`` numbers.

    The cost of a level is its sum of squared distances from its mean; each further level costs ``penalty``
    (B. Jackson et al.: An algorithm for optimal partitioning of data on an interval, IEEE SPL 2005).
    """
    count = len(values)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    squares = np.concatenate([[0.0], np.cumsum(values**2)])
    cost = np.full(count + 1, np.inf)
    cost[0] = -penalty
    before = np.zeros(count + 1, int)
    for end in range(shortest, count + 1):
        starts = np.arange(0, end - shortest + 1)
        lengths = end - starts
        residual = squares[end] - squares[starts] - (sums[end] - sums[starts]) ** 2 / lengths
        total = cost[starts] + np.maximum(residual, 0.0) + penalty
        best = int(np.argmin(total))
        cost[end], before[end] = total[best], starts[best]
    bounds = [count]
    while bounds[-1]:
        bounds.append(int(before[bounds[-1]]))
    return bounds[::-1]


@dataclass(frozen=True)
class Level:
    """A level: numbers ``first`` to ``last`` (both included), around ``value``."""

    first: int
    last: int
    value: float

    @property
    def count(self) -> int:
        """The number of numbers in the level."""
        return self.last - self.first + 1


def noise(values: Floats, halves: Floats, floor: float) -> float:
    """Estimates the standard deviation of a single number without any change.

    It is the largest of three values: a robust estimate from differences between neighbours (half of them may contain a
    change), an estimate from the numbers' own intervals, and ``floor``.

    Args:
        values: The numbers ``[N]``.
        halves: Half the width of each number's 95 % interval ``[N]``; NaN where it has none.
        floor: The least noise that is assumed.
    """
    differences = np.abs(np.diff(values))
    robust = float(np.median(differences)) / (0.6745 * np.sqrt(2.0)) if len(differences) >= FEWEST_DIFFERENCES else 0.0
    known = halves[np.isfinite(halves)]
    own = float(np.median(known)) / Z95 if len(known) else 0.0
    return max(robust, own, floor)


def levels(values: Floats, halves: Floats, floor: float, least: float) -> list[Level]:
    """Returns the levels of a series, in order; one if it does not change.

    A single number within the series is not a level but an outlier. The newest number may be a level; this is a change
    that further numbers must confirm. Neighbouring levels that differ by less than ``least`` are merged.

    Args:
        values: The numbers ``[N]``, in order of time.
        halves: Half the width of each number's 95 % interval ``[N]``; NaN where it has none.
        floor: The least noise that is assumed, in the numbers' unit.
        least: The smallest change that is reported, in the numbers' unit.
    """
    if not len(values):
        return []
    deviation = noise(values, halves, floor)
    penalty = 2.0 * PENALTY * np.log(max(len(values), LEAST_LENGTH)) * deviation**2
    bounds = _without_outliers(values, segments(values, penalty, 1))
    found: list[Level] = []
    for start, end in pairwise(bounds):
        level = Level(start, end - 1, float(np.median(values[start:end])))
        if found and abs(level.value - found[-1].value) < least:
            first = found.pop().first
            level = Level(first, end - 1, float(np.median(values[first:end])))
        found.append(level)
    return found


def _without_outliers(values: Floats, bounds: list[int]) -> list[int]:
    """Removes the bounds of single numbers other than the newest; each joins the closer neighbour."""
    bounds = list(bounds)
    while True:
        lone = [number for number, (start, end) in enumerate(pairwise(bounds)) if end - start == 1 and end < len(values)]
        if not lone or len(bounds) <= 2:
            return bounds
        number = lone[0]
        start, end = bounds[number], bounds[number + 1]
        left = values[bounds[number - 1] : start] if number else None
        right = values[end : bounds[number + 2]]
        to_left = left is not None and abs(np.median(left) - values[start]) <= abs(np.median(right) - values[start])
        bounds.remove(start if to_left else end)
