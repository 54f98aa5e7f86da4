"""Which of several ways is faster, from a measurement in turns: pure functions over rounds.

In a round every way runs twice, in an order and then in the reverse of it, so that a steady drift of the machine's speed
cancels for every pair. A round is one sample; the logarithm of two ways' times in the same round is what is averaged, so
that whatever slows both leaves the ratio alone. Neighbouring frames are never treated as independent.

Two processes of one configuration differ in speed for as long as they live (where their memory lies, in which order they were
loaded). Rounds over the same processes do not show that, so an interval adds it (``PROCESS_SPREAD``) unless every round
had processes of its own.
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
"""Fewer quiet rounds decide nothing."""
MARGIN = 0.02
"""Share by which a way must surely be faster to be called so."""
PROCESS_SPREAD = 0.02
"""Standard deviation of the logarithm of the speed ratio of two processes of one configuration, apart from the noise of rounds.
``benchmarks/equal_jobs.py`` measures it: 20 repeats on a quiet machine with two cores gave 0.012 and a mean of 0.022 for the
first loaded, which loading in reverse order cancels."""
ERROR_RATE = 0.01
"""Chance that a way is called faster which is not, over all comparisons together (Bonferroni)."""


@dataclass(frozen=True)
class Round:
    """Seconds a frame of each way, by name.

    Attributes:
        seconds: By way.
        quiet: Whether nothing else used the machine meanwhile.
        loading: Which loading of the processes it belongs to; rounds of one loading share their processes.
    """

    seconds: Mapping[str, float]
    quiet: bool = True
    loading: int = 0


@dataclass(frozen=True)
class Ratio:
    """Speed of one way over that of another: the value and its two-sided interval (None: too few rounds)."""

    value: float
    low: float | None = None
    high: float | None = None
    rounds: int = 0


@dataclass(frozen=True)
class Decision:
    """Who is fastest.

    Attributes:
        kind: ``fastest`` (one way is), ``tie`` (several lead and are not told apart), or ``again`` (too few quiet rounds).
        leaders: The way or ways that lead, the fastest first.
        rounds: How many quiet rounds it rests on.
        disturbed: How many rounds were left out since others used the machine.
    """

    kind: str
    leaders: tuple[str, ...] = ()
    rounds: int = 0
    disturbed: int = 0
    slower: tuple[str, ...] = field(default=())


def rounds_of(record: Mapping[str, Any]) -> list[Round]:
    """The rounds of a measurement in turns as its file (``turns.json``) has them. Raises DataError if it is not one."""
    try:
        return [
            Round({str(name): mean_seconds(turns) for name, turns in item["samples"].items()}, bool(item["quiet"]), int(item.get("loading", 0)))
            for item in record["rounds"]
        ]
    except (KeyError, TypeError, AttributeError, ValueError, ZeroDivisionError) as error:
        raise DataError(f"the record of the measurement in turns is damaged ({error!r}).") from error


def mean_seconds(turns: Sequence[Sequence[float]]) -> float:
    """Seconds a frame over the turns of a round, each turn counted alike, so that a drift within the round cancels."""
    means = [sum(turn) / len(turn) for turn in turns]
    return sum(means) / len(means)


def quiet_rounds(rounds: Sequence[Round], names: Sequence[str]) -> list[Round]:
    """The quiet rounds in which all of ``names`` were measured."""
    return [item for item in rounds if item.quiet and all(item.seconds.get(name, 0.0) > 0 for name in names)]


def log_ratios(rounds: Sequence[Round], name: str, base: str) -> Floats:
    """Logarithm of the speed of ``name`` over that of ``base`` ``[R]``, a value a quiet round."""
    kept = quiet_rounds(rounds, (name, base))
    return np.array([np.log(item.seconds[base] / item.seconds[name]) for item in kept], float)


def process_error(rounds: Sequence[Round], name: str, base: str) -> float:
    """Standard error of the mean log ratio that comes from the processes and that the rounds' own spread does not show.

    Args:
        rounds: The rounds; disturbed ones are left out.
        name: A way.
        base: The way that it is compared with.

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
    """How many times as fast ``name`` is as ``base``.

    Args:
        rounds: The rounds; disturbed ones are left out.
        name: The way that is judged.
        base: The way that it is compared with.
        confidence: Of the two-sided interval, 0 to 1.
        least: Fewest quiet rounds that give an interval, 2 or more.

    Returns:
        The geometric mean of the rounds' ratios; its interval is Student's on the logarithm, widened by ``process_error``.
        Both come from the same values, so that the value always lies inside. NaN without any quiet round.
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
    """Who of ``names`` is fastest.

    The leader is the way with the smallest mean time; those that it is not surely faster than lead with it. One error
    rate holds over all comparisons together.
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
