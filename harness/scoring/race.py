"""A race between many candidates: which of them can be dropped after some rounds. Pure functions over rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.scoring.turns import Round, quiet_rounds, surely_faster

LEAST_ROUNDS = 4
ERROR_RATE = 0.005
"""The chance that one comparison of a race drops a candidate that is not slower."""
SHORTER = 0.95
"""A tail that is at most this share of another one counts as shorter."""
PASSES = 60
"""Iterations of the fit of speeds and rounds.

Each at least halves the error if two heats share half their candidates.
"""


def beaten(
    rounds: Sequence[Round],
    names: Sequence[str],
    classes: Mapping[str, str],
    spared: Mapping[str, float] | None = None,
    margin: float = 0.0,
) -> dict[str, str]:
    """Returns the candidates that are clearly slower than another one that computes the same.

    Args:
        rounds: The rounds so far.
        names: The candidates that are still in the race.
        classes: What each computes: only candidates of one class have the same accuracy, so that speed alone decides.
        spared: A tail latency of each, if that matters; a slower candidate is dropped only if its tail is not shorter.
        margin: Share by which the other must be faster, beyond the difference of two processes of one configuration.

    Returns:
        Each dropped candidate with the one that beat it.
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
    """Returns the candidate with the smallest mean time over the rounds with all of them.

    None before there are enough.
    """
    kept = quiet_rounds(rounds, names)
    if len(kept) < LEAST_ROUNDS:
        return None
    return min(names, key=lambda name: float(np.mean([np.log(item.seconds[name]) for item in kept])))


def means(rounds: Sequence[Round], names: Sequence[str]) -> dict[str, float]:
    """Returns seconds per frame of each candidate, corrected for changes between rounds; infinity without a round.

    The logarithm of a time is modelled as a candidate's effect plus a round's effect, both fitted by alternating means
    (two-way additive model). Candidates that were never measured side by side are linked by those that ran with both,
    so that a slower machine in a later heat does not make its candidates look slower. Disturbed rounds are left out for
    candidates that have undisturbed ones.
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
