"""Runs a tracker by the experiment of a VOT challenge and analyses its results with vot-toolkit."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2

from harness.core.config import at_least
from harness.core.errors import ConfigError
from harness.core.interfaces import Context, Dataset, Task, TaskResult, TrackerSpec
from harness.core.records import Scoring
from harness.tasks.vot.record import VotRecord
from harness.tracking.loop import Runner

INSTALL = "pip install 'tracker-harness[vot]'"


@dataclass
class VotChallenge(Task):
    """``task=vot``. The fields are the keys of ``conf/task/vot.yaml``, which describes each of them."""

    stack: str = "vot2018/shortterm"
    experiment: str = "baseline"
    repetitions: int | None = None
    low: int | None = None
    high: int | None = None
    name: str = "vot"

    def __post_init__(self) -> None:
        at_least(self.repetitions, 1, "task.repetitions")
        at_least(self.low, 1, "task.low")
        at_least(self.high, 1, "task.high")
        if self.low is not None and self.high is not None and self.high < self.low:
            raise ConfigError(f"task.high is {self.high}; accepted: task.low ({self.low}) or more.")

    def check(self, config: Mapping[str, Any], tracker: TrackerSpec, dataset: Dataset) -> None:
        if importlib.util.find_spec("vot") is None:
            raise ConfigError(f"task=vot needs vot-toolkit, which is not installed; {INSTALL}.")
        if dataset.toolkit_root() is None:
            raise ConfigError(f"task=vot needs a challenge in vot-toolkit's layout, and dataset={dataset.name} is not one; use dataset=vot.")
        if tracker.random_weights:
            raise ConfigError("task=vot judges accuracy, which random weights do not have; give tracker.weights.")

    def run(self, context: Context) -> TaskResult:
        from harness.tasks.vot.workspace import Bench, version

        cv2.setNumThreads(1)  # crops are small: passing them to threads costs more than it saves
        root = context.dataset.toolkit_root()
        assert root is not None
        repetitions = self.repetitions or (1 if context.tracker.deterministic else 3)
        bench = Bench(context.folder / "vot", root, context.tracker.name, context.dataset.used_names())
        bench.prepare(self.stack, self.experiment, repetitions, self.low, self.high)
        runner = Runner(context.tracker, context.backend.open(context.artifact))
        names = context.dataset.used_names()
        context.progress.start("VOT", len(names))
        failures = {}
        for name in names:
            failures[name] = bench.run(name, runner)
            context.progress.step(1, name)
        context.progress.close()
        metrics, found = bench.analyse()
        record = VotRecord(
            scoring=Scoring(protocol="vot", feedback="self"),
            stack=self.stack,
            experiment=f"{self.experiment} ({bench.kind})",
            toolkit=version(),
            failures={name: count for name, count in failures.items() if count is not None},
            analysis=found,
        )
        return TaskResult(metrics, ["vot"], {}, record, context.dataset.notes())
