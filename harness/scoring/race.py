"""A race between many ways of tracking: which of them can be dropped after some rounds. Pure functions over rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.scoring.turns import Round, quiet_rounds, surely_faster

LEAST_ROUNDS = 4
ERROR_RATE = 0.005
"""Chance that one comparison of a race drops a way that is not slower."""


def beaten(
    rounds: Sequence[Round],
    names: Sequence[str],
    classes: Mapping[str, str],
    spared: Mapping[str, float] | None = None,
    margin: float = 0.0,
) -> dict[str, str]:
    """The ways that are clearly slower than another one that computes the same.

    Args:
        rounds: The rounds so far.
        names: The ways that are still in the race.
        classes: What each computes: only ways of the same class have the same accuracy, so that speed alone decides.
        spared: A tail latency of each, if that matters: a slower way is dropped only if its tail is no shorter either.
        margin: Share by which the other one must be faster.

    Returns:
        Each dropped way with the way that beat it.
    """
    found: dict[str, str] = {}
    for kind in dict.fromkeys(classes[name] for name in names):
        own = [name for name in names if classes[name] == kind]
        leader = fastest(rounds, own)
        if leader is None:
            continue
        for name in own:
            shorter = spared is not None and spared[name] < 0.95 * spared[leader]
            if name != leader and not shorter and surely_faster(rounds, leader, name, ERROR_RATE, margin, LEAST_ROUNDS):
                found[name] = leader
    return found


def fastest(rounds: Sequence[Round], names: Sequence[str]) -> str | None:
    """The way with the smallest mean time over the rounds in which all were measured; None before there are enough."""
    kept = quiet_rounds(rounds, names)
    if len(kept) < LEAST_ROUNDS:
        return None
    return min(names, key=lambda name: float(np.mean([np.log(item.seconds[name]) for item in kept])))


def means(rounds: Sequence[Round], names: Sequence[str]) -> dict[str, float]:
    """Geometric mean of the seconds a frame of each way over its quiet rounds; infinite if it has none."""
    found = {}
    for name in names:
        values = [np.log(item.seconds[name]) for item in rounds if item.quiet and item.seconds.get(name, 0.0) > 0]
        found[name] = float(np.exp(np.mean(values))) if values else float("inf")
    return found
