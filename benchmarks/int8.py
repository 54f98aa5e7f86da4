"""The int8 search graph against its own fp32, in turns in one process: ``python -m benchmarks.int8``.

The tracker is SMAT with random weights (for speed only); further words override it, as on the harness's command line.
Both graphs are compiled with the properties of a tracking job and get the same crops; the order alternates. Prints
fp32's time over int8's for every round, their quartiles, and which layers ran in int8. Returns 1 if the bar of 1.3 is
missed. Do not use
the machine meanwhile: the verdict is inconclusive if something else ran.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.bars import Bar, is_quiet, quartiles, verdict
from benchmarks.run import INT8, SMAT, Watch
from harness.core.interfaces import Array, Artifact, Backend, Session
from harness.jobs.compose import make_plan
from harness.jobs.experiment import build_experiment
from harness.machine.environment import cpu_info
from harness.machine.progress import Silent
from harness.prepare.parity import seeded_inputs
from harness.prepare.steps import realise
from harness.tasks.evaluate.int8_layers import layer_report

BAR = Bar("int8 search graph / fp32 search graph", least=1.3)
GRAPH = "search"


def main(words: list[str]) -> int:
    """Measures; returns 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--runs", type=int, default=20, help="of each graph in a round")
    parser.add_argument("--cache", type=Path, default=None, help="folder of prepared models (default: a temporary one)")
    parser.add_argument("overrides", nargs="*", default=[], help="settings, as tracker.seed=1 or quantization.preset=performance")
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as scratch:
        cache = asked.cache or Path(scratch)
        fp32, backend = prepared([*SMAT, *asked.overrides], cache)
        int8, _ = prepared([*SMAT, *INT8, *asked.overrides], cache)
        return report(*measure(fp32, int8, backend, asked.rounds, asked.runs))


def prepared(words: Sequence[str], cache: Path) -> tuple[Artifact, Backend]:
    """Returns the artifact of a command line, and the backend that opens it."""
    config = make_plan([*words, f"prepare.cache={cache}", f"dataset.cache={cache}", "mlflow=off"], False, None, []).jobs[0][1]
    experiment = build_experiment(config)
    return realise(experiment.step(), experiment.cache, Silent(), experiment.threads), experiment.backend


def measure(
    fp32: Artifact, int8: Artifact, backend: Backend, rounds: int, runs: int
) -> tuple[list[float], list[Mapping[str, float]], Mapping[str, Any]]:
    """Returns (ratio of each round, other load in it, the layers of both)."""
    graph = fp32.graphs[GRAPH]
    inputs = [seeded_inputs(graph, {}, seed) for seed in range(4)]
    sessions = {"fp32": backend.open(fp32)[GRAPH], "int8": backend.open(int8)[GRAPH]}
    one_round(sessions, inputs, runs)
    ratios: list[float] = []
    loads: list[Mapping[str, float]] = []
    for number in range(rounds):
        watch = Watch()
        seconds = one_round(sessions, inputs, runs)
        loads.append(watch.other())
        ratios.append(seconds["fp32"] / seconds["int8"])
        ms = {name: value / runs * 1e3 for name, value in seconds.items()}
        print(
            f"round {number + 1}: fp32 {ms['fp32']:.2f} ms, int8 {ms['int8']:.2f} ms, ratio {ratios[-1]:.2f}, "
            f"others used {loads[-1]['cores']:.2f} cores",
            flush=True,
        )
    return ratios, loads, layer_report(int8, fp32, backend, (GRAPH,), {GRAPH: inputs[0]})


def one_round(
    sessions: Mapping[str, Session], inputs: Sequence[Mapping[str, Array]], runs: int
) -> dict[str, float]:
    """Returns seconds of ``runs`` runs of each session, in turns; the order alternates."""
    names = list(sessions)
    seconds = dict.fromkeys(names, 0.0)
    for run in range(runs):
        for name in names if run % 2 else reversed(names):
            begin = perf_counter()
            sessions[name].run(inputs[run % len(inputs)])
            seconds[name] += perf_counter() - begin
    return seconds


def report(ratios: Sequence[float], loads: Sequence[Mapping[str, float]], layers: Mapping[str, Any]) -> int:
    """Prints the verdict; returns the exit code."""
    low, middle, high = quartiles(ratios)
    said = verdict(BAR, ratios, all(is_quiet(load) for load in loads))
    print(f"{BAR.name}: {middle:.2f} [{low:.2f}, {high:.2f}], bar {BAR.least}: {said}")
    print(f"{layers['int8_layers']} of {layers['layers']} layers ran in int8 ({layers['int8_time_share']:.0%} of the time)")
    print(f"processor: {cpu_info()['model']}, {', '.join(cpu_info()['features'])}")
    if middle <= 1.0:
        for row in layers["costly"]:
            print(f"  {row['ms']:.3f} ms {row['type']} {row['precision']} {row['name']}")
    return 1 if said == "missed" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
