"""The child process of ``track``: opens the prepared model and follows a target. Imports neither hydra nor mlflow.

``python -m harness.jobs.live FOLDER`` reads ``FOLDER/job.json``. It ends when the source ends, when the user quits, or
when its standard input is closed; its parent asks it to end in this way, on every system. JSON lines go to standard
output, the rest to standard error.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from harness.core import secrets
from harness.core.errors import HarnessError, exit_code_of, in_words
from harness.core.files import read_record, write_json
from harness.core.interfaces import Artifact
from harness.jobs.experiment import Experiment, build_experiment
from harness.jobs.worker import FAILURE_FILE, JOB_FILE
from harness.machine.environment import keep_freed_memory
from harness.tracking.camera.follow import Follower
from harness.tracking.camera.sinks import Film, JsonLines, Recording, Sink
from harness.tracking.camera.sources import source_of
from harness.tracking.camera.window import Window
from harness.tracking.loop import Runner


@dataclass(frozen=True)
class Request:
    """A request to ``track``.

    Attributes:
        source: A file, a folder of images, a camera's number or a stream's address (without its password).
        box: ``[x, y, w, h]`` in the first frame; None means that the user draws it with the mouse.
        window: Whether frames are shown.
        out: The video to write, or None.
        json: Whether boxes go to standard output.
        record: The folder of the data set to write, or None.
        every_frame: Whether every frame of a live source is wanted.
        frames: The number of frames after which it ends; None for no limit.
        timeout: Seconds without a frame after which a live source counts as stalled.
    """

    source: str
    box: tuple[float, ...] | None = None
    window: bool = False
    out: str | None = None
    json: bool = False
    record: str | None = None
    every_frame: bool = False
    frames: int | None = None
    timeout: float = 10.0


def main(arguments: list[str]) -> int:
    """Follows the target as ``job.json`` requests; returns the exit code."""
    faulthandler.enable()
    keep_freed_memory()
    folder = Path(arguments[0])
    try:
        record = read_record(folder / JOB_FILE)
        experiment = build_experiment(record["config"])
        artifact = experiment.prepared()
        if artifact is None:
            raise HarnessError("the prepared model is no longer in the cache; run the command again.")
        wanted = dict(record["track"])
        box = wanted.pop("box")
        request = Request(box=None if box is None else tuple(box), **wanted)
        stop = threading.Event()
        threading.Thread(target=_until_told, args=(stop,), daemon=True).start()
        follow(experiment, artifact, request, stop)
        return 0
    except HarnessError as error:
        return _fail(folder, type(error).__name__, str(error), exit_code_of(error))
    except OSError as error:
        return _fail(folder, "OSError", in_words(error), 1)
    except Exception as error:
        return _fail(folder, type(error).__name__, f"{type(error).__name__}: {error}", 1)


def _until_told(stop: threading.Event) -> None:
    """Sets ``stop`` when standard input ends."""
    try:
        while os.read(0, 4096):  # unbuffered: at exit Python would wait for the lock of sys.stdin
            pass
    finally:
        stop.set()


def _fail(folder: Path, kind: str, message: str, code: int) -> int:
    if os.environ.get("HARNESS_VERBOSE"):
        print(secrets.masked(traceback.format_exc()), end="", file=sys.stderr)
    write_json(folder / FAILURE_FILE, {"kind": kind, "message": secrets.masked(message), "exit_code": code})
    return code


def follow(experiment: Experiment, artifact: Artifact, request: Request, stop: threading.Event) -> Follower:
    """Opens everything, follows the target, closes everything and prints a summary.

    Args:
        experiment: The job's parts.
        artifact: The prepared model.
        request: The source, the box and the outputs.
        stop: Set from outside to end.

    Returns:
        The follower, with what it measured.

    Raises:
        HarnessError: The source, the tracker or a file failed; what was there until then is written.
    """
    cv2.setNumThreads(1)  # crops are small: passing them to threads costs more than it saves
    color = experiment.tracker.color
    source = source_of(request.source, color, every_frame=request.every_frame, timeout=request.timeout)
    box = None if request.box is None else np.asarray(request.box, float)
    with ExitStack() as closing:
        closing.callback(experiment.backend.close)
        runner = Runner(experiment.tracker, experiment.backend.open(artifact))
        screen = None
        if request.window or box is None:
            screen = Window(f"tracker: {source.title}")
            closing.callback(screen.close)
        sinks = _sinks(experiment, request, lambda: source.fps)
        closing.callback(source.close)
        source.start()
        follower = Follower(runner, source, sinks, box, screen, request.window, request.frames, stop)
        why = "the source failed"
        try:
            why = follower.run()
        finally:
            told = [sink.close() for sink in sinks]
            if follower.meter.frames:
                _say(f"{summary(follower)}; {why}.")
            for line in filter(None, told):
                _say(f"written: {line}")
    return follower


def _sinks(experiment: Experiment, request: Request, fps: Callable[[], float]) -> list[Sink]:
    found: list[Sink] = []
    if request.json:
        found.append(JsonLines(sys.stdout))
    if request.out is not None:
        found.append(Film(Path(request.out), fps))
    if request.record is not None:
        names = f"{experiment.tracker.name} on {experiment.backend.name}"
        found.append(Recording(Path(request.record), f"made by {names}, not by a person"))
    return found


def summary(follower: Follower) -> str:
    """Returns a sentence about the speed and its variation."""
    meter: Any = follower.meter
    ms = meter.percentile_ms
    return (
        f"{meter.frames} frames of {follower.source.title}, {follower.source.dropped} dropped; update {ms('update', 50):.2f} ms (p50), "
        f"{ms('update', 99):.2f} ms (p99); the harness's own share {ms('own', 50):.2f} ms (p50), {ms('own', 99):.2f} ms (p99)"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader has gone: Python would print an error at exit
    sys.exit(code)
