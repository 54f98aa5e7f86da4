"""Finds level changes of a series and growth of memory, for one sample per second with noise and outliers."""

from __future__ import annotations

from collections.abc import Sequence as Seq
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from harness.scoring.levels import segments

Floats = npt.NDArray[np.float64]

SHORTEST = 8
"""The least number of samples of a level; a shorter change is noise."""
LEAST_CHANGE = 0.03
"""The smallest change of a level that is reported, as a share of the level before."""
PENALTY = 4.0
"""Factor of log(n) times the noise variance: the gain that a further change point must bring. BIC uses 2."""
WARM_UP = 0.2
"""The share of a run at its beginning in which memory may grow."""
LEAST_GROWTH_MB = 8.0
LEAST_GROWTH = 0.02
"""Growth of memory over a run is reported above this many MiB and this share of its level."""


@dataclass(frozen=True)
class Change:
    """A change of level: ``index`` is the first sample of the new level.

    ``across`` is True if the new level began after an interruption, so that the change itself was not observed.
    """

    index: int
    before: float
    after: float
    across: bool = False

    @property
    def share(self) -> float:
        """The change as a share of the level before: -0.25 is a quarter less."""
        return self.after / self.before - 1


@dataclass(frozen=True)
class _Level:
    """A range of samples of one level: its first sample, values without outliers, noise, and median of all samples.

    ``fresh``: it is the first level of a range without interruption.
    """

    index: int
    values: Floats
    variance: float
    middle: float
    fresh: bool


def change_points(series: Floats, least: float = LEAST_CHANGE, breaks: Seq[int] = ()) -> list[Change]:
    """Returns the samples at which the level of ``series`` ``[N]`` changes by at least the share ``least``.

    It finds the best segmentation into constant levels by least squares (``scoring.levels.segments``), with a penalty
    of ``PENALTY`` log(n) variances per change. Single outliers are replaced by the median around them first. The noise
    is measured on differences of neighbours, both of single samples and of means of ``SHORTEST`` samples, so that
    changes of level do not count as noise and slow noise does not count as a change. Samples that are not finite are
    left out; ``index`` counts all.

    ``breaks`` are the samples before which the measurement was interrupted. Each range without interruption is searched
    separately; the levels on both sides of a break count as a change (``across``) if the gain exceeds the same penalty.
    A range shorter than ``SHORTEST`` has no level.
    """
    values = np.asarray(series, float)
    levels = [
        level for start, end in pairwise([0, *breaks, len(values)]) for level in _levels(values[start:end], start)
    ]
    found: list[Change] = []
    level = levels[0].middle if levels else 0.0
    for before, after in pairwise(levels):
        told = not after.fresh or _apart(before, after)
        if told and level > 0 and abs(after.middle / level - 1) >= least:
            found.append(Change(after.index, level, after.middle, after.fresh))
            level = after.middle
    return found


def _levels(values: Floats, offset: int) -> list[_Level]:
    """Returns the levels of a range without interruption that begins at sample ``offset``; none if it is too short."""
    kept = np.flatnonzero(np.isfinite(values))
    if len(kept) < SHORTEST:
        return []
    cleaned = _without_outliers(values[kept])
    variance = _variance(cleaned)
    bounds = segments(cleaned, PENALTY * np.log(len(cleaned)) * variance, SHORTEST)
    return [
        _Level(offset + int(kept[start]), cleaned[start:end], variance, float(np.median(values[kept][start:end])), not start)
        for start, end in pairwise(bounds)
    ]


def _apart(before: _Level, after: _Level) -> bool:
    """Whether the least-squares gain of separating two levels exceeds the penalty."""
    counts = len(before.values), len(after.values)
    saved = counts[0] * counts[1] / sum(counts) * float(before.values.mean() - after.values.mean()) ** 2
    return saved > PENALTY * float(np.log(sum(counts))) * max(before.variance, after.variance)


def _without_outliers(values: Floats) -> Floats:
    """Replaces values far from the median of the nine around them by it; a step stays, its side has the majority."""
    padded = np.pad(values, 4, mode="reflect")
    middle = np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, 9), axis=1), float)
    far = np.abs(values - middle) > 4.0 * np.sqrt(_variance(values))
    return np.where(far, middle, values)


def _variance(values: Floats) -> float:
    """Returns the variance of the noise, including slow noise; at least (0.2 % of the level) squared."""
    means = values[: len(values) // SHORTEST * SHORTEST].reshape(-1, SHORTEST).mean(axis=1)
    slow = np.sqrt(SHORTEST) * _spread(means) if len(means) > 1 else 0.0
    floor = 0.002 * float(np.median(np.abs(values)))
    return float(max(_spread(values), slow, floor, 1e-12) ** 2)


def _spread(values: Floats) -> float:
    """Returns a robust standard deviation from the differences of neighbours."""
    return float(np.median(np.abs(np.diff(values))) / (0.6745 * np.sqrt(2.0)))


@dataclass(frozen=True)
class Growth:
    """Memory over a run: ``mb_per_minute`` by the Theil-Sen slope, ``total_mb`` over the analysed part, if reported."""

    mb_per_minute: float
    total_mb: float
    flagged: bool


def memory_growth(seconds: Floats, megabytes: Floats) -> Growth:
    """Checks whether resident memory ``[N]`` (MiB at ``seconds`` ``[N]``) grows after the first fifth of the run.

    Growth is reported if the slope's 95 % interval (scipy's ``theilslopes``) is above zero and the growth is over
    ``LEAST_GROWTH_MB`` and ``LEAST_GROWTH``.
    """
    from scipy.stats import theilslopes

    usable = np.isfinite(seconds) & np.isfinite(megabytes)
    times, memory = np.asarray(seconds, float)[usable], np.asarray(megabytes, float)[usable]
    late = times >= times[0] + WARM_UP * (times[-1] - times[0]) if len(times) else np.zeros(0, bool)
    times, memory = times[late], memory[late]
    if len(times) < 2 * SHORTEST:
        return Growth(0.0, 0.0, False)
    step = -(-len(times) // 600)  # the number of pairs grows with the square
    slope, _, low, _ = theilslopes(memory[::step], times[::step])
    total = float(slope * (times[-1] - times[0]))
    much = total > LEAST_GROWTH_MB and total > LEAST_GROWTH * float(np.median(memory))
    return Growth(float(slope) * 60, total, bool(low > 0 and much))
