"""Lanes: each is one method of tracking in its own process, which waits until it is ordered to run a round.

All lanes live during the whole measurement, so that rounds can be interleaved, and none disturbs another's runtime.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any

Round = dict[str, float]


@dataclass(frozen=True)
class Lane:
    """``kind`` is a function of this module, called as ``kind(**options)``; it returns what runs one round."""

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)


class Running:
    """A lane's process."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self._pipe, other = get_context("spawn").Pipe()
        self.process = get_context("spawn").Process(target=_serve, args=(other, lane), daemon=False)
        self.process.start()
        other.close()

    def ready(self) -> Round:
        """Waits until the lane is loaded and warm; returns the result of its untimed round."""
        return dict(self._answer())

    def round(self) -> Round:
        """Runs one round and returns what it measured."""
        self._pipe.send("round")
        return dict(self._answer())

    def close(self) -> None:
        """Ends the process."""
        if self.process.is_alive():
            self._pipe.send("end")
        self.process.join(20)

    def _answer(self) -> Any:
        try:
            kind, value = self._pipe.recv()
        except EOFError as error:
            raise RuntimeError(f"lane {self.lane.name} died; its last words are above") from error
        if kind == "error":
            raise RuntimeError(f"lane {self.lane.name}: {value}")
        return value


def _serve(pipe: Any, lane: Lane) -> None:
    import traceback

    try:
        run = globals()[lane.kind](**lane.options)
        pipe.send(("ready", run()))  # untimed: warm caches, first inference
        while pipe.recv() == "round":
            pipe.send(("round", run()))
    except (EOFError, KeyboardInterrupt):
        return
    except Exception:
        pipe.send(("error", traceback.format_exc()))


# --------------------------------------------------------------------------------------------- kinds


def published(runtime: str, model: str, config: Mapping[str, Any], frames: int) -> Callable[[], Round]:
    """Runs the published method over the first sequence; the next crop follows the truth."""
    from benchmarks.published_way import PublishedTracker, network
    from harness.imaging.decoding import read_image
    from harness.jobs.experiment import build_experiment

    sequence = next(iter(build_experiment(config).dataset))
    assert sequence.truth is not None
    truth = sequence.truth
    run_network = network(runtime, Path(model))

    def run() -> Round:
        tracker = PublishedTracker(run_network)
        seconds = []
        for index in range(frames + 1):
            image = read_image(sequence.frames[index], "rgb")
            if index == 0:
                tracker.init(image, truth[0])
                continue
            tracker.box = list(truth[index - 1])
            begin = perf_counter()
            tracker.update(image)
            seconds.append(perf_counter() - begin)
        return {"fps": len(seconds) / sum(seconds), "p50_ms": _median(seconds) * 1e3}

    return run


def serial(config: Mapping[str, Any], frames: int) -> Callable[[], Round]:
    """Runs the harness, one sequence at a time: ``fps``, stages, and the time around the network (p50, ms)."""
    experiment, artifact = _opened(config)
    from harness.tracking.loop import Runner

    sequence = next(iter(experiment.dataset))
    sessions = {name: Bare(session) for name, session in experiment.backend.open(artifact).items()}
    feedback = sequence.truth if experiment.tracker.random_weights else None
    runner = Runner(experiment.tracker, sessions)

    def run() -> Round:
        for session in sessions.values():
            session.bare.clear()
        track = runner.track(sequence, feedback=feedback, limit=frames + 1)
        updates = track.seconds[1:]
        found = {"fps": len(updates) / updates.sum(), "p50_ms": _median(updates) * 1e3}
        found |= {f"{name}_ms": _median(values[1:]) * 1e3 for name, values in track.stages.items()}
        bare = [
            sum(times) for times in zip(*(sessions[name].bare for name in experiment.tracker.per_frame), strict=True)
        ]
        if bare:
            around = [seconds - own for seconds, own in zip(updates, bare, strict=True)]
            found["around_ms"] = _median(around) * 1e3
            found["call_ms"] = found["around_ms"] - found["preprocess_ms"] - found["postprocess_ms"]
        return found

    return run


def parallel(config: Mapping[str, Any], frames: int, sequences: int) -> Callable[[], Round]:
    """Runs the harness with several sequences in flight: updates per second of wall clock time, including decoding."""
    experiment, artifact = _opened(config)
    from harness.core.interfaces import Context
    from harness.machine.progress import Silent
    from harness.tracking.assignment import Assignment
    from harness.tracking.parallel import track_parallel

    chosen = [
        replace(
            item,
            frames=item.frames[: frames + 1],
            truth=None if item.truth is None else item.truth[: frames + 1],
            visible=None,
        )
        for item in list(experiment.dataset)[:sequences]
    ]
    folder = Path(tempfile.gettempdir())
    context = Context(
        experiment.config,
        artifact,
        experiment.backend,
        experiment.tracker,
        experiment.dataset,
        folder,
        experiment.threads,
        experiment.seed,
        Silent(),
    )
    truthful = experiment.tracker.random_weights
    threads = RunnableThreads()

    def run() -> Round:
        decode: list[float] = []
        inference: list[float] = []

        def ended(item: Any, done: Any) -> None:
            del item
            decode.extend(done.tracks[0].stages["decode"][1:])
            inference.extend(done.tracks[0].stages["inference"][1:])

        threads.start()
        assignment = Assignment(context, chosen, 1, lambda item: item.truth if truthful else None, ended, lambda: None)
        _, wall = track_parallel(assignment, None)
        found = {"pipeline_fps": frames * len(chosen) / wall, **threads.stop()}
        return found | {"decode_ms": _median(decode) * 1e3, "inference_ms": _median(inference) * 1e3}

    return run


class RunnableThreads:
    """Counts this process's runnable threads, a hundred times per second, in the first round only."""

    def __init__(self) -> None:
        self._samples: list[int] = []
        self._end = threading.Event()
        self._sampler: threading.Thread | None = threading.Thread(target=self._sample, daemon=True)

    def start(self) -> None:
        """Begins to count, unless this was done before."""
        if self._sampler is not None:
            self._sampler.start()

    def stop(self) -> Round:
        """``runnable_p50`` and ``runnable_p99``; empty in later rounds."""
        if self._sampler is None:
            return {}
        self._end.set()
        self._sampler.join()
        self._sampler = None
        ordered = sorted(self._samples) or [0]
        return {f"runnable_p{part}": float(ordered[(len(ordered) - 1) * part // 100]) for part in (50, 99)}

    def _sample(self) -> None:
        own = str(threading.get_native_id())
        while not self._end.wait(0.01):
            states = [_state(path) for path in Path("/proc/self/task").iterdir() if path.name != own]
            self._samples.append(states.count("R"))


def _state(task: Path) -> str:
    """Returns a thread's state from the kernel: R if it runs or waits for a core."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def app(config: Mapping[str, Any], seconds: int) -> Callable[[], Round]:
    """Measures benchmark_app's throughput on the harness's own graph, with its input types and threads."""
    experiment, artifact = _opened(config)
    from harness.tasks.benchmark_app import process

    graph = experiment.tracker.per_frame[-1]
    settings = process.Settings(
        artifact.files[graph],
        artifact.graphs[graph],
        hint="throughput",
        seconds=seconds,
        properties={"INFERENCE_NUM_THREADS": experiment.threads, "INFERENCE_PRECISION_HINT": "f32"},
    )
    folder = Path(tempfile.mkdtemp(prefix="benchmark_app-"))
    return lambda: {"throughput_fps": process.run(settings, folder).throughput}


def bare(config: Mapping[str, Any], frames: int, sequences: int) -> Callable[[], Round]:
    """The limit of the harness's parallel mode: a thread for each core that reads, decodes, crops by the truth and infers, and no more.

    The same model, images and threads; OpenVINO, simplejpeg and OpenCV called directly. Frames a second by the wall clock.
    """
    experiment, artifact = _opened(config)
    import openvino

    settings = {key: value for key, value in experiment.backend.settings().items() if key != "CACHE_DIR"}
    settings |= {"NUM_STREAMS": str(experiment.threads)}
    graph = experiment.tracker.per_frame[-1]
    compiled = openvino.Core().compile_model(str(artifact.files[graph]), "CPU", settings)
    chosen = [(item.frames[: frames + 1], item.truth[: frames + 1]) for item in list(experiment.dataset)[:sequences]]
    requests = [compiled.create_infer_request() for _ in range(experiment.threads)]
    name = next(port.any_name for port in compiled.inputs if port.get_element_type() == openvino.Type.u8)
    # taken here: two threads that ask an openvino 2026.4 process for its first array at once wait for each other for ever
    buffers = [(request.get_tensor(name).data[0], request.get_output_tensor(0).data) for request in requests]

    def run() -> Round:
        waiting = list(chosen)
        threads = [
            threading.Thread(target=_bare_sequences, args=(request, *own, waiting))
            for request, own in zip(requests, buffers, strict=True)
        ]
        begin = perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"pipeline_fps": frames * len(chosen) / (perf_counter() - begin)}

    return run


def _bare_sequences(request: Any, target: Any, score: Any, waiting: list[tuple[Any, Any]]) -> None:
    """Takes sequences from ``waiting`` until none is left."""
    import cv2
    import simplejpeg

    while waiting:
        try:
            paths, truth = waiting.pop()
        except IndexError:
            return
        for path, box in zip(paths, truth, strict=True):
            image = simplejpeg.decode_jpeg(Path(path).read_bytes(), "RGB", fastdct=False, fastupsample=False)
            side = 2 * int(2 * (max(1.0, box[2] * box[3])) ** 0.5)
            x, y = int(box[0] + box[2] / 2 - side / 2), int(box[1] + box[3] / 2 - side / 2)
            part = image[max(y, 0) : y + side, max(x, 0) : x + side]
            cv2.resize(part, target.shape[1::-1], dst=target)
            request.start_async()
            request.wait()
            score.argmax()


class Bare:
    """A session that records how long the runtime itself was busy, if it reports it (OpenVINO's ``latency``)."""

    def __init__(self, session: Any) -> None:
        self._session, self.spec, self.bare = session, session.spec, list[float]()
        self._request = getattr(session, "request", None)

    def run(self, inputs: Any) -> Any:
        outputs = self._session.run(inputs)
        if self._request is not None:
            self.bare.append(self._request.latency / 1e3)
        return outputs


def _opened(config: Mapping[str, Any]) -> tuple[Any, Any]:
    """Returns the experiment and its prepared artifact, with the thread limits of a job's process."""
    from harness.jobs.experiment import build_experiment
    from harness.machine.environment import keep_freed_memory, limit_threads

    experiment = build_experiment(config)
    os.environ.update(limit_threads({}, experiment.threads))
    keep_freed_memory()
    import cv2

    cv2.setNumThreads(1)
    artifact = experiment.prepared()
    if artifact is None:
        raise RuntimeError("the model is not prepared")
    return experiment, artifact


def _median(values: Any) -> float:
    from statistics import median

    return float(median(values)) if len(values) else float("nan")
