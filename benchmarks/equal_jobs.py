"""Measures equal jobs in turns repeatedly, and checks that none is called fastest, on a quiet or a disturbed machine.

``python -m benchmarks.equal_jobs [--repeats 20] [--seconds 5] [--disturbed]``: three jobs of one configuration each time. With
``--disturbed`` another process works at random times. Do not use the machine otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from harness.core.files import write_json
from harness.jobs import turns
from harness.jobs.children import ensure_prepared
from harness.jobs.compose import make_plan
from harness.jobs.experiment import build_experiment
from harness.jobs.turns import Entrant
from harness.jobs.worker import JOB_FILE
from harness.scoring.turns import decide, ratio

NAMES = ("a", "b", "c")


def disturb(seed: int) -> None:
    """Works for 0.1 to 2 seconds, then rests for 1 to 6 seconds, until it is ended."""
    generator = random.Random(seed)  # noqa: S311 (no secret)
    while True:
        end = time.monotonic() + generator.uniform(0.1, 2.0)
        while time.monotonic() < end:
            sum(range(1000))
        time.sleep(generator.uniform(1.0, 6.0))


@contextlib.contextmanager
def stranger() -> Iterator[None]:
    """Starts a process that works at random times and counts as other load, because it is not a descendant."""
    start = "import sys, subprocess as s; print(s.Popen(sys.argv[1:], stdout=s.DEVNULL, stderr=s.DEVNULL).pid)"  # it outlives this one
    words = [sys.executable, "-c", start, sys.executable, "-m", "benchmarks.equal_jobs", "--work"]
    pid = int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    try:
        yield
    finally:
        psutil.Process(pid).kill()


def entrants(work: Path, words: list[str]) -> list[Entrant]:
    """Returns three equal, prepared jobs."""
    config = make_plan([*words, "mlflow=off"], False, None, []).jobs[0][1]
    experiment = build_experiment(config)
    found = []
    for name in NAMES:
        folder = work / name
        write_json(folder / JOB_FILE, {"config": config, "overrides": [], "name": name, "varied": {}})
        ensure_prepared(experiment, folder)
        found.append(Entrant(name, folder, experiment.threads))
    return found


def main() -> int:
    """Prints a line per repeat; exits with 1 if one of the equal jobs was called fastest at any time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", default=["backend=openvino"], help="the configuration (default: backend=openvino)")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--disturbed", action="store_true")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        disturb(1)
    counts = {"tie": 0, "again": 0, "fastest": 0}
    excluded = judged = 0
    with tempfile.TemporaryDirectory() as scratch:
        jobs = entrants(Path(scratch), given.words)
        with stranger() if given.disturbed else contextlib.nullcontext():
            for repeat in range(given.repeats):
                found = turns.measure(jobs, given.seconds)
                decision = decide(found.rounds, list(NAMES))
                counts[decision.kind] += 1
                ratios = [ratio(found.rounds, name, "a") for name in NAMES[1:]]
                known = [item for item in ratios if item.low is not None and item.high is not None]
                judged += len(known)
                excluded += sum(not item.low <= 1 <= item.high for item in known)  # type: ignore[operator]
                words = ", ".join(f"{item.value:.3f}" for item in ratios)
                print(f"{repeat + 1}: {decision.kind}, {decision.rounds} quiet rounds, {decision.disturbed} disturbed; b and c over a: {words}", flush=True)
    print(f"{counts}; {excluded} of {judged} intervals exclude 1")
    return 1 if counts["fastest"] else 0


if __name__ == "__main__":
    sys.exit(main())
