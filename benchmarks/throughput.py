"""Compares benchmark_app's throughput with our own loop on one IR: ``python -m benchmarks.throughput``.

Both keep the same number of asynchronous requests in flight over a network compiled with the same properties, filled once with
random numbers. The order alternates from round to round. Prints the ratio ours / benchmark_app of every round and its
median, which should be within 10 % of 1. Do not use the machine meanwhile.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.run import SMAT, Watch
from harness.core.interfaces import Artifact
from harness.jobs.compose import make_plan
from harness.jobs.experiment import build_experiment
from harness.machine.progress import Silent
from harness.prepare.steps import realise
from harness.tasks.benchmark_app import process as app
from harness.tasks.benchmark_app.task import properties, runtime
from harness.tracking.recording import random_input

WITHIN = 0.10


def main(words: list[str]) -> int:
    """Measures; returns 0 if the median ratio is within 10 % of 1 and the rounds agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=5, help="of each side in a round")
    parser.add_argument("--requests", type=int, default=None, help="in flight; default: what the device prefers")
    parser.add_argument("overrides", nargs="*", default=SMAT, help="the tracker; default: %(default)s")
    asked = parser.parse_args(words)
    config = make_plan([*asked.overrides, "backend=openvino", "hint=throughput", "task=benchmark_app"], False, None, []).jobs[0][1]
    experiment = build_experiment(config)
    artifact = realise(experiment.step(), experiment.cache, Silent(), experiment.threads)
    driver = runtime(config, experiment.threads)
    chosen = properties(driver, None)
    queue = filled_queue(driver, artifact, chosen, asked.requests)
    settings = app.Settings(
        artifact.files["search"], artifact.graphs["search"], hint="throughput", api="async", requests=len(queue),
        properties=chosen, seconds=asked.seconds,
    )  # fmt: skip
    print(f"{artifact.files['search']}: {len(queue)} requests, {experiment.threads} threads, {asked.seconds} s a side and round")
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(asked.rounds):
            watch = Watch()
            ours, theirs = one_round(queue, settings, Path(folder), bool(number % 2))
            ratios.append(ours / theirs)
            other = watch.other()["cores"]
            print(f"round {number + 1}: ours {ours:.2f}, benchmark_app {theirs:.2f} inferences/s, ratio {ratios[-1]:.3f}, "
                  f"other load {other:.2f} cores", flush=True)  # fmt: skip
    middle = median(ratios)
    spread = (max(ratios) - min(ratios)) / middle
    word = "within" if abs(middle - 1) <= WITHIN else "not within"
    print(f"median ratio {middle:.3f} ({word} {WITHIN:.0%} of 1), spread {spread:.1%} in {len(ratios)} rounds")
    if spread > 2 * WITHIN:
        print(f"inconclusive: the rounds spread over more than {2 * WITHIN:.0%}; leave the machine alone and run it again")
        return 1
    return 0 if abs(middle - 1) <= WITHIN else 1


def one_round(queue: Any, settings: app.Settings, folder: Path, reverse: bool) -> tuple[float, float]:
    """Returns (ours, benchmark_app's) inferences per second, measured in turn; ``reverse``: benchmark_app first."""
    if reverse:
        theirs = app.run(settings, folder).throughput
        return loop(queue, settings.seconds), theirs
    ours = loop(queue, settings.seconds)
    return ours, app.run(settings, folder).throughput


def filled_queue(driver: Any, artifact: Artifact, chosen: dict[str, Any], wanted: int | None) -> Any:
    """Compiles the search graph for throughput, with infer requests filled with random numbers."""
    import openvino as ov

    model = driver.core().read_model(str(artifact.files["search"]))
    compiled = driver.core().compile_model(model, driver.device_string(), {**chosen, "PERFORMANCE_HINT": "THROUGHPUT"})
    queue = ov.AsyncInferQueue(compiled, wanted or int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")))
    generator = np.random.default_rng(0)
    for request in queue:
        for tensor in artifact.graphs["search"].inputs:
            request.get_tensor(tensor.name).data[:] = random_input(tensor, generator)
    return queue


def loop(queue: Any, seconds: float) -> float:
    """Returns inferences per second with all infer requests of ``queue`` in flight, until the last one has ended."""
    for _ in range(len(queue)):
        queue.start_async()
    queue.wait_all()
    count, begin = 0, perf_counter()
    while perf_counter() - begin < seconds or count % len(queue):
        queue.get_idle_request_id()
        queue.start_async()
        count += 1
    queue.wait_all()
    return count / (perf_counter() - begin)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
