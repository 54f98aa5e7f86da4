"""Where the frames go between benchmark_app's throughput and the tracker's own speed, measured step by step.

All rungs are measured in one process on the same frames, in rounds. Within a round they take turns every few frames, in
forward and reverse order, so that the machine's drift affects all equally. benchmark_app itself runs as a child process
once per round, while this process waits.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import cv2
import pandas as pd

from harness.backends import looks
from harness.core.config import MOST, MOST_AT_ONCE, at_least, class_of
from harness.core.errors import ConfigError, SkipJob
from harness.core.files import write_json, write_text
from harness.core.interfaces import (
    Backend,
    Context,
    Dataset,
    Metrics,
    Task,
    TaskResult,
    TrackerSpec,
)
from harness.core.records import Scoring
from harness.imaging.decoding import decoder_name
from harness.machine.collection import no_collection
from harness.tasks.benchmark_app import process as app
from harness.tasks.explain_gap import ladder as gap_ladder
from harness.tasks.explain_gap.bench import Bench
from harness.tasks.explain_gap.ladder import AppRun, Round
from harness.tasks.explain_gap.record import GapRecord, Ladder
from harness.tracking.recording import check_dataset

BENCHMARK = "benchmark_app"
LADDER_FILE = "gap.json"
TABLE_FILE = "gap.csv"

AT_ONCE = ("requests", "streams", "batch")
"""Keys that are counts of things running at the same time."""


@dataclass
class ExplainGap(Task):
    """``task=explain_gap``. The fields are the keys of ``conf/task/explain_gap.yaml``, which describes each of them."""

    rounds: int = 5
    frames: int = 30
    seconds: int = 3
    requests: int | None = None
    warmup: int = 2
    repeats: int = 1
    name: str = "explain_gap"

    def __post_init__(self) -> None:
        for key in ("frames", "seconds", "requests", "warmup", "repeats"):
            at_least(getattr(self, key), 1, f"task.{key}", MOST_AT_ONCE if key in AT_ONCE else MOST)
        at_least(self.rounds, 5, "task.rounds")

    def check(self, config: Mapping[str, Any], tracker: TrackerSpec, dataset: Dataset) -> None:
        if class_of(config["backend"], Backend, "backend").own_benchmark != BENCHMARK:
            able = ", ".join(name for name, item in looks.shipped().items() if item.own_benchmark == BENCHMARK)
            raise SkipJob(f"task=explain_gap follows {BENCHMARK} into the tracker's own session of the same runtime; choose backend={able}.")
        if str(config["device"]["name"]) != "cpu":
            raise SkipJob("task=explain_gap measures on device=cpu; other devices overlap the steps that it separates.")
        if len(tracker.per_frame) != 1:
            raise ConfigError(
                f"task=explain_gap takes one network call a frame apart; tracker {tracker.name} runs "
                f"{', '.join(tracker.per_frame)} on every frame."
            )
        check_dataset(dataset)

    def run(self, context: Context) -> TaskResult:
        cv2.setNumThreads(1)
        bench = Bench.prepare(self, context)
        rounds, runs = [], []
        context.progress.start("rounds", self.rounds)
        gc.collect()
        with no_collection():
            for number in range(self.rounds):
                found, report = bench.round(reverse=bool(number % 2))
                rounds.append(found)
                runs.append(report)
                context.progress.step(1, f"{1000 / found.pipeline:.1f} fps")
        context.progress.close()
        return self._result(context, bench, rounds, runs)

    def _result(self, context: Context, bench: Bench, rounds: list[Round], runs: list[app.Report]) -> TaskResult:
        found = gap_ladder.account(rounds)
        counted = gap_ladder.what_is_counted([_app_run(report, self.seconds) for report in runs])
        once = bench.once(runs)
        metrics: Metrics = {
            **gap_ladder.metrics_of(found),
            "pipeline_fps": 1000 / found.pipeline,
            "benchmark_app/throughput_fps": median([report.throughput for report in runs]),
            "benchmark_app/first_inference_ms": once["benchmark_app first inference"],
        }
        ladder = Ladder(
            **vars(found),
            once_ms=once,
            counted=counted,
            sequence=bench.recording.sequence.name,
            frames=bench.count,
            requests=bench.requests,
            hint=str(context.config["hint"]["name"]),
            decoder=decoder_name(),
        )
        write_json(context.folder / LADDER_FILE, asdict(ladder))
        columns = ["key", "step", "ms", "fps", "step_ms", "spread"]
        write_text(context.folder / TABLE_FILE, pd.DataFrame(found.rows)[columns].to_csv(index=False))
        warnings = [] if found.conclusive else [found.verdict]
        record = GapRecord(ladder=ladder, scoring=Scoring(random_weights=context.tracker.random_weights))
        files = [LADDER_FILE, TABLE_FILE]
        files += [
            str(path.relative_to(context.folder)) for path in sorted((context.folder / "benchmark_app").iterdir())
        ]
        return TaskResult(metrics, files, {}, record, warnings)


def _app_run(report: app.Report, seconds: int) -> AppRun:
    return AppRun(
        report.throughput,
        report.iterations,
        report.total_ms,
        seconds * 1e3,
        report.first_ms or 0.0,
        report.read_ms or 0.0,
        report.compile_ms or 0.0,
        report.min_ms or 0.0,
        report.max_ms or 0.0,
    )
