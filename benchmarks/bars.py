"""Judges samples of interleaved rounds, with one line per bar: met, missed or inconclusive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles

from harness.machine.load import IDLE_CORES, QUIET_CORES, WAITED

LEAST_ROUNDS = 5


@dataclass(frozen=True)
class Bar:
    """A bar to reach. ``least`` or ``most`` is the limit, ``aim`` the target.

    ``hurt_by_load``: other load can only make the figure worse, so that a bar met under load counts as met.
    """

    name: str
    least: float | None = None
    most: float | None = None
    aim: float | None = None
    unit: str = "x"
    hurt_by_load: bool = False
    needs_quiet: bool = True


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Returns lower quartile, median, upper quartile (linear interpolation)."""
    if len(values) < 2:
        return (values[0],) * 3
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return low, middle, high


def verdict(bar: Bar, values: Sequence[float], quiet: bool, least: Sequence[float] = ()) -> str:
    """``least``: the values if other load had affected only the other side; a bar that these reach is met.

    ``met``, ``missed`` or ``inconclusive`` (too few rounds, a bar between the quartiles, or a machine that was not quiet)."""
    if len(values) < LEAST_ROUNDS:
        return "inconclusive"
    low, _, high = quartiles(values)
    if bar.most is not None:
        met, missed = high <= bar.most, low > bar.most
    else:
        assert bar.least is not None
        met, missed = low >= bar.least, high < bar.least
    if not met and not missed:
        return "inconclusive"
    certain = bar.hurt_by_load or (bar.least is not None and bool(least) and quartiles(least)[0] >= bar.least)
    if not quiet and bar.needs_quiet and not (met and certain):
        return "inconclusive"
    return "met" if met else "missed"


def ratios(rounds: Sequence[Mapping[str, Mapping[str, float]]], ours: str, theirs: str) -> list[float]:
    """Returns ``lane/metric`` over ``lane/metric`` of each round in which both were measured."""
    pairs = [(value_of(item, ours), value_of(item, theirs)) for item in rounds]
    return [first / second for first, second in pairs if first is not None and second]


def least_ratios(rounds: Sequence[Mapping[str, Mapping[str, float]]], ours: str, theirs: str) -> list[float]:
    """Returns ``ratios`` if ours had lost nothing to other load and theirs all the time that their threads waited."""
    lane = theirs.rpartition("/")[0]
    found = []
    for item in rounds:
        first, second, lost = value_of(item, ours), value_of(item, theirs), value_of(item, f"{lane}/lost")
        if first is not None and second:
            found.append(first / second * (1 - (1.0 if lost is None else min(1.0, lost))))
    return found


def values_of(rounds: Sequence[Mapping[str, Mapping[str, float]]], where: str) -> list[float]:
    """Returns ``lane/metric`` of every round that has it."""
    return [value for item in rounds if (value := value_of(item, where)) is not None]


def value_of(round_: Mapping[str, Mapping[str, float]], where: str) -> float | None:
    """Returns ``lane/metric`` of one round."""
    lane, _, metric = where.rpartition("/")
    return round_.get(lane, {}).get(metric)


def is_quiet(load: Mapping[str, float]) -> bool:
    """Whether a round counts.

    ``cores`` were used by others, ``waited`` is our threads' share of time without a core.
    """
    return load["cores"] <= QUIET_CORES or (load["cores"] <= IDLE_CORES and load["waited"] <= WAITED)
