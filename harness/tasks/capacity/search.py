"""The largest number of streams that passes: a bracket from a first guess, then bisection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from harness.tasks.capacity.trial import Trial


@dataclass(frozen=True)
class Capacity:
    """``streams`` passed and ``streams`` + 1 did not, or ``most`` was reached (``bounded``).

    ``low`` to ``high`` is the range that the confident verdicts leave open.
    """

    streams: int
    low: int
    high: int
    bounded: bool
    trials: tuple[Trial, ...]


def search(trial: Callable[[int], Trial], guess: int, most: int) -> Capacity:
    """Finds the largest number of streams from 0 to ``most`` that passes ``trial``.

    Assumes that fewer streams pass too.

    ``guess`` is the first number; the distance from it doubles with each step. Near the capacity, the verdict of a
    single
    step is partly chance, so two are needed: a step that fails because of dropped frames is repeated, and the number
    found must pass again, or the search continues below it.
    """
    done: dict[int, list[Trial]] = {}

    def once(streams: int) -> Trial:
        done.setdefault(streams, []).append(trial(streams))
        return done[streams][-1]

    def passes(streams: int) -> bool:
        if streams in done:
            return done[streams][-1].passed
        first = once(streams)
        return first.passed or (first.dropped > 0 and once(streams).passed)

    good, bad = 0, most + 1
    streams, stride = min(max(guess, 1), most), 1
    while True:
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
        if not good or sum(item.passed for item in done[good]) > 1 or once(good).passed:
            break
        bad = good
        good = max((count for count in done if count < bad and done[count][-1].passed), default=0)
        streams = min(max((good + bad) // 2, good + 1), bad - 1)
    trials = tuple(item for count in sorted(done) for item in done[count])
    return Capacity(good, *_sure(trials, good, most), good == most, trials)


def _sure(trials: Iterable[Trial], streams: int, most: int) -> tuple[int, int]:
    """Returns the largest number that passes with confidence, and the largest that does not fail with confidence."""
    found = list(trials)
    low = max((item.streams for item in found if item.passed and item.sure and item.streams <= streams), default=0)
    high = min((item.streams for item in found if not item.passed and item.sure and item.streams > streams), default=most + 1)
    return low, high - 1
