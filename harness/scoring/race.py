"""A race between many ways of tracking: which of them can be dropped after some rounds. Pure functions over rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.scoring.turns import Round, quiet_rounds, surely_faster

LEAST_ROUNDS = 4
ERROR_RATE = 0.005
"""Chance that one comparison of a race drops a way that is not slower."""
SHORTER = 0.95
"""A tail that is at most this share of another one counts as shorter."""
PASSES = 60
"""Of the fit of speeds and rounds; each halves what is left at worst, where two heats share half of their candidates."""


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
        margin: Share by which the other one must be faster, beyond what two processes of one configuration differ by.

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
            shorter = spared is not None and spared[name] < SHORTER * spared[leader]
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
    """Seconds a frame of each way, the machine's changes from round to round taken out; infinite for a way without a round.

    The logarithm of a time is taken as a way's own plus a round's own, and both are fitted by alternating means (two-way additive
    model). Ways that were never measured side by side are linked by those that met both, so that a machine that has slowed
    down between two heats makes nobody slower. Disturbed rounds are left out for ways that have quiet ones.
    """
    known = {name for item in rounds for name, value in item.seconds.items() if value > 0}
    quiet = {name for item in rounds if item.quiet for name, value in item.seconds.items() if value > 0}
    kept = [item for item in rounds if item.quiet or any(name not in quiet for name in item.seconds)]
    logs = [{name: float(np.log(value)) for name, value in item.seconds.items() if value > 0} for item in kept]
    own = {name: float(np.mean([row[name] for row in logs if name in row])) for name in known}
    for _ in range(PASSES if len(logs) > 1 else 0):
        rest = [float(np.mean([value - own[name] for name, value in row.items()])) if row else 0.0 for row in logs]
        own = {name: float(np.mean([row[name] - shift for row, shift in zip(logs, rest, strict=True) if name in row])) for name in known}
    return {name: float(np.exp(own[name])) if name in own else float("inf") for name in names}
