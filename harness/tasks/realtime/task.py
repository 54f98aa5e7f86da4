"""Tracks every sequence as a camera shows it: accuracy, dropped and late frames, age of results at each rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from harness.core.config import at_least
from harness.core.errors import ConfigError
from harness.core.interfaces import Context, Dataset, Metrics, Sequence, Task, TaskResult, TrackerSpec
from harness.core.records import Scoring
from harness.imaging.decoding import decoder_name
from harness.scoring.budget import over_budget, target_of
from harness.scoring.protocols import score_by
from harness.scoring.speed import fps, latency_summary
from harness.tasks.realtime.live import Durations, Fixed, Live, Measured, track
from harness.tasks.realtime.record import LiveRecord, RealtimeRecord
from harness.tasks.realtime.schedule import Schedule, camera, exact
from harness.tasks.realtime.store import TABLE, LiveStore, Recorded, rate_name, table, write_table
from harness.tracking.feedback import Feedback, check_feedback, truthful
from harness.tracking.loop import Runner
from harness.tracking.recording import check_dataset
from harness.tracking.serial import warm_up

FASTEST = 100_000.0
"""The highest rate in frames per second; a higher one is taken for a typing error."""
SCORES = ("ao", "sr50", "sr75", "auc", "precision20")
Runs = dict[str, Live]


@dataclass
class Realtime(Task):
    """``task=realtime``. The fields are the keys of ``conf/task/realtime.yaml``, which describes each of them."""

    fps: tuple[float, ...] = (15.0, 30.0, 60.0)
    convention: Literal["latency", "vot"] = "latency"
    grace: int = 3
    clock: Literal["measured", "fixed", "recorded"] = "measured"
    latency_ms: float | None = None
    init_ms: float | None = None
    recording: str | None = None
    count_decoding: bool = False
    warmup: int = 5
    feedback: Feedback = "auto"
    repeats: int = 1
    name: str = "realtime"

    def __post_init__(self) -> None:
        if not self.fps or len(set(self.fps)) != len(self.fps) or not all(0 < rate <= FASTEST for rate in self.fps):
            raise ConfigError(
                f"task.fps is {list(self.fps)}; accepted: different rates above 0 and up to {FASTEST:g}, as task.fps=[15,30,60]."
            )
        at_least(self.grace, 0, "task.grace")
        at_least(self.warmup, 1, "task.warmup")
        at_least(self.repeats, 1, "task.repeats")
        for key, clock in (("latency_ms", "fixed"), ("init_ms", "fixed"), ("recording", "recorded")):
            if getattr(self, key) is not None and self.clock != clock:
                raise ConfigError(f"task.{key} is a setting of task.clock={clock}; add that, or leave task.{key} out.")
        if self.clock == "fixed" and (self.latency_ms is None or min(self.latency_ms, self.init_ms or 0.0) < 0):
            raise ConfigError("task.clock=fixed needs task.latency_ms (and task.init_ms) of 0 or more, as task.latency_ms=40.")
        if self.clock == "recorded" and self.recording is None:
            raise ConfigError("task.clock=recorded needs task.recording, the folder of the job whose times drive the clock.")

    def check(self, config: Mapping[str, Any], tracker: TrackerSpec, dataset: Dataset) -> None:
        check_dataset(dataset)
        check_feedback(self.feedback, tracker, dataset)
        for rate in self.fps:
            self.durations(rate)

    def durations(self, fps: float) -> Durations:
        """Returns the source of simulated time at a rate."""
        if self.clock == "fixed":
            assert self.latency_ms is not None
            init = self.latency_ms if self.init_ms is None else self.init_ms
            return Fixed(exact(self.latency_ms) / 1000, exact(init) / 1000)
        if self.clock == "recorded":
            assert self.recording is not None
            return Recorded(Path(self.recording), self.count_decoding, fps)
        return Measured()

    def rule(self) -> str:
        """Returns the name of the rule by which a frame is scored; only runs with the same rule are compared."""
        grace = f", {self.grace} grace frames" if self.convention == "vot" else ""
        return f"{self.convention}{grace}{', decoding counted' if self.count_decoding else ''}"

    # ------------------------------------------------------------------------------------- running

    def run(self, context: Context) -> TaskResult:
        cv2.setNumThreads(1)  # crops are small: passing them to threads costs more than it saves
        sequences = list(context.dataset)
        store = LiveStore(context.folder, self.identity(context))
        runs: dict[float, Runs] = {rate: {} for rate in self.fps}
        for rate in self.fps:
            for item in sequences:
                if context.round == 1 and (found := store.load(rate, item)) is not None:
                    runs[rate][item.name] = found
        done, total = sum(map(len, runs.values())), len(self.fps) * len(sequences)
        if done:
            context.progress.say(f"resuming: {done} of {total} runs are complete.")
        runner = Runner(context.tracker, context.backend.open(context.artifact))
        if done < total:
            warm_up(runner, sequences[0], self.warmup)
        for rate in self.fps:
            missing = [item for item in sequences if item.name not in runs[rate]]
            self._track(context, runner, rate, missing, store, runs[rate])
        return self._result(context, sequences, runs, done)

    def identity(self, context: Context) -> dict[str, Any]:
        """Returns everything that a run depends on, except sequence and rate."""
        config = context.config
        return {
            "artifact": context.artifact.key,
            **{group: config[group] for group in ("tracker", "backend", "device", "hint")},
            "threads": context.threads,
            "seed": context.seed,
            "truth": truthful(self.feedback, context.tracker),
            **{key: getattr(self, key) for key in ("convention", "grace", "clock", "latency_ms", "init_ms", "count_decoding")},
            "recording": str(Path(self.recording).resolve()) if self.recording else None,
        }

    def _track(
        self, context: Context, runner: Runner, rate: float, missing: list[Sequence], store: LiveStore, runs: Runs
    ) -> None:
        """Tracks ``missing`` at ``rate``; each run is written to disk before the next one begins."""
        if not missing:
            return
        durations, progress = self.durations(rate), context.progress
        progress.start(f"{rate_name(rate)} fps", sum(map(len, missing)))
        for sequence in missing:
            before = camera(self.convention, len(sequence), exact(rate), self.grace)
            live = track(
                runner,
                sequence,
                before,
                durations,
                count_decoding=self.count_decoding,
                follow_truth=truthful(self.feedback, context.tracker),
                on_frame=lambda _seconds: progress.step(1),
            )
            progress.step(live.schedule.dropped, f"{sequence.name} done")
            store.save(rate, sequence, live)
            runs[sequence.name] = live
        progress.close()

    # ------------------------------------------------------------------------------------- results

    def _result(
        self, context: Context, sequences: list[Sequence], runs: Mapping[float, Runs], resumed: int
    ) -> TaskResult:
        dataset = context.dataset
        accurate = dataset.has_truth and not context.tracker.random_weights
        found: Metrics = {}
        per_sequence: dict[str, Metrics] = {item.name: {"frames": float(len(item))} for item in sequences}
        warnings = dataset.notes()
        rows: list[dict[str, Any]] = []
        scored = 0
        how: dict[str, Any] = {"protocol": ", ".join(dataset.chosen_protocols())}
        for rate in self.fps:
            own = traffic([live.schedule for live in runs[rate].values()])
            row: dict[str, Any] = {"fps": rate}
            if accurate:
                tracks = [runs[rate][item.name].scored(item.name) for item in sequences]
                scores = score_by(dataset.chosen_protocols(), dataset.truth_rule, tracks, sequences, seed=context.seed)
                own |= {key: scores.metrics[key] for key in SCORES if key in scores.metrics}
                row["intervals"] = {key: value for key, value in scores.details()["intervals"].items() if key in SCORES}
                warnings += [line for line in scores.warnings if line not in warnings]
                scored, how = scores.scored_frames, scores.scoring()
                _add_sequences(per_sequence, rate, scores.sequences)
            rows.append(row | own)
            found |= {f"realtime/{rate_name(rate)}/{key}": value for key, value in own.items()}
        if self.clock == "measured":
            found |= self._speed(runs, target_of(context.config))
        record = self._record(rows, resumed, scored)
        record.scoring = Scoring(
            **how,
            feedback="truth" if truthful(self.feedback, context.tracker) else "self",
            random_weights=context.tracker.random_weights,
            realtime=self.rule(),
        )
        write_table(context.folder, table(runs))
        return TaskResult(found, [TABLE], per_sequence, record, warnings)

    def _speed(self, runs: Mapping[float, Runs], target_fps: float | None) -> Metrics:
        """Returns ``fps`` and ``latency_ms/*`` over all updates of all rates."""
        seconds = np.array([value for rate in runs.values() for live in rate.values() for value in live.seconds[1:]])
        if not len(seconds):
            return {}
        return {"fps": fps(seconds), **latency_summary(seconds), **over_budget(seconds, target_fps)}

    def _record(self, rows: list[dict[str, Any]], resumed: int, scored: int) -> RealtimeRecord:
        return RealtimeRecord(
            decoder=decoder_name(),
            resumed_runs=resumed,
            realtime=LiveRecord(
                convention=self.convention,
                grace=self.grace if self.convention == "vot" else None,
                clock=self.clock,
                latency_ms=self.latency_ms,
                recording=self.recording,
                count_decoding=self.count_decoding,
                rates=rows,
            ),
            scored_frames=scored,
        )


def _add_sequences(found: dict[str, Metrics], rate: float, scores: Mapping[str, Metrics]) -> None:
    """Enters each sequence's scores at ``rate``."""
    for name, row in scores.items():
        found[name] |= {f"realtime/{rate_name(rate)}/{key}": row[key] for key in SCORES if key in row}
        found[name] |= {key: row[key] for key in ("scored_frames",) if key in row}


def traffic(schedules: list[Schedule]) -> Metrics:
    """Returns ``dropped`` (share of frames but the first), ``late`` (share of updates), ``age_ms_p50``, ``age_ms_p99``."""
    frames = sum(len(item.source) - 1 for item in schedules)
    updates = sum(len(item.steps) - 1 for item in schedules)
    if not frames:
        return {}
    ages = np.array([float(age) for item in schedules for age in item.ages]) * 1e3
    return {
        "dropped": sum(item.dropped for item in schedules) / frames,
        "late": sum(item.late for item in schedules) / max(1, updates),
        "age_ms_p50": float(np.percentile(ages, 50)),
        "age_ms_p99": float(np.percentile(ages, 99)),
    }
