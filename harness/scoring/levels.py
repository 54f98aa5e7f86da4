"""Where a series of numbers changes its level: the best segmentation into constant levels by least squares."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PENALTY = 3.0
"""Times log(n) and the noise's variance, for each of the two numbers that a further level adds: where it begins and how high it is."""
LEAST_LENGTH = 8
"""The n of the penalty is at least this: a few numbers say little of their noise."""
FEWEST_DIFFERENCES = 4
"""Differences between neighbours that an estimate of the noise needs."""
Z95 = 1.96


def segments(values: Floats, penalty: float, shortest: int) -> list[int]:
    """The bounds ``[0, ..., N]`` of the cheapest segmentation of ``values`` ``[N]`` into levels of at least ``shortest`` numbers.

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
    """Numbers that belong together: ``first`` to ``last`` (both included), around ``value``."""

    first: int
    last: int
    value: float

    @property
    def count(self) -> int:
        """How many numbers."""
        return self.last - self.first + 1


def noise(values: Floats, halves: Floats, floor: float) -> float:
    """The standard deviation that a single number has without any change.

    The largest of: what differences between neighbours say (robust: half of them may hold a change), what the numbers' own
    intervals say, and ``floor``.

    Args:
        values: The numbers ``[N]``.
        halves: Half the width of each number's 95 % interval ``[N]``; NaN where it has none.
        floor: The least that is believed.
    """
    differences = np.abs(np.diff(values))
    robust = float(np.median(differences)) / (0.6745 * np.sqrt(2.0)) if len(differences) >= FEWEST_DIFFERENCES else 0.0
    known = halves[np.isfinite(halves)]
    own = float(np.median(known)) / Z95 if len(known) else 0.0
    return max(robust, own, floor)


def levels(values: Floats, halves: Floats, floor: float, least: float) -> list[Level]:
    """The levels of a series, in order; one if it does not change.

    A lone number within the series is no level but an outlier; the newest one may be, and is then a change that further numbers
    have to confirm. Neighbours that differ by less than ``least`` are one level.

    Args:
        values: The numbers ``[N]``, in order of time.
        halves: Half the width of each number's 95 % interval ``[N]``; NaN where it has none.
        floor: The least noise that is believed, in the numbers' unit.
        least: The smallest change that is worth telling, in the numbers' unit.
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
    """The bounds without those of lone numbers that are not the newest: each joins the neighbour that it is nearer to."""
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
