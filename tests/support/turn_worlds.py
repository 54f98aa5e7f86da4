"""Simulated machines on which ways of tracking are measured in turns, as harness.jobs.turns does it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.scoring.turns import Round

World = Callable[[np.random.Generator, float], float]
"""A machine's slowness at a time (seconds); 1 is its own speed."""


def steady(generator: np.random.Generator) -> Callable[[float], float]:
    return lambda at: 1.0


def drift(generator: np.random.Generator) -> Callable[[float], float]:
    """Heats up: 40 % slower over the measurement, linearly or bent."""
    bend = generator.uniform(0.5, 2.0)
    return lambda at: 1.0 + 0.4 * min(1.0, at / 30.0) ** bend


def bursts(generator: np.random.Generator) -> Callable[[float], float]:
    """Moments of one to three turns in which all is 1.2 to 3 times slower."""
    starts = np.cumsum(generator.exponential(2.5, 60))
    lengths, heights = generator.uniform(0.2, 1.0, 60), generator.uniform(1.2, 3.0, 60)

    def slowness(at: float) -> float:
        hit = (starts <= at) & (at < starts + lengths)
        return float(heights[hit].max()) if hit.any() else 1.0

    return slowness


def two_speeds(generator: np.random.Generator) -> Callable[[float], float]:
    """Changes between two speeds every few seconds, as virtual machines do."""
    changes = np.cumsum(generator.exponential(4.0, 60))
    return lambda at: 1.0 if np.searchsorted(changes, at) % 2 else 1.4


WORLDS = {"steady": steady, "drift": drift, "bursts": bursts, "two speeds": two_speeds}


def simulate(
    speeds: dict[str, float],
    world: str,
    seed: int,
    rounds: int = 12,
    turn: float = 0.3,
    noise: float = 0.02,
    loadings: int = 2,
    process: float = 0.014,
) -> list[Round]:
    """Rounds of ways with true seconds a frame ``speeds``.

    ``noise`` is a turn's own spread, ``process`` that of a process of one configuration, whose speed stays for a loading.
    """
    generator = np.random.default_rng(seed)
    slowness = WORLDS[world](generator)
    names, clock, found = list(speeds), 0.0, []
    for number in range(rounds):
        loading = number * loadings // rounds
        if number == 0 or loading != found[-1].loading:
            own = {name: np.exp(process * generator.standard_normal()) for name in names}
        shift = number % len(names)
        order = [*names[shift:], *names[:shift]]
        seconds: dict[str, list[float]] = {name: [] for name in names}
        for name in (*order, *reversed(order)):
            slow = np.mean([slowness(clock + turn * part) for part in (0.1, 0.3, 0.5, 0.7, 0.9)])
            seconds[name].append(speeds[name] * own[name] * slow * np.exp(noise * generator.standard_normal()))
            clock += turn
        found.append(Round({name: float(np.mean(values)) for name, values in seconds.items()}, loading=loading))
    return found
