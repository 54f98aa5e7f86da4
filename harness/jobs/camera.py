"""The parent's side of ``track``: composes, prepares the model, and keeps the child that follows the target."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError, HarnessError
from harness.core.files import read_record, write_json
from harness.jobs import compose
from harness.jobs.children import JobFailed, ensure_prepared
from harness.jobs.experiment import build_experiment
from harness.jobs.live import Request
from harness.jobs.worker import FAILURE_FILE, JOB_FILE
from harness.machine import children
from harness.tracking.camera.sources import kind_of
from harness.tracking.camera.window import window_fault

PATIENCE_S = 15.0
"""Seconds that the child gets to write its files when it is asked to end."""
POLL_S = 0.5
"""Seconds between checks for Ctrl-C: on Windows a wait without a timeout cannot be interrupted."""
QUIET = {"OPENCV_LOG_LEVEL": "OFF", "OPENCV_FFMPEG_LOGLEVEL": "-8", "OPENCV_VIDEOIO_DEBUG": "0"}
"""Silences OpenCV and FFmpeg: their messages may contain the address with its password; the harness prints its own."""


def track(request: Request, overrides: Sequence[str] = (), config_dir: str | None = None) -> int:
    """Follows a target in a file, a folder of images, a camera or a stream.

    Args:
        request: The source, the box and the outputs.
        overrides: As for a job: ``["tracker=nanotrack", "backend=onnx"]``.
        config_dir: A further folder of YAML groups.

    Returns:
        The exit code: 0; 130 if it was ended by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP (a closed terminal); everything up to then is
        written.

    Raises:
        HarnessError: The call is wrong, or the source, the tracker or a file failed.
    """
    check(request)
    config = compose.make_plan(list(overrides), False, config_dir, list(overrides)).jobs[0][1]
    experiment = build_experiment(config)
    with tempfile.TemporaryDirectory(prefix="harness-track-") as name:
        folder = Path(name)
        write_json(folder / JOB_FILE, {"config": config, "chdir": None, "track": asdict(request)})
        ensure_prepared(experiment, folder)
        return _kept(folder, experiment.threads)


def check(request: Request) -> None:
    """Checks what can be checked before the model is prepared, which takes minutes. Raises ConfigError, DataError."""
    kind_of(request.source)
    if request.out is not None and Path(request.out).suffix.lower() != ".mp4":
        raise ConfigError(f"--out {request.out} is no MP4 file; give a name that ends in .mp4.")
    if request.record is not None:
        folder = Path(request.record)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError(f"--record {folder} is not empty; give a new folder.")
    if request.window or request.box is None:
        fault = window_fault()
        if fault:
            raise ConfigError(f"{fault}; give the box by --box x,y,w,h and take the result by --out FILE.mp4, --json or --record DIR.")


def _kept(folder: Path, threads: int) -> int:
    """Runs the child until it ends; on Ctrl-C, SIGTERM or SIGHUP lets it write its files."""
    variables = children.variables(threads, **{key: os.environ.get(key, value) for key, value in QUIET.items()})
    child = children.start(children.module_words("harness.jobs.live", str(folder)), env=variables, stdin=subprocess.PIPE)
    interrupted = 0
    try:
        with _signals_interrupt():
            while True:
                try:
                    code = child.wait(POLL_S)
                    break
                except subprocess.TimeoutExpired:
                    continue
                except KeyboardInterrupt as asked:
                    if interrupted:  # second Ctrl-C: end it at once
                        raise
                    interrupted = 128 + int(asked.args[0] if asked.args else signal.SIGINT)
                    _ask_to_end(child)
    finally:
        _ask_to_end(child)
        children.end(child, PATIENCE_S if not interrupted else 1.0)
    if (folder / FAILURE_FILE).is_file():
        said = read_record(folder / FAILURE_FILE)
        raise JobFailed(said["kind"], said["message"], [], int(said["exit_code"]))
    if interrupted:
        return interrupted
    if code:
        raise HarnessError(f"the tracking process ended with exit code {code}; run it with -v for more.")
    return 0


@contextlib.contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP raise KeyboardInterrupt with their number; a signal that is ignored (nohup) stays ignored."""
    handlers: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                handlers[number] = signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, before in handlers.items():
            signal.signal(number, before)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt(number)


def _ask_to_end(child: subprocess.Popen[bytes]) -> None:
    if child.stdin is not None:
        with contextlib.suppress(OSError):
            child.stdin.close()
