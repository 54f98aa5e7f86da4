"""The rungs of the ladder, each measured on the same recorded frames in the same process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from harness.backends.openvino.backend import OpenVino
from harness.core.errors import DataError
from harness.core.interfaces import (
    Array,
    Arrays,
    Context,
    Image,
    Metrics,
    Sequence,
    Session,
    Tracker,
)
from harness.core.results import STAGES
from harness.imaging.decoding import read_image
from harness.tasks.benchmark_app import process as app
from harness.tasks.benchmark_app.task import properties, runtime
from harness.tasks.explain_gap.ladder import Round
from harness.tracking.loop import Runner
from harness.tracking.recording import Recording, graph_of, random_input, record

TURN = 5
"""Frames of a turn; at tens of milliseconds each, a turn ends before the machine's speed has changed much."""


class Bounds(Protocol):
    """The task's settings of a round: frames, seconds of benchmark_app, requests, warm-up runs."""

    frames: int
    seconds: int
    requests: int | None
    warmup: int


class Cut(Exception):
    """Raised after the network has run, to leave the tracker's update."""


class CuttingSession:
    """A session that leaves the tracker's update after its network has run, so that only this part is timed."""

    def __init__(self, session: Session) -> None:
        self._session, self.spec, self.end, self.cutting = session, session.spec, 0.0, False

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        outputs = self._session.run(inputs)
        if self.cutting:
            self.end = perf_counter()
            raise Cut
        return outputs


@dataclass
class Bench:
    """Everything that the rungs need, made once: recorded frames and inputs, sessions, requests in each mode."""

    context: Context
    task: Bounds
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
    def prepare(cls, task: Bounds, context: Context) -> Bench:
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
        """The number of updates of each rung in a round."""
        return len(self.recording.inputs)

    def once(self, runs: list[app.Report]) -> Metrics:
        """Returns milliseconds of one-time steps that are in no rung: reading, compiling, the first inference."""
        load = self.context.backend.load_times()
        return {
            "benchmark_app read": median([report.read_ms or 0.0 for report in runs]),
            "benchmark_app compile": median([report.compile_ms or 0.0 for report in runs]),
            "benchmark_app first inference": median([report.first_ms or 0.0 for report in runs]),
            "tracker read (all graphs)": load.get("read", 0.0) * 1e3,
            "tracker compile (all graphs, from its cache if it is there)": load.get("compile", 0.0) * 1e3,
            "tracker first inference": self.first_ms,
        }

    # ---------------------------------------------------------------------------------- one round

    def round(self, reverse: bool) -> tuple[Round, app.Report]:
        """Runs every rung over all frames, in turns. Returns the round and benchmark_app's report."""
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
        loop = Loop(self)
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

    # The following methods measure one turn: seconds over the frames of ``turn``, after ``warmup`` uncounted runs.

    def _many_requests(self, turn: range) -> float:
        """Runs several infer requests, filled once with random numbers, as benchmark_app does."""
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
        """Runs one infer request; ``filling``: None: random inputs; False: real ones, filled untimed.

        True: filled timed.
        """
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
        """Runs the tracker's update on every frame; ``cut``: up to the network's end.

        ``decode``: includes reading the image.
        """
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
                with contextlib.suppress(Cut):
                    tracker.update(image)
                spent += self.cutting.end - begin
            else:
                tracker.update(image)
                spent += perf_counter() - begin
        return spent


class Loop:
    """The tracking loop of evaluations with its stage timers, one turn at a time."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._runner = Runner(bench.context.tracker, bench.sessions)
        self._stages: dict[str, list[float]] = {stage: [] for stage in STAGES}

    def turn(self, turn: range) -> float:
        """Returns wall clock seconds over the frames of ``turn``, after the first frame and ``warmup`` others."""
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
        """Returns mean milliseconds of each stage over all frames so far."""
        return {stage: float(np.mean(kept)) * 1e3 for stage, kept in self._stages.items()}


def turns(frames: int) -> list[range]:
    """Splits ``frames`` updates into turns of ``TURN``; the last one may be shorter."""
    return [range(start, min(start + TURN, frames)) for start in range(0, frames, TURN)]


def _many(driver: OpenVino, model: Any, chosen: Mapping[str, Any], wanted: int | None) -> tuple[Any, int]:
    """Compiles the network for throughput with a queue of ``wanted`` infer requests, by default the device's number."""
    import openvino as ov

    own = {key: value for key, value in chosen.items() if key != "NUM_STREAMS"}
    compiled = driver.core().compile_model(model, "CPU", {**own, "PERFORMANCE_HINT": "THROUGHPUT"})
    count = wanted or int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
    return ov.AsyncInferQueue(compiled, count), count


def choose(sequences: list[Sequence], frames: int) -> Sequence:
    """Returns the first sequence with enough frames, else the longest. Raises DataError if none has two frames."""
    enough = next((item for item in sequences if len(item) > frames), None)
    found = enough or max(sequences, key=len)
    if len(found) < 2:
        raise DataError("task=explain_gap needs a sequence of two frames or more.")
    return found
