"""Where the frames go between benchmark_app's throughput and the tracker's own speed, measured step by step.

All rungs are measured in one process on the same frames, in rounds of alternating order, so that the machine's drift hits
all alike; benchmark_app itself runs as a child once a round, while this process waits.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import cv2
import numpy as np
import pandas as pd

from harness.backends.openvino import OpenVino
from harness.config import at_least
from harness.decoding import decoder_name, read_image
from harness.errors import ConfigError, DataError, SkipJob
from harness.interfaces import (
    Array,
    Arrays,
    Context,
    Dataset,
    Image,
    Metrics,
    Sequence,
    Session,
    Task,
    TaskResult,
    TrackerSpec,
)
from harness.results import write_json, write_text
from harness.tasks import benchmark_process as app, gap_ladder
from harness.tasks.benchmark_app import properties, runtime
from harness.tasks.gap_ladder import AppRun, Round
from harness.tasks.recording import Recording, check_dataset, graph_of, random_input, record
from harness.tracking import STAGES, Runner

LADDER_FILE = "gap.json"
TABLE_FILE = "gap.csv"


@dataclass
class ExplainGap(Task):
    """``task=explain_gap``. The fields are the keys of ``conf/task/explain_gap.yaml``, where each has its line."""

    rounds: int = 5
    frames: int = 30
    seconds: int = 3
    requests: int | None = None
    warmup: int = 3
    repeats: int = 1
    name: str = "explain_gap"

    def __post_init__(self) -> None:
        for key in ("frames", "seconds", "requests", "warmup", "repeats"):
            at_least(getattr(self, key), 1, f"task.{key}")
        at_least(self.rounds, 5, "task.rounds")

    def check(self, config: Mapping[str, Any], tracker: TrackerSpec, dataset: Dataset) -> None:
        if not str(config["backend"].get("target", "")).endswith(".OpenVino"):
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
        bench = cls(
            context, task, graph, recording, images, sessions, one.create_infer_request(), many, requests, random,
            settings, first_ms,
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
        """Every rung once, from the top or from the bottom. Returns the round and benchmark_app's report."""
        rungs: dict[str, float] = {}
        loop: dict[str, Any] = {}
        measures: list[tuple[str, Callable[[], Any]]] = [
            ("benchmark_app", self._app),
            ("requests", self._many_requests),
            ("one_request", lambda: self._single(filling=None)),
            ("real_inputs", lambda: self._single(filling=False)),
            ("filled", lambda: self._single(filling=True)),
            ("session", self._session),
            ("crop", lambda: self._update(cut=True)),
            ("postprocess", lambda: self._update(cut=False)),
            ("decode", lambda: self._update(cut=False, decode=True)),
            ("pipeline", self._pipeline),
        ]
        for key, measure in reversed(measures) if reverse else measures:
            loop[key] = measure()
        report: app.Report = loop.pop("benchmark_app")
        pipeline, timers = loop.pop("pipeline")
        rungs = {
            "benchmark_app": 1e3 / report.throughput,
            **{key: loop[key] for key in gap_ladder.RUNGS if key in loop},
        }
        return Round(rungs, pipeline, timers), report

    def _app(self) -> app.Report:
        return app.run(self.app_settings, self.context.folder / "benchmark_app")

    def _many_requests(self) -> float:
        """Several requests in flight, filled once with random numbers, as benchmark_app has them."""
        for _ in range(self.requests):
            self.many.start_async()
        self.many.wait_all()
        inferences = self.requests * self.count
        begin = perf_counter()
        for _ in range(inferences):
            self.many.get_idle_request_id()
            self.many.start_async()
        self.many.wait_all()
        return (perf_counter() - begin) / inferences * 1e3

    def _single(self, filling: bool | None) -> float:
        """One request: None: random inputs; False: real ones, filled outside the clock; True: filled inside it."""
        tensors = {name: self.single.get_tensor(name).data for name in self.random}
        inputs = [self.random] * self.count if filling is None else self.recording.inputs

        def fill(arrays: Arrays) -> None:
            for name, data in tensors.items():
                np.copyto(data, arrays[name])

        fill(inputs[0])
        for _ in range(self.task.warmup):
            self.single.infer()
        spent = 0.0
        for arrays in inputs:
            if filling is False:
                fill(arrays)
            begin = perf_counter()
            if filling:
                fill(arrays)
            self.single.infer()
            spent += perf_counter() - begin
        return spent / len(inputs) * 1e3

    def _session(self) -> float:
        session, spent = self.sessions[self.graph], 0.0
        for _ in range(self.task.warmup):
            session.run(self.recording.inputs[0])
        for arrays in self.recording.inputs:
            begin = perf_counter()
            session.run(arrays)
            spent += perf_counter() - begin
        return spent / self.count * 1e3

    def _update(self, cut: bool, decode: bool = False) -> float:
        """The tracker's update on every frame; ``cut``: up to the network's end; ``decode``: with reading the image."""
        session = CuttingSession(self.sessions[self.graph])
        tracker = self.context.tracker.start({**self.sessions, self.graph: session})
        boxes, color = self.recording.boxes, self.context.tracker.color
        paths = [Path(path) for path in self.recording.sequence.frames[1 : self.count + 1]]
        tracker.init(read_image(Path(self.recording.sequence.frames[0]), color), self.recording.sequence.init_box)
        for _ in range(self.task.warmup):
            tracker.place(boxes[0])
            tracker.update(self.images[0])
        session.cutting = cut
        spent = 0.0
        for index in range(self.count):
            tracker.place(boxes[index])
            begin = perf_counter()
            image = read_image(paths[index], color) if decode else self.images[index]
            if cut:
                with contextlib.suppress(_Cut):
                    tracker.update(image)
                spent += session.end - begin
            else:
                tracker.update(image)
                spent += perf_counter() - begin
        return spent / self.count * 1e3

    def _pipeline(self) -> tuple[float, dict[str, float]]:
        """The loop that evaluations run, with its own stage timers: (ms a frame by the wall clock, ms of each stage)."""
        runner = Runner(self.context.tracker, self.sessions)
        marks: list[float] = []
        track = runner.track(
            self.recording.sequence,
            feedback=self.recording.boxes,
            on_frame=lambda seconds: marks.append(perf_counter()),
            limit=self.count + 1,
        )
        wall = (marks[-1] - marks[0]) / self.count * 1e3
        return wall, {stage: float(np.mean(track.stages[stage][1:])) * 1e3 for stage in STAGES}


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
