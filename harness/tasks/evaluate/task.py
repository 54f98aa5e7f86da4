"""Track every sequence of the data set: boxes, times, accuracy, speed, latency, and GOT-10k's files."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import cv2

from harness.core.config import MOST_AT_ONCE, at_least
from harness.core.errors import ConfigError, SkipJob, tolerated
from harness.core.interfaces import Boxes, Context, Dataset, Sequence, Stand, Task, TaskResult, TrackerSpec
from harness.core.records import Scoring
from harness.core.results import FRAMES_FILE, write_frames
from harness.imaging.decoding import decoder_name
from harness.machine.environment import peak_rss_mb
from harness.scoring import confidence
from harness.scoring.budget import target_of
from harness.scoring.frames import frames_table
from harness.scoring.protocols import score_by
from harness.tasks.evaluate import int8_report
from harness.tasks.evaluate.record import EvaluateRecord
from harness.tracking.assignment import Assignment, check_first_boxes
from harness.tracking.parallel import track_parallel
from harness.tracking.ray.accounting import cluster_metrics
from harness.tracking.ray.cluster import check_installed, track_cluster
from harness.tracking.serial import track_serial
from harness.tracking.speed import speed_metrics
from harness.tracking.stand import SerialStand
from harness.tracking.store import Done, SequenceStore, as_shipped

Feedback = Literal["auto", "self", "truth"]


@dataclass
class Evaluate(Task):
    """``task=evaluate``. The fields are the keys of ``conf/task/evaluate.yaml``, which describes each of them."""

    mode: Literal["serial", "parallel", "both"] = "serial"
    warmup: int = 5
    repeats: int = 1
    repetitions: int | None = None
    feedback: Feedback = "auto"
    requests: int | None = None
    serial_sequences: int = 3
    executor: Literal["local", "ray"] = "local"
    ray_address: str | None = None
    workers: int | None = None
    name: str = "evaluate"

    def __post_init__(self) -> None:
        at_least(self.warmup, 1, "task.warmup")
        at_least(self.repeats, 1, "task.repeats")
        at_least(self.repetitions, 1, "task.repetitions")
        at_least(self.requests, 1, "task.requests", MOST_AT_ONCE)
        at_least(self.serial_sequences, 1, "task.serial_sequences")
        at_least(self.workers, 1, "task.workers", MOST_AT_ONCE)
        if self.executor == "local":
            for key in ("workers", "ray_address"):
                if getattr(self, key) is not None:
                    raise ConfigError(f"task.{key} is a setting of task.executor=ray; add that, or leave task.{key} out.")

    def check(self, config: Mapping[str, Any], tracker: TrackerSpec, dataset: Dataset) -> None:
        if self.executor == "ray":
            check_installed()
            if self.mode == "both":
                raise ConfigError(
                    "task.mode=both takes latency from some sequences, and a cluster's workers disturb each other; with "
                    "task.executor=ray use task.mode=serial or parallel (one sequence at a time in each worker)."
                )
        if self.truth_feedback(tracker) and not tracker.placeable:
            raise SkipJob(
                f"task.feedback=truth puts the tracker at the true box before each frame, and tracker {tracker.name} cannot be "
                "put anywhere; use task.feedback=self."
            )
        if self.truth_feedback(tracker) and not dataset.has_truth:
            raise ConfigError(
                f"tracker {tracker.name} has random weights, so its crops must follow the ground truth, which "
                f"dataset={dataset.name} does not have; give tracker.weights, or use a data set with truth."
            )

    def truth_feedback(self, tracker: TrackerSpec) -> bool:
        """Whether crops follow the ground truth."""
        return self.feedback == "truth" or (self.feedback == "auto" and tracker.random_weights)

    # ------------------------------------------------------------------------------------- running

    def run(self, context: Context) -> TaskResult:
        cv2.setNumThreads(1)  # crops are small: passing them to threads costs more than it saves
        sequences = list(context.dataset)
        check_first_boxes(sequences)
        store = SequenceStore(context.folder, self.identity(context))
        store.keep_only(sequences)
        timed = {item.name for item in self.timed_sequences(sequences)}
        done = {
            item.name: found
            for item in sequences
            if (found := store.load(item)) is not None and found.contended == (item.name not in timed)
        }
        missing = [item for item in sequences if item.name not in done]
        if done:
            context.progress.say(f"resuming: {len(done)} of {len(sequences)} sequences are complete.")
        record = EvaluateRecord(
            decoder=decoder_name(),
            mode=self.mode,
            resumed_sequences=len(done),
            timed_sequences=sorted(timed) if self.mode == "both" else None,
            repetitions=self.count_repetitions(context),
        )
        first = self._track(context, missing, _Ledger(store, done, record))
        if not _has_own_fp32(context):  # else both are timed against each other, after the scores
            context.measured()
        return self._result(context, sequences, done, first, record)

    def takes_turns(self) -> bool:
        return self.mode != "parallel" and self.executor == "local"

    def stand(self, context: Context) -> Stand | None:
        """One sequence at a time, as latency is measured; None in parallel mode and on a cluster."""
        if not self.takes_turns():
            return None
        cv2.setNumThreads(1)
        return SerialStand(context, self.truth_feedback(context.tracker))

    def identity(self, context: Context) -> dict[str, Any]:
        """Returns everything that a sequence's track depends on, except the sequence."""
        config = context.config
        return {
            "artifact": context.artifact.key,
            "tracker": config["tracker"],
            "backend": config["backend"],
            "device": config["device"],
            "hint": config["hint"],
            "threads": context.threads,
            "seed": context.seed,
            "mode": self.mode if self.executor == "local" else self.executor,
            "requests": self.requests,
            "repetitions": self.count_repetitions(context),
            "truth": self.truth_feedback(context.tracker),
        }

    def count_repetitions(self, context: Context) -> int:
        """Follows GOT-10k's protocol: a deterministic tracker on a deterministic backend runs once, others three times."""
        return self.repetitions or (1 if context.tracker.deterministic and context.backend.deterministic else 3)

    def timed_sequences(self, sequences: list[Sequence]) -> list[Sequence]:
        """Returns the sequences tracked alone, whose times are latencies: all, none, or some at even distances."""
        if self.mode != "both":
            return sequences if self.mode == "serial" and self.executor == "local" else []
        count = min(self.serial_sequences, len(sequences))
        return [sequences[int((index + 0.5) * len(sequences) / count)] for index in range(count)]

    def _track(self, context: Context, missing: list[Sequence], ledger: _Ledger) -> float | None:
        """Tracks missing sequences.

        Returns the seconds of the process's first update, or None if it was not measured.
        """
        truthful = self.truth_feedback(context.tracker)

        def feedback(sequence: Sequence) -> Boxes | None:
            return sequence.truth if truthful else None

        repetitions = self.count_repetitions(context)
        work = Assignment(context, missing, repetitions, feedback, ledger.keep, ledger.started)
        first = None
        if self.executor == "ray":
            self._cluster(work, ledger)
        else:
            timed = {item.name for item in self.timed_sequences(list(context.dataset))}
            if self.mode != "parallel":  # first, while the process is in the same state as in a serial run
                first = track_serial(replace(work, sequences=[item for item in missing if item.name in timed]), self.warmup)
            if self.mode != "serial":
                self._parallel(replace(work, sequences=[item for item in missing if item.name not in timed]), ledger)
        ledger.record.last_frame = time.time()
        return first

    def _parallel(self, work: Assignment, ledger: _Ledger) -> None:
        context = work.context
        if not work.sequences:
            if self.mode == "parallel":
                context.backend.open(context.artifact)  # the runtime's settings are reported in any case
            return
        if self.mode == "both":  # compiled again, for several requests instead of one
            fresh: Any = context.backend
            work = replace(work, context=replace(context, backend=replace(fresh)))
        split, wall = track_parallel(work, self.requests)
        record = ledger.record
        record.requests, record.threads = split.requests, asdict(split)
        record.parallel_wall, record.parallel_frames = wall, work.frames
        record.parallel_effective = work.context.backend.describe()

    def _cluster(self, work: Assignment, ledger: _Ledger) -> None:
        if not work.sequences:
            return
        told = track_cluster(work, self.ray_address, self.workers)
        record = ledger.record
        record.cluster = told
        record.effective = {**told["workers"][0]["effective"], "executor": f"ray {told['ray']}"}
        record.parallel_wall, record.parallel_frames = told["wall_s"], work.frames

    # ------------------------------------------------------------------------------------- results

    def _result(
        self,
        context: Context,
        sequences: list[Sequence],
        done: Mapping[str, Done],
        first: float | None,
        record: EvaluateRecord,
    ) -> TaskResult:
        tracks = [track for item in sequences for track in done[item.name].tracks]
        dataset = context.dataset
        scores = score_by(dataset.chosen_protocols(), dataset.truth_rule, tracks, sequences, seed=context.seed)
        accurate = context.dataset.has_truth and not context.tracker.random_weights
        contended = {name for name, item in done.items() if item.contended}
        found = {key: value for key, value in scores.metrics.items() if accurate and not key.startswith("fps")}
        found |= speed_metrics(done, first, record.start_s, record.in_flight, target_of(context.config))
        if record.cluster is not None:
            found |= cluster_metrics(record.cluster)
        table = frames_table(tracks, scores.got10k if accurate else None, context.round, contended)
        write_frames(context.folder, table)
        if accurate and "confidence" in table:
            found |= confidence.metrics_of(confidence.judged_columns(table))
        per_sequence = {
            name: {
                key: value
                for key, value in row.items()
                if (accurate or key in ("frames", "fps")) and not (key == "fps" and name in contended)
            }
            for name, row in scores.sequences.items()
        }
        record.contended = len(contended) == len(done)
        record.scoring = Scoring(
            **scores.scoring(),
            feedback="truth" if self.truth_feedback(context.tracker) else "self",
            random_weights=context.tracker.random_weights,
        )
        record.scored_frames = scores.scored_frames if accurate else 0
        if accurate:
            told = scores.details()
            record.success_curve, record.ope = told.get("success_curve"), told.get("ope")
            record.intervals = told.get("intervals")
        warnings = context.dataset.notes() + (list(scores.warnings) if accurate else [])
        warnings += (record.cluster or {}).get("warnings", [])
        if _has_own_fp32(context):
            found["rss_mb/peak"] = peak_rss_mb()  # before a second model is opened beside this one
            first_tracks = {item.name: done[item.name].tracks[0] for item in sequences}
            truthful = self.truth_feedback(context.tracker)
            with tolerated("what int8 costs against its own fp32 could not be measured", warnings.append):
                compared, record.int8, doubts = int8_report.compare(context, sequences, first_tracks, truthful)
                found |= compared
                warnings += doubts
        return TaskResult(found, [FRAMES_FILE], per_sequence, record, warnings)


@dataclass
class _Ledger:
    """The state of a run: finished sequences, on disk and by name, and the record so far."""

    store: SequenceStore
    done: dict[str, Done]
    record: EvaluateRecord

    def keep(self, sequence: Sequence, finished: Done) -> None:
        # the boxes in the files are scored, also in a run that is not resumed
        self.done[sequence.name] = Done([as_shipped(track) for track in finished.tracks], finished.wall, finished.contended)
        self.store.save(sequence, finished)

    def started(self) -> None:
        if self.record.start_s is None:
            self.record.start_s = since_spawn()


def _has_own_fp32(context: Context) -> bool:
    """Whether int8 is compared with the fp32 model that it was made from."""
    return context.artifact.precision == "int8" and "fp32" in context.artifact.info and context.round == 1


def since_spawn() -> float | None:
    """Returns seconds since the parent started this process; None if the parent did not record the time."""
    spawned = os.environ.get("HARNESS_SPAWNED")
    return time.time() - float(spawned) if spawned else None
