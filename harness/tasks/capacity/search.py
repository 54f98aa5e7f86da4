"""The largest number of streams that passes: a bracket from a first guess, then bisection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from harness.tasks.capacity.trial import Trial


@dataclass(frozen=True)
class Capacity:
    """``streams`` passed and ``streams`` + 1 did not, or ``most`` was reached (``bounded``).

    ``low`` to ``high`` is what the sure verdicts alone leave open.
    """

    streams: int
    low: int
    high: int
    bounded: bool
    trials: tuple[Trial, ...]


def search(trial: Callable[[int], Trial], guess: int, most: int) -> Capacity:
    """Finds the largest number of streams from 0 to ``most`` for which ``trial`` passes, taking it that fewer streams pass too.

    ``guess`` is where to begin; each step away from it doubles.
    """
    done: dict[int, Trial] = {}

    def passes(streams: int) -> bool:
        if streams not in done:
            done[streams] = trial(streams)
        return done[streams].passed

    good, bad = 0, most + 1
    streams, stride = min(max(guess, 1), most), 1
    while good + 1 < bad:
        if passes(streams):
            good = streams
            streams = good + stride
        else:
            bad = streams
            streams = bad - stride
        stride *= 2
        if good and bad <= most:
            streams = (good + bad) // 2
        streams = min(max(streams, good + 1), bad - 1)
    return Capacity(good, *_sure(done.values(), good, most), good == most, tuple(done[key] for key in sorted(done)))


def _sure(trials: Iterable[Trial], streams: int, most: int) -> tuple[int, int]:
    """The largest number that surely passes, and the largest that does not surely fail."""
    found = list(trials)
    low = max((item.streams for item in found if item.passed and item.sure and item.streams <= streams), default=0)
    high = min((item.streams for item in found if not item.passed and item.sure and item.streams > streams), default=most + 1)
    return low, high - 1
