"""How often an interval of equal jobs excludes 1, and how often equal jobs are called fastest, on simulated machines.

``python -m benchmarks.intervals [--trials 1000]``: a steady machine, one that heats up, one with bursts of load, one of two speeds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from turn_worlds import WORLDS, simulate

from harness.scoring.turns import decide, ratio


def main() -> int:
    """Prints a line per simulated machine; exits with 1 if an interval excludes 1 in more than 7 % of the trials."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials
    worst = 0.0
    print(f"{'machine':<12} {'excludes 1':>10} {'called fastest':>15} {'10 % found':>11}")
    for world in WORLDS:
        equal = [simulate(dict.fromkeys("abc", 0.01), world, seed) for seed in range(trials)]
        wrong = sum(not (found.low or 0) <= 1 <= (found.high or 9) for rounds in equal if (found := ratio(rounds, "b", "a")))
        named = sum(decide(rounds, list("abc")).kind == "fastest" for rounds in equal)
        faster = [decide(simulate({"a": 0.011, "b": 0.01}, world, seed), list("ab")) for seed in range(trials)]
        right = sum(item.kind == "fastest" and item.leaders[0] == "b" for item in faster)
        print(f"{world:<12} {wrong / trials:>10.1%} {named / trials:>15.1%} {right / trials:>11.1%}")
        worst = max(worst, wrong / trials)
    return 1 if worst > 0.07 else 0


if __name__ == "__main__":
    sys.exit(main())
