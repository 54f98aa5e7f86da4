"""The number of cameras that one machine serves: real sessions and threads over one compiled model, in real time."""

from __future__ import annotations

import gc
import math
from collections.abc import Mapping, Sequence as Seq
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import cv2

from harness.core.config import MOST_AT_ONCE, at_least
from harness.core.errors import ConfigError, DataError, SkipJob
from harness.core.files import plain, read_json, write_json
from harness.core.interfaces import Context, Dataset, Metrics, Task, TaskResult, TrackerSpec
from harness.core.records import Scoring
from harness.imaging.decoding import decoder_name
from harness.machine.environment import allowed_cores, machine
from harness.tasks.capacity.arrivals import arrivals
from harness.tasks.capacity.queue import WallClock
from harness.tasks.capacity.record import CapacityRecord, Searched
from harness.tasks.capacity.search import Capacity as Found, search
from harness.tasks.capacity.streams import Streams, load_clips
from harness.tasks.capacity.trial import Judge, Trial, run_trial
from harness.tracking.feedback import Feedback, check_feedback, truthful
from harness.tracking.parallel import Split, split_threads
from harness.tracking.recording import check_dataset

FILE = "capacity.json"
"""The file of all finished steps with a key of their settings, so that an interrupted job repeats none."""
GUESS_UPDATES = 20
SETTLE_S = 1.0
"""Seconds at the beginning of a step that do not count."""


@dataclass
class Capacity(Task):
    """``task=capacity``. The fields are the keys of ``conf/task/capacity.yaml``, which describes each of them."""

    fps: float = 30.0
    deadline_ms: float | None = None
    arrivals: Literal["periodic", "poisson"] = "periodic"
    workers: int | None = None
    most: int = 512
    least_s: float = 3.0
    most_s: float = 20.0
    count_decoding: bool = False
    memory_mb: float = 1024.0
    warmup: int = 5
    feedback: Feedback = "auto"
    name: str = "capacity"

    def __post_init__(self) -> None:
        for key in ("fps", "deadline_ms", "least_s", "memory_mb"):
            value = getattr(self, key)
            if value is not None and not (0 < value < math.inf):
                raise ConfigError(f"task.{key} is {value:g}; accepted: above 0.")
        if self.most_s < self.least_s:
            raise ConfigError(f"task.most_s is {self.most_s:g}; accepted: task.least_s ({self.least_s:g}) or more.")
        at_least(self.workers, 1, "task.workers", MOST_AT_ONCE)
        at_least(self.most, 1, "task.most")
        at_least(self.warmup, 1, "task.warmup")

    def check(self, config: Mapping[str, Any], tracker: TrackerSpec, dataset: Dataset) -> None:
        check_dataset(dataset)
        if not tracker.placeable:
            raise SkipJob(
                f"task=capacity puts trackers back at the first box where a clip ends, and tracker {tracker.name} cannot be put "
                "anywhere; it runs as it is."
            )
        check_feedback(self.feedback, tracker, dataset)

    @property
    def deadline_s(self) -> float:
        """Seconds after arrival within which 99 of 100 frames must be finished."""
        return 1 / self.fps if self.deadline_ms is None else self.deadline_ms / 1e3

    # ------------------------------------------------------------------------------------- running

    def run(self, context: Context) -> TaskResult:
        cv2.setNumThreads(1)  # crops are small: passing them to threads costs more than it saves
        streams, split = self._open(context)
        done, known = self._load(context)
        if done:
            context.progress.say(f"resuming: {len(done)} steps are complete.")
        # that of the first start, so that the search takes the same path again and finds the finished steps
        service = self._service(streams) if known is None else known
        guess = int(0.9 * split.requests / (self.fps * service))

        made: list[Trial] = []

        def trial(count: int) -> Trial:
            kept = next((step for step in done if step.streams == count), None)
            if kept is not None:
                done.remove(kept)
            step = kept or self._trial(streams, split.requests, count, context.seed)
            made.append(step)
            self._save(context, [*made, *done], service)
            words = "within" if step.passed else "beyond"
            context.progress.say(f"{count} streams: {words} the deadline, p99 {_ms(step.p99_ms)}, {step.dropped} dropped")
            return step

        found = search(trial, guess, self.most)
        return self._result(context, found, split, service)

    def _open(self, context: Context) -> tuple[Streams, Split]:
        """Opens the sessions of each worker and decodes the cameras' clips."""
        backend, device = context.backend, str(context.config["device"]["name"])
        wanted = self.workers or backend.parallel_requests(context.artifact)
        split = split_threads(context.threads, wanted, self.most, device)
        backend.prepare_parallel(split.requests)
        sessions = [backend.open(context.artifact) for _ in range(split.requests)]
        context.progress.say(f"{split.requests} workers; loading frames")
        clips = load_clips(list(context.dataset), context.tracker.color, None if self.count_decoding else self.memory_mb)
        if not clips:
            raise DataError("no sequence of the data set has a second frame, so that there is nothing to track.")
        cores: list[list[int]] = []
        if backend.pins_callers():
            allowed = allowed_cores()
            cores = [allowed[index * split.each : (index + 1) * split.each] for index in range(split.requests)]
        return Streams(context.tracker, sessions, clips, truthful(self.feedback, context.tracker), cores), split

    def _service(self, streams: Streams) -> float:
        """Returns the mean seconds of an update by one worker alone, after a warm-up of every worker."""
        streams.prepare(1)
        for worker in range(len(streams.sessions)):
            for _ in range(self.warmup):
                streams.step(0, worker)
        begin = perf_counter()
        for _ in range(GUESS_UPDATES):
            streams.step(0, 0)
        return (perf_counter() - begin) / GUESS_UPDATES

    def _trial(self, streams: Streams, workers: int, count: int, seed: int) -> Trial:
        """Runs one step."""
        streams.prepare(count)
        judge = Judge(self.deadline_s, self.least_s, self.most_s, SETTLE_S)
        coming = arrivals(self.arrivals, count, self.fps, seed)
        collecting = gc.isenabled()
        gc.collect()
        gc.disable()  # a garbage collection would count as time of some frames
        try:
            return run_trial(count, workers, streams.serve, coming, 1 / self.fps, judge, WallClock())
        finally:
            if collecting:
                gc.enable()

    # ------------------------------------------------------------------------------------- on disk

    def _key(self, context: Context) -> dict[str, Any]:
        """Returns everything that a step depends on, except the number of streams."""
        config = context.config
        keys = ("fps", "arrivals", "workers", "least_s", "most_s", "count_decoding", "memory_mb")
        return {
            "artifact": context.artifact.key,
            **{group: plain(config[group]) for group in ("tracker", "backend", "device", "hint")},
            "dataset": context.dataset.digest(),
            "threads": context.threads,
            "seed": context.seed,
            "machine": machine(),
            "deadline_s": self.deadline_s,
            **{key: getattr(self, key) for key in keys},
        }

    def _save(self, context: Context, steps: Seq[Trial], service: float) -> None:
        record = {"key": self._key(context), "service_s": service, "steps": [step.record() for step in steps]}
        write_json(context.folder / FILE, record)

    def _load(self, context: Context) -> tuple[list[Trial], float | None]:
        """Reads the steps of an earlier start of this job, in order, and the seconds of an update that it measured."""
        path: Path = context.folder / FILE
        try:
            record = read_json(path)
            if record["key"] != plain(self._key(context)):
                return [], None
            return [Trial(**step) for step in record["steps"]], float(record["service_s"])
        except (DataError, KeyError, TypeError, ValueError):
            return [], None

    # ------------------------------------------------------------------------------------- results

    def _result(self, context: Context, found: Found, split: Split, service: float) -> TaskResult:
        metrics: Metrics = {
            "capacity/streams": float(found.streams),
            "capacity/low": float(found.low),
            "capacity/high": float(found.high),
        }
        at = next((step for step in reversed(found.trials) if step.streams == found.streams), None)
        if at is not None and at.p99_ms is not None:
            metrics["capacity/p99_ms"] = at.p99_ms
        warnings = []
        if found.bounded:
            warnings.append(f"All of task.most={self.most} streams passed: the capacity is higher; raise task.most.")
        record = CapacityRecord(
            decoder=decoder_name(),
            capacity=Searched(
                fps=self.fps,
                deadline_ms=self.deadline_s * 1e3,
                arrivals=self.arrivals,
                count_decoding=self.count_decoding,
                workers=split.requests,
                threads_each=split.each,
                service_ms=service * 1e3,
                streams=found.streams,
                low=found.low,
                high=found.high,
                bounded=found.bounded,
                steps=[step.record() for step in found.trials],
            ),
            scoring=Scoring(protocol="none", random_weights=context.tracker.random_weights),
        )
        return TaskResult(metrics, [FILE], {}, record, warnings)


def _ms(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} ms"
