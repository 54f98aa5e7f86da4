"""Track every sequence of the data set: boxes, times, accuracy, speed, latency, and GOT-10k's files."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal

import cv2
import numpy as np
import pandas as pd

from harness import metrics
from harness.config import at_least
from harness.decoding import decoder_name
from harness.errors import ConfigError, DataError
from harness.interfaces import Boxes, Context, Dataset, Metrics, Sequence, Task, TaskResult, Track, TrackerSpec
from harness.results import FRAMES_FILE, write_frames
from harness.tasks.parallel import track_parallel
from harness.tasks.store import Done, SequenceStore, as_shipped
from harness.tracking import STAGES, Runner, decoded

Feedback = Literal["auto", "self", "truth"]


@dataclass
class Evaluate(Task):
    """``task=evaluate``. The fields are the keys of ``conf/task/evaluate.yaml``, where each has its line."""

    mode: Literal["serial", "parallel", "both"] = "serial"
    warmup: int = 5
    repeats: int = 1
    repetitions: int | None = None
    feedback: Feedback = "auto"
    requests: int | None = None
    serial_sequences: int = 3
    name: str = "evaluate"

    def __post_init__(self) -> None:
        at_least(self.warmup, 1, "task.warmup")
        at_least(self.repeats, 1, "task.repeats")
        at_least(self.repetitions, 1, "task.repetitions")
        at_least(self.requests, 1, "task.requests")
        at_least(self.serial_sequences, 1, "task.serial_sequences")

    def check(self, config: Mapping[str, Any], tracker: TrackerSpec, dataset: Dataset) -> None:
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
        cv2.setNumThreads(1)  # crops are small: handing them to threads costs more than it gains
        sequences = list(context.dataset)
        store = SequenceStore(context.folder, self.identity(context))
        done = {item.name: found for item in sequences if (found := store.load(item)) is not None}
        missing = [item for item in sequences if item.name not in done]
        if done:
            context.progress.say(f"resuming: {len(done)} of {len(sequences)} sequences are complete.")
        notes: dict[str, Any] = {"decoder": decoder_name(), "mode": self.mode, "resumed_sequences": len(done)}
        first = self._track(context, missing, store, done, notes)
        return self._result(context, sequences, done, first, notes)

    def identity(self, context: Context) -> dict[str, Any]:
        """All that a sequence's track depends on, besides the sequence."""
        config = context.config
        return {
            "artifact": context.artifact.key,
            "tracker": config["tracker"],
            "backend": config["backend"],
            "device": config["device"],
            "hint": config["hint"],
            "threads": context.threads,
            "seed": context.seed,
            "mode": self.mode,
            "requests": self.requests,
            "repetitions": self.count_repetitions(context.tracker),
            "truth": self.truth_feedback(context.tracker),
        }

    def count_repetitions(self, tracker: TrackerSpec) -> int:
        """GOT-10k's protocol: a deterministic tracker runs once, another three times."""
        return self.repetitions or (1 if tracker.deterministic else 3)

    def _track(
        self,
        context: Context,
        missing: list[Sequence],
        store: SequenceStore,
        done: dict[str, Done],
        notes: dict[str, Any],
    ) -> float | None:
        """Tracks what is missing; returns the seconds of the first update ever, where it was measured."""
        if self.mode == "serial":
            return self._serial(context, missing, store, done, notes)
        began = perf_counter()
        requests = track_parallel(
            context,
            missing,
            self.requests,
            self._feedback_of(context),
            self.count_repetitions(context.tracker),
            lambda sequence, finished: self._keep(store, done, sequence, finished),
        )
        notes |= {"requests": requests, "parallel_wall": perf_counter() - began if missing else None}
        return None

    def _serial(
        self,
        context: Context,
        missing: list[Sequence],
        store: SequenceStore,
        done: dict[str, Done],
        notes: dict[str, Any],
    ) -> float | None:
        runner = Runner(context.tracker, context.backend.open(context.artifact))
        if not missing:
            return None
        first = warm_up(runner, missing[0], self.warmup)
        notes["start_s"] = since_spawn()
        repetitions = self.count_repetitions(context.tracker)
        context.progress.start("tracking", sum(len(item) for item in missing) * repetitions)
        feedback = self._feedback_of(context)
        speed = SpeedNote()
        for sequence in missing:
            began = perf_counter()
            tracks = []
            for repetition in range(1, repetitions + 1):
                speed.name = sequence.name

                def on_frame(seconds: float) -> None:
                    context.progress.step(1, speed.add(seconds))

                tracks.append(
                    runner.track(sequence, feedback=feedback(sequence), repetition=repetition, on_frame=on_frame)
                )
            self._keep(store, done, sequence, Done(tracks, perf_counter() - began, contended=False))
        context.progress.close()
        return first

    def _keep(self, store: SequenceStore, done: dict[str, Done], sequence: Sequence, finished: Done) -> None:
        # what is scored is what the files hold, also in a run that is not resumed
        done[sequence.name] = Done([as_shipped(track) for track in finished.tracks], finished.wall, finished.contended)
        store.save(sequence, finished)

    def _feedback_of(self, context: Context) -> Any:
        truthful = self.truth_feedback(context.tracker)

        def choose(sequence: Sequence) -> Boxes | None:
            return sequence.truth if truthful else None

        return choose

    # ------------------------------------------------------------------------------------- results

    def _result(
        self,
        context: Context,
        sequences: list[Sequence],
        done: Mapping[str, Done],
        first: float | None,
        notes: dict[str, Any],
    ) -> TaskResult:
        tracks = [track for item in sequences for track in done[item.name].tracks]
        scores = metrics.score_tracks(tracks, sequences, seed=context.seed)
        accurate = context.dataset.has_truth and not context.tracker.random_weights
        contended = any(item.contended for item in done.values())
        found = {key: value for key, value in scores.metrics.items() if accurate or key.startswith("fps")}
        found = {key: value for key, value in found.items() if not (contended and key.startswith("fps"))}
        found |= speed_metrics(tracks, done, first, notes, contended)
        frames = frames_table(sequences, tracks, scores if accurate else None, context.round)
        write_frames(context.folder, frames)
        wanted = ("frames", "fps") if not accurate else None
        per_sequence = {
            name: {key: value for key, value in row.items() if wanted is None or key in wanted}
            for name, row in scores.sequences.items()
        }
        details: dict[str, Any] = {
            **notes,
            "contended": contended,
            "repetitions": self.count_repetitions(context.tracker),
        }
        if accurate and scores.curve is not None:
            details |= {"success_curve": scores.curve, "intervals": scores.intervals}
        details["scoring"] = {
            "protocol": "got10k",
            "feedback": "truth" if self.truth_feedback(context.tracker) else "self",
            "random_weights": context.tracker.random_weights,
            "mask": scores.mask,
            "bounds": scores.bounds,
        }
        details["scored_frames"] = scores.scored_frames if accurate else 0
        files = [FRAMES_FILE, *self._submission(context, done)]
        return TaskResult(found, files, per_sequence, details, list(scores.warnings) if accurate else [])

    def _submission(self, context: Context, done: Mapping[str, Done]) -> list[str]:
        """The archive for GOT-10k's server, where the whole test split was tracked."""
        if context.dataset.split != "test" or context.dataset.name != "got10k" or context.tracker.random_weights:
            return []
        from harness.submission import pack_job

        return pack_job(context, sorted(done))


class SpeedNote:
    """``sequence 31.2 fps`` for the progress display; a frame costs it one addition."""

    def __init__(self) -> None:
        self.name, self._seconds, self._frames = "", 0.0, 0

    def add(self, seconds: float) -> str:
        self._seconds += seconds
        self._frames += 1
        return f"{self.name} {self._frames / self._seconds:.1f} fps"


def warm_up(runner: Runner, sequence: Sequence, updates: int) -> float:
    """Runs ``updates`` untimed updates; returns the seconds of the first one, which is reported apart."""
    frames = decoded(sequence, runner.spec.color)
    try:
        image, _ = next(frames)
    except StopIteration as error:
        raise DataError(f"{sequence.name} has no frames.") from error
    tracker = runner.start()
    tracker.init(image, sequence.init_box)
    first = 0.0
    for _ in range(updates):
        image, _seconds = next(frames, (image, 0.0))
        tracker.place(sequence.init_box)
        begin = perf_counter()
        tracker.update(image)
        first = first or perf_counter() - begin
    return first


def since_spawn() -> float | None:
    """Seconds since the parent started this process, where it said when."""
    spawned = os.environ.get("HARNESS_SPAWNED")
    return time.time() - float(spawned) if spawned else None


def speed_metrics(
    tracks: Iterable[Track], done: Mapping[str, Done], first: float | None, notes: Mapping[str, Any], contended: bool
) -> Metrics:
    """``pipeline_fps``, and where frames were not contended ``latency_ms/*`` and ``stage_ms/*`` (p50)."""
    tracks = list(tracks)
    frames = sum(len(track.seconds) for track in tracks)
    wall = notes.get("parallel_wall") or sum(item.wall for item in done.values())
    found: Metrics = {}
    if wall > 0 and not (contended and notes.get("resumed_sequences")):
        found["pipeline_fps"] = frames / wall
    if contended:
        return found
    updates = np.concatenate([track.seconds[1:] for track in tracks])
    found |= metrics.latency_summary(updates, first)
    for stage in STAGES:
        samples = [track.stages[stage][1:] for track in tracks if stage in track.stages]
        if samples and np.concatenate(samples).size:
            found[f"stage_ms/{stage}"] = float(np.median(np.concatenate(samples)) * 1e3)
    if notes.get("start_s"):
        found["fixed_s/start"] = float(notes["start_s"])
    return found


def frames_table(
    sequences: Iterable[Sequence], tracks: Iterable[Track], scores: metrics.Scores | None, round_: int
) -> pd.DataFrame:
    """One row per frame (columns: docs/architecture.md)."""
    del sequences
    parts = []
    for track in tracks:
        count = len(track.boxes)
        key = (track.sequence, track.repetition)
        part = pd.DataFrame(track.boxes, columns=["x", "y", "w", "h"])
        part.insert(0, "sequence", track.sequence)
        part.insert(1, "repetition", track.repetition)
        part.insert(2, "round", round_)
        part.insert(3, "frame", np.arange(count))
        part["iou"] = scores.ious[key] if scores else np.full(count, np.nan)
        part["scored"] = scores.scored[key] if scores else np.zeros(count, bool)
        part["seconds"] = track.seconds
        for stage in STAGES:
            part[stage] = track.stages.get(stage, np.full(count, np.nan))
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
