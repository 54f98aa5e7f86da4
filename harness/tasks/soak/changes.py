"""Where a series changes its level, and whether memory grows: for one sample a second, noisy, with outliers."""

from __future__ import annotations

from collections.abc import Sequence as Seq
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from harness.scoring.levels import segments

Floats = npt.NDArray[np.float64]

SHORTEST = 8
"""Samples that a level lasts at least; a shorter dip is noise."""
LEAST_CHANGE = 0.03
"""The smallest change of a level, as a share of the level before, that is worth telling."""
PENALTY = 4.0
"""Times log(n) and the noise's variance: what a further change point must save. 2 is the Bayesian criterion's."""
WARM_UP = 0.2
"""The share of a run, at its beginning, in which memory may grow."""
LEAST_GROWTH_MB = 8.0
LEAST_GROWTH = 0.02
"""Growth of memory over a run that is reported: this many MiB, and this share of its level."""


@dataclass(frozen=True)
class Change:
    """A level that became another: ``index`` is the first sample of the new one.

    ``across`` tells that the new level began with an interruption: nobody saw the change itself.
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
    """A stretch of samples of one level: its first sample, its values (without outliers), the noise, the median of all samples.

    ``fresh``: it is the first level of an uninterrupted stretch.
    """

    index: int
    values: Floats
    variance: float
    middle: float
    fresh: bool


def change_points(series: Floats, least: float = LEAST_CHANGE, breaks: Seq[int] = ()) -> list[Change]:
    """The samples at which the level of ``series`` ``[N]`` changes by at least ``least`` of itself.

    The best segmentation into constant levels by least squares (``scoring.levels.segments``), with ``PENALTY`` log(n) variances a
    change. Single outliers are put back to their surroundings first. The noise is measured on differences of neighbours, single samples and means of ``SHORTEST``, so that
    neither a change of level nor slow noise is taken for what it is not. Samples that are not finite are left out;
    ``index`` counts all.

    ``breaks`` are the samples before which the measurement was interrupted. Each uninterrupted stretch is searched by itself; the
    levels on either side of a break are a change (``across``) where telling them apart is worth that same penalty. A stretch
    shorter than ``SHORTEST`` has no level.
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
    """The levels of a stretch without interruption that begins at sample ``offset``; none where it is too short."""
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
    """Whether two levels are worth a penalty: what least squares save by keeping them apart."""
    counts = len(before.values), len(after.values)
    saved = counts[0] * counts[1] / sum(counts) * float(before.values.mean() - after.values.mean()) ** 2
    return saved > PENALTY * float(np.log(sum(counts))) * max(before.variance, after.variance)


def _without_outliers(values: Floats) -> Floats:
    """``values`` with those far from the median of the nine around them replaced by it: a step has its own side's majority."""
    padded = np.pad(values, 4, mode="reflect")
    middle = np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, 9), axis=1), float)
    far = np.abs(values - middle) > 4.0 * np.sqrt(_variance(values))
    return np.where(far, middle, values)


def _variance(values: Floats) -> float:
    """The noise's variance, of slow noise too; at least (0.2 % of the level) squared."""
    means = values[: len(values) // SHORTEST * SHORTEST].reshape(-1, SHORTEST).mean(axis=1)
    slow = np.sqrt(SHORTEST) * _spread(means) if len(means) > 1 else 0.0
    floor = 0.002 * float(np.median(np.abs(values)))
    return float(max(_spread(values), slow, floor, 1e-12) ** 2)


def _spread(values: Floats) -> float:
    """A robust standard deviation from the differences of neighbours."""
    return float(np.median(np.abs(np.diff(values))) / (0.6745 * np.sqrt(2.0)))


@dataclass(frozen=True)
class Growth:
    """Memory over a run: ``mb_per_minute`` by the Theil-Sen slope, ``total_mb`` over the part looked at, and whether it is reported."""

    mb_per_minute: float
    total_mb: float
    flagged: bool


def memory_growth(seconds: Floats, megabytes: Floats) -> Growth:
    """Whether resident memory ``[N]`` (MiB at ``seconds`` ``[N]``) goes on growing after the first fifth of the run.

    Flagged where the slope's 95 % interval (scipy's ``theilslopes``) lies above zero and the growth is over
    ``LEAST_GROWTH_MB`` and ``LEAST_GROWTH``.
    """
    from scipy.stats import theilslopes

    usable = np.isfinite(seconds) & np.isfinite(megabytes)
    times, memory = np.asarray(seconds, float)[usable], np.asarray(megabytes, float)[usable]
    late = times >= times[0] + WARM_UP * (times[-1] - times[0]) if len(times) else np.zeros(0, bool)
    times, memory = times[late], memory[late]
    if len(times) < 2 * SHORTEST:
        return Growth(0.0, 0.0, False)
    step = -(-len(times) // 600)  # pairs grow with the square
    slope, _, low, _ = theilslopes(memory[::step], times[::step])
    total = float(slope * (times[-1] - times[0]))
    much = total > LEAST_GROWTH_MB and total > LEAST_GROWTH * float(np.median(memory))
    return Growth(float(slope) * 60, total, bool(low > 0 and much))
