"""Where the frames go between benchmark_app's throughput and the tracker's own speed, measured step by step.

All rungs are measured in one process on the same frames, in rounds. Within a round they take turns every few frames, forth
and back, so that the machine's drift hits all alike; benchmark_app itself runs as a child once a round, while this process waits.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import cv2
import numpy as np
import pandas as pd

from harness.backends.openvino.backend import OpenVino
from harness.core.config import at_least, class_of
from harness.core.errors import ConfigError, DataError, SkipJob
from harness.core.files import write_json, write_text
from harness.core.interfaces import (
    Array,
    Arrays,
    Backend,
    Context,
    Dataset,
    Image,
    Metrics,
    Sequence,
    Session,
    Task,
    TaskResult,
    Tracker,
    TrackerSpec,
)
from harness.imaging.decoding import decoder_name, read_image
from harness.tasks.benchmark_app import process as app
from harness.tasks.benchmark_app.task import properties, runtime
from harness.tasks.explain_gap import ladder as gap_ladder
from harness.tasks.explain_gap.ladder import AppRun, Round
from harness.tracking.loop import STAGES, Runner
from harness.tracking.recording import Recording, check_dataset, graph_of, random_input, record

LADDER_FILE = "gap.json"
TABLE_FILE = "gap.csv"
TURN = 5
"""Frames of a rung's turn: at tens of milliseconds each, a turn ends before a machine's speed has changed much."""


@dataclass
class ExplainGap(Task):
    """``task=explain_gap``. The fields are the keys of ``conf/task/explain_gap.yaml``, where each has its line."""

    rounds: int = 5
    frames: int = 30
    seconds: int = 3
    requests: int | None = None
    warmup: int = 2
    repeats: int = 1
    name: str = "explain_gap"

    def __post_init__(self) -> None:
        for key in ("frames", "seconds", "requests", "warmup", "repeats"):
            at_least(getattr(self, key), 1, f"task.{key}")
        at_least(self.rounds, 5, "task.rounds")

    def check(self, config: Mapping[str, Any], tracker: TrackerSpec, dataset: Dataset) -> None:
        if class_of(config["backend"], Backend, "backend").format != OpenVino.format:
            raise SkipJob(
                "task=explain_gap follows OpenVINO's benchmark_app into the tracker's own OpenVINO session; choose "
                "backend=openvino."
            )
        if str(config["device"]["name"]) != "cpu":
            raise SkipJob("task=explain_gap measures on device=cpu; other devices overlap what it takes apart.")
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
        with _no_collection():
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
        ladder: dict[str, Any] = {
            **asdict(found),
            "once_ms": once,
            "counted": counted,
            "sequence": bench.recording.sequence.name,
            "frames": bench.count,
            "requests": bench.requests,
            "hint": str(context.config["hint"]["name"]),
            "decoder": decoder_name(),
        }
        write_json(context.folder / LADDER_FILE, ladder)
        columns = ["key", "step", "ms", "fps", "step_ms", "spread"]
        write_text(context.folder / TABLE_FILE, pd.DataFrame(found.rows)[columns].to_csv(index=False))
        warnings = [] if found.conclusive else [found.verdict]
        details = {"ladder": ladder, "scoring": {"random_weights": context.tracker.random_weights}}
        files = [LADDER_FILE, TABLE_FILE]
        files += [
            str(path.relative_to(context.folder)) for path in sorted((context.folder / "benchmark_app").iterdir())
        ]
        return TaskResult(metrics, files, {}, details, warnings)


def _app_run(report: app.Report, seconds: int) -> AppRun:
    return AppRun(
        report.throughput,
        report.iterations,
        report.total_ms,
        seconds * 1e3,
        report.first_ms or 0.0,
        report.read_ms or 0.0,
        report.compile_ms or 0.0,
        report.min_ms,
        report.max_ms,
    )


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage collection inside a timed frame."""
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


# ------------------------------------------------------------------------------------------ measuring


class _Cut(Exception):
    """The network has run: leave the tracker's update."""


class CuttingSession:
    """A session that notes when its network has run and then leaves the update, so that only what came before is timed."""

    def __init__(self, session: Session) -> None:
        self._session, self.spec, self.end, self.cutting = session, session.spec, 0.0, False

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        outputs = self._session.run(inputs)
        if self.cutting:
            self.end = perf_counter()
            raise _Cut
        return outputs


@dataclass
class Bench:
    """All that the rungs need, made once: recorded frames and inputs, sessions, requests in each mode."""

    context: Context
    task: ExplainGap
    graph: str
    recording: Recording
    images: list[Image]
    sessions: Mapping[str, Session]
    single: Any
    many: Any
    requests: int
    random: Arrays
    app_settings: app.Settings
    first_ms: float
    cutting: CuttingSession
    tracker: Tracker

    @classmethod
    def prepare(cls, task: ExplainGap, context: Context) -> Bench:
        """Records the frames, compiles the network in both modes, and asks benchmark_app for its number of requests."""
        graph = graph_of(context.tracker, None)
        sessions = context.backend.open(context.artifact)
        sequence = choose(list(context.dataset), task.frames)
        count = min(task.frames, len(sequence) - 1)
        generator = np.random.default_rng(context.seed)
        spec = context.artifact.graphs[graph]
        random = {tensor.name: random_input(tensor, generator) for tensor in spec.inputs}
        begin = perf_counter()
        sessions[graph].run(random)
        first_ms = (perf_counter() - begin) * 1e3
        context.progress.say(f"recording {count} frames of {sequence.name}")
        recording = record(context.tracker, sessions, sequence, graph, count)
        images = [read_image(Path(path), context.tracker.color) for path in sequence.frames[1 : count + 1]]
        driver = runtime(context.config, context.threads)
        model = driver.core().read_model(str(context.artifact.files[graph]))
        chosen = properties(driver, None)
        one = driver.core().compile_model(model, "CPU", {**chosen, "PERFORMANCE_HINT": "LATENCY"})
        many, requests = _many(driver, model, chosen, task.requests)
        settings = app.Settings(
            model=context.artifact.files[graph],
            graph=spec,
            hint="throughput",
            api="async",
            requests=requests,
            properties={key: value for key, value in chosen.items() if key != "NUM_STREAMS"},
            seconds=task.seconds,
        )
        cutting = CuttingSession(sessions[graph])
        tracker = context.tracker.start({**sessions, graph: cutting})
        tracker.init(read_image(Path(sequence.frames[0]), context.tracker.color), sequence.init_box)
        bench = cls(
            context, task, graph, recording, images, sessions, one.create_infer_request(), many, requests, random,
            settings, first_ms, cutting, tracker,
        )  # fmt: skip
        for request in many:
            for name, value in random.items():
                request.get_tensor(name).data[:] = value
        return bench

    @property
    def count(self) -> int:
        """Updates in a round of each rung."""
        return len(self.recording.inputs)

    def once(self, runs: list[app.Report]) -> Metrics:
        """What happens once and is in no rung: reading, compiling, the first inference; milliseconds."""
        load = self.context.backend.load_times()
        return {
            "benchmark_app read": median([report.read_ms or 0.0 for report in runs]),
            "benchmark_app compile": median([report.compile_ms or 0.0 for report in runs]),
            "benchmark_app first inference": median([report.first_ms or 0.0 for report in runs]),
            "tracker read (all graphs)": load.get("read", 0.0) * 1e3,
            "tracker compile (all graphs, from its cache where it is there)": load.get("compile", 0.0) * 1e3,
            "tracker first inference": self.first_ms,
        }

    # ---------------------------------------------------------------------------------- one round

    def round(self, reverse: bool) -> tuple[Round, app.Report]:
        """Every rung over all frames, in turns. Returns the round and benchmark_app's report."""
        rungs: dict[str, Callable[[range], float]] = {
            "requests": self._many_requests,
            "one_request": lambda turn: self._single(turn, filling=None),
            "real_inputs": lambda turn: self._single(turn, filling=False),
            "filled": lambda turn: self._single(turn, filling=True),
            "session": self._session,
            "crop": lambda turn: self._update(turn, cut=True),
            "postprocess": lambda turn: self._update(turn, cut=False),
            "decode": lambda turn: self._update(turn, cut=False, decode=True),
        }
        loop = _Loop(self)
        report = None if reverse else self._app()
        spent = dict.fromkeys([*rungs, "pipeline"], 0.0)
        forth = list({**rungs, "pipeline": loop.turn}.items())
        for number, turn in enumerate(turns(self.count)):
            for key, measure in forth if (number + reverse) % 2 == 0 else reversed(forth):
                spent[key] += measure(turn)
        report = report or self._app()
        found = {key: seconds / self.count * 1e3 for key, seconds in spent.items()}
        pipeline = found.pop("pipeline")
        return Round({"benchmark_app": 1e3 / report.throughput, **found}, pipeline, loop.timers()), report

    def _app(self) -> app.Report:
        return app.run(self.app_settings, self.context.folder / "benchmark_app")

    # What follows measures one turn: seconds over the frames of ``turn``, after ``warmup`` runs that do not count.

    def _many_requests(self, turn: range) -> float:
        """Several requests in flight, filled once with random numbers, as benchmark_app has them."""
        for _ in range(max(self.requests, self.task.warmup)):
            self.many.start_async()
        self.many.wait_all()
        begin = perf_counter()
        for _ in range(self.requests * len(turn)):
            self.many.get_idle_request_id()
            self.many.start_async()
        self.many.wait_all()
        return (perf_counter() - begin) / self.requests

    def _single(self, turn: range, filling: bool | None) -> float:
        """One request: None: random inputs; False: real ones, filled outside the clock; True: filled inside it."""
        tensors = {name: self.single.get_tensor(name).data for name in self.random}

        def fill(index: int) -> None:
            arrays = self.random if filling is None else self.recording.inputs[index]
            for name, data in tensors.items():
                np.copyto(data, arrays[name])

        fill(turn[0])
        for _ in range(self.task.warmup):
            self.single.infer()
        spent = 0.0
        for index in turn:
            if filling is False:
                fill(index)
            begin = perf_counter()
            if filling:
                fill(index)
            self.single.infer()
            spent += perf_counter() - begin
        return spent

    def _session(self, turn: range) -> float:
        session, spent = self.sessions[self.graph], 0.0
        for _ in range(self.task.warmup):
            session.run(self.recording.inputs[turn[0]])
        for index in turn:
            arrays = self.recording.inputs[index]
            begin = perf_counter()
            session.run(arrays)
            spent += perf_counter() - begin
        return spent

    def _update(self, turn: range, cut: bool, decode: bool = False) -> float:
        """The tracker's update on every frame; ``cut``: up to the network's end; ``decode``: with reading the image."""
        tracker, boxes, color = self.tracker, self.recording.boxes, self.context.tracker.color
        self.cutting.cutting = False
        for _ in range(self.task.warmup):
            tracker.place(boxes[turn[0]])
            tracker.update(self.images[turn[0]])
        self.cutting.cutting = cut
        spent = 0.0
        for index in turn:
            path = Path(self.recording.sequence.frames[index + 1])
            tracker.place(boxes[index])
            begin = perf_counter()
            image = read_image(path, color) if decode else self.images[index]
            if cut:
                with contextlib.suppress(_Cut):
                    tracker.update(image)
                spent += self.cutting.end - begin
            else:
                tracker.update(image)
                spent += perf_counter() - begin
        return spent


class _Loop:
    """The loop that evaluations run, with its own stage timers, one turn at a time."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._runner = Runner(bench.context.tracker, bench.sessions)
        self._stages: dict[str, list[float]] = {stage: [] for stage in STAGES}

    def turn(self, turn: range) -> float:
        """Seconds by the wall clock over the frames of ``turn``, which follow the first frame and ``warmup`` others."""
        recording, before = self._bench.recording, self._bench.task.warmup
        updates = [turn[0]] * before + list(turn)
        frames = recording.sequence.frames
        stretch = replace(recording.sequence, frames=(frames[0], *(frames[index + 1] for index in updates)))
        boxes = recording.boxes[[*updates, updates[-1]]]
        marks: list[float] = []
        track = self._runner.track(stretch, feedback=boxes, on_frame=lambda seconds: marks.append(perf_counter()))
        for stage, kept in self._stages.items():
            kept.extend(track.stages[stage][before + 1 :])
        return marks[-1] - marks[before]

    def timers(self) -> dict[str, float]:
        """Milliseconds of each stage, means over all frames so far."""
        return {stage: float(np.mean(kept)) * 1e3 for stage, kept in self._stages.items()}


def turns(frames: int) -> list[range]:
    """``frames`` updates in turns of ``TURN``, the last one shorter where they do not divide."""
    return [range(start, min(start + TURN, frames)) for start in range(0, frames, TURN)]


def _many(driver: OpenVino, model: Any, chosen: Mapping[str, Any], wanted: int | None) -> tuple[Any, int]:
    """The network compiled for throughput with a queue of requests: as many as asked for, else as the device prefers."""
    import openvino as ov

    own = {key: value for key, value in chosen.items() if key != "NUM_STREAMS"}
    compiled = driver.core().compile_model(model, "CPU", {**own, "PERFORMANCE_HINT": "THROUGHPUT"})
    count = wanted or int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
    return ov.AsyncInferQueue(compiled, count), count


def choose(sequences: list[Sequence], frames: int) -> Sequence:
    """The first sequence with enough frames, else the longest. Raises DataError where none has two."""
    enough = next((item for item in sequences if len(item) > frames), None)
    found = enough or max(sequences, key=len)
    if len(found) < 2:
        raise DataError("task=explain_gap needs a sequence of two frames or more.")
    return found
