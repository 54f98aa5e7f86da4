"""Which of several jobs is faster, from a measurement in turns: pure functions over rounds.

In a round every job runs twice, first in one order and then in reverse order, so that a steady drift of the machine's
speed cancels for every pair. A round is one sample. The logarithm of the ratio of two jobs' times in the same round is
averaged, so that a slow-down of both does not change the ratio. Neighbouring frames are never treated as independent.

Two processes of one configuration differ in speed during their whole life (because of memory placement and loading
order). Rounds of the same processes do not show that, so an interval includes it (``PROCESS_SPREAD``) unless every
round had its own processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.core.errors import DataError
from harness.scoring.means import student

Floats = npt.NDArray[np.float64]

LEAST_ROUNDS = 6
"""The fewest undisturbed rounds for a decision."""
MARGIN = 0.02
"""The share by which a job must be faster with confidence to be called faster."""
PROCESS_SPREAD = 0.02
"""Standard deviation of the logarithm of the speed ratio of two processes of one configuration, apart from the noise of rounds.
``benchmarks/equal_jobs.py`` measures it: 20 repeats on a quiet machine with two cores gave 0.012 and a mean of 0.022 for the
first loaded, which loading in reverse order cancels."""
ERROR_RATE = 0.01
"""The chance that a job is wrongly called faster, over all comparisons together (Bonferroni)."""


@dataclass(frozen=True)
class Round:
    """Seconds per frame of each job, by name.

    Attributes:
        seconds: Seconds per frame by job.
        quiet: Whether nothing else used the machine during the round.
        loading: The loading of processes that it belongs to; rounds of one loading share their processes.
    """

    seconds: Mapping[str, float]
    quiet: bool = True
    loading: int = 0


@dataclass(frozen=True)
class Ratio:
    """Speed of one job over that of another: the value and its two-sided interval (None with too few rounds)."""

    value: float
    low: float | None = None
    high: float | None = None
    rounds: int = 0


@dataclass(frozen=True)
class Decision:
    """Which job is fastest.

    Attributes:
        kind: ``fastest`` (one job is), ``tie`` (several lead without a clear difference), or ``again`` (too few
            undisturbed rounds).
        leaders: The leading job or jobs, the fastest first.
        rounds: The number of undisturbed rounds used.
        disturbed: The number of rounds left out because others used the machine.
    """

    kind: str
    leaders: tuple[str, ...] = ()
    rounds: int = 0
    disturbed: int = 0
    slower: tuple[str, ...] = field(default=())


def rounds_of(record: Mapping[str, Any]) -> list[Round]:
    """Reads the rounds of a measurement in turns from its record (``turns.json``).

    Raises DataError if it is invalid.
    """
    try:
        return [
            Round({str(name): mean_seconds(turns) for name, turns in item["samples"].items()}, bool(item["quiet"]), int(item.get("loading", 0)))
            for item in record["rounds"]
        ]
    except (KeyError, TypeError, AttributeError, ValueError, ZeroDivisionError) as error:
        raise DataError(f"the record of the measurement in turns is damaged ({error!r}).") from error


def mean_seconds(turns: Sequence[Sequence[float]]) -> float:
    """Returns seconds per frame over a round's turns, with equal weights, so that drift within the round cancels."""
    means = [sum(turn) / len(turn) for turn in turns]
    return sum(means) / len(means)


def quiet_rounds(rounds: Sequence[Round], names: Sequence[str]) -> list[Round]:
    """Returns the undisturbed rounds in which all of ``names`` were measured."""
    return [item for item in rounds if item.quiet and all(item.seconds.get(name, 0.0) > 0 for name in names)]


def log_ratios(rounds: Sequence[Round], name: str, base: str) -> Floats:
    """Returns the logarithm of the speed of ``name`` over that of ``base`` ``[R]``, one per undisturbed round."""
    kept = quiet_rounds(rounds, (name, base))
    return np.array([np.log(item.seconds[base] / item.seconds[name]) for item in kept], float)


def process_error(rounds: Sequence[Round], name: str, base: str) -> float:
    """Returns the standard error of the mean log ratio due to the processes, which the spread of rounds does not show.

    Args:
        rounds: The rounds; disturbed ones are left out.
        name: A job.
        base: The job that it is compared with.

    Returns:
        ``PROCESS_SPREAD`` over the root of the number of loadings, weighted by their rounds; 0 if every round is a loading.
    """
    counts = np.unique([item.loading for item in quiet_rounds(rounds, (name, base))], return_counts=True)[1]
    if len(counts) > 1 and counts.max() == 1:
        return 0.0
    return float(PROCESS_SPREAD * np.sqrt((counts**2).sum()) / counts.sum())


def ratio(
    rounds: Sequence[Round], name: str, base: str, confidence: float = 0.95, least: int = LEAST_ROUNDS
) -> Ratio:
    """Returns how many times as fast ``name`` is as ``base``.

    Args:
        rounds: The rounds; disturbed ones are left out.
        name: The job that is judged.
        base: The job that it is compared with.
        confidence: Confidence of the two-sided interval, 0 to 1.
        least: The fewest undisturbed rounds for an interval, 2 or more.

    Returns:
        The geometric mean of the rounds' ratios; its interval is Student's on the logarithm, widened by ``process_error``.
        Both come from the same values, so that the value always lies inside. NaN without an undisturbed round.
    """
    values = log_ratios(rounds, name, base)
    if not len(values):
        return Ratio(float("nan"))
    centre = float(values.mean())
    if len(values) < least:
        return Ratio(float(np.exp(centre)), rounds=len(values))
    half = (student(values, confidence)[1] - centre, NormalDist().inv_cdf((1 + confidence) / 2) * process_error(rounds, name, base))
    width = float(np.hypot(*half))
    return Ratio(float(np.exp(centre)), float(np.exp(centre - width)), float(np.exp(centre + width)), len(values))


def surely_faster(
    rounds: Sequence[Round],
    name: str,
    other: str,
    error_rate: float = ERROR_RATE,
    margin: float = MARGIN,
    least: int = LEAST_ROUNDS,
) -> bool:
    """Whether ``name`` is faster than ``other`` by more than ``margin``, with at most ``error_rate`` chance of a mistake."""
    found = ratio(rounds, name, other, confidence=1 - 2 * error_rate, least=least)
    return found.low is not None and found.low > 1 + margin


def decide(
    rounds: Sequence[Round], names: Sequence[str], margin: float = MARGIN, least: int = LEAST_ROUNDS
) -> Decision:
    """Decides which of ``names`` is fastest.

    The leader is the job with the smallest mean time; jobs that are not slower with confidence lead with it. One error
    rate covers all comparisons together.
    """
    kept = quiet_rounds(rounds, names)
    disturbed = sum(not item.quiet for item in rounds)
    if len(kept) < least or len(names) < 2:
        return Decision("again", rounds=len(kept), disturbed=disturbed)
    times = {name: float(np.mean([np.log(item.seconds[name]) for item in kept])) for name in names}
    ordered = sorted(names, key=lambda name: times[name])
    first, rate = ordered[0], ERROR_RATE / (len(names) - 1)
    tied = [name for name in ordered[1:] if not surely_faster(kept, first, name, rate, margin, least)]
    slower = tuple(name for name in ordered[1:] if name not in tied)
    return Decision("tie" if tied else "fastest", (first, *tied), len(kept), disturbed, slower)
