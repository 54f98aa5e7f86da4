"""A small job for tests of backends and tasks: a SMAT of a quarter of the width with random weights, on tiny frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fakes import tiny_dataset
from filelock import FileLock

from harness.core.interfaces import Artifact, Context
from harness.jobs.compose import make_plan
from harness.jobs.experiment import Experiment, build_experiment
from harness.machine.progress import Silent

SMALL = [
    "tracker=smat",
    "tracker.weights=random",
    "tracker.width=0.25",
    "tracker.template_size=64",
    "tracker.search_size=128",
    "tracker.head_channels=16",
    "prepare.exporter=torchscript",
]
"""The exporter is the one that takes a quarter of the time; the demo tracker and NanoTrack are exported by the usual one in other tests."""


def small_config(cache: Path, *words: str) -> dict[str, Any]:
    """The configuration of ``SMALL`` on a tiny data set below ``cache``, with ``words`` added; nothing is logged."""
    root = cache / "tiny"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "tiny.lock"):
        if not (root / "val" / "list.txt").is_file():
            tiny_dataset(root, sequences=4, frames=6, size=(160, 120))
    return make_plan(
        [
            *SMALL,
            "dataset=folder",
            f"dataset.root={root}",
            "dataset.split=val",
            f"prepare.cache={cache}",
            "mlflow=off",
            *words,
        ],
        False,
        None,
        [],
    ).jobs[0][1]


def small_experiment(cache: Path, *words: str) -> tuple[Experiment, Artifact]:
    """The job's parts and its prepared artifact."""
    from harness.prepare.steps import realise

    experiment = build_experiment(small_config(cache, *words))
    return experiment, realise(experiment.step(), experiment.cache, Silent(), 1)


def context_of(experiment: Experiment, artifact: Artifact, folder: Path, threads: int) -> Context:
    """A context whose backend and budget have ``threads``, whatever the machine allows."""
    backend: Any = experiment.backend
    backend.threads = threads
    folder.mkdir(parents=True, exist_ok=True)
    return Context(
        experiment.config,
        artifact,
        backend,
        experiment.tracker,
        experiment.dataset,
        folder,
        threads,
        experiment.seed,
        Silent(),
    )
