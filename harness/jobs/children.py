"""A job's child processes: one prepares, one measures.

If a child dies, even by a segmentation fault, the job fails and keeps the last lines of the child's output.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import DataError, HarnessError, StoreError
from harness.core.files import read_record, read_regular, write_json
from harness.jobs.ahead import measuring_variables
from harness.jobs.beside import Beside
from harness.jobs.experiment import Experiment
from harness.jobs.worker import FAILURE_FILE, JOB_FILE, MEASURED, outcome_file
from harness.machine import children, environment

TAIL_LINES = 20
CRASH = "Fatal Python error"
"""How Python\'s report of a crash begins."""
ENDING_SECONDS = 3.0


class JobFailed(HarnessError):
    """A child process ended without an outcome."""

    def __init__(self, kind: str, message: str, tail: list[str], exit_code: int = 1) -> None:
        super().__init__(message)
        self.kind, self.tail, self.exit_code = kind, tail, exit_code


def check_log(path: Path) -> None:
    """Raises StoreError if something else than a file lies where a log is written: opening a pipe would wait for ever."""
    if path.exists() and not path.is_file():
        raise StoreError(f"{path} is not a regular file, and a log is written there; remove it, or choose another folder.")


def ensure_prepared(experiment: Experiment, folder: Path) -> None:
    """Prepares the model in a separate child process if it is not in the cache."""
    if experiment.prepared() is None:
        spawn(["prepare", str(folder)], folder)


def measure(folder: Path, round_: int, beside: Beside | None = None, following: Mapping[str, Any] | None = None) -> None:
    """Runs one round of a job's measurement in a child.

    Args:
        folder: The job's folder.
        round_: The round, from 1.
        beside: The processes beside this command, which must not run while the job is timed.
        following: The configuration of the job that is run next, if that is known.

    Raises:
        JobFailed: The child ended without an outcome.
    """
    (folder / outcome_file(round_)).unlink(missing_ok=True)
    watch = environment.LoadWatch()
    watch.start()
    if beside is not None:
        beside.hush()
    spawn(["measure", str(folder), str(round_)], folder, beside, following)
    path = folder / outcome_file(round_)
    if not path.is_file():
        raise JobFailed("NoOutcome", "the measuring process ended without an outcome.", tail_of(folder))
    outcome = read_record(path)
    outcome["details"]["other_load_cores"] = round(watch.stop(beside.uncounted() if beside is not None else 0.0), 3)
    write_json(path, outcome)


def spawn(arguments: list[str], folder: Path, beside: Beside | None = None, following: Mapping[str, Any] | None = None) -> None:
    """Runs ``harness.jobs.worker`` with ``arguments`` and relays its output; ``beside`` and ``following`` as in ``measure``.

    Raises JobFailed, KeyboardInterrupt.
    """
    (folder / FAILURE_FILE).unlink(missing_ok=True)
    job = read_record(folder / JOB_FILE)["config"]
    variables = measuring_variables(
        job,
        HARNESS_SPAWNED=repr(time.time()),
        HARNESS_PROGRESS=os.environ.get("HARNESS_PROGRESS") or ("bar" if sys.stderr.isatty() else "lines"),
    )
    command = children.module_words("harness.jobs.worker", *arguments)
    check_log(folder / "worker.log")
    with open(folder / "worker.log", "ab") as log:
        child = beside.take(job, arguments, variables) if beside is not None else None
        child = child or children.start(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            _relay(child, log, lambda: beside.wake(following) if beside is not None else None)
            code = child.wait()
        except BaseException:
            children.end(child, ENDING_SECONDS)
            raise
    if code:
        raise _failure(folder, code)


def _relay(child: subprocess.Popen[bytes], log: Any, measured: Callable[[], None]) -> None:
    """Copies the child's output until it ends; Ctrl-C interrupts it. Calls ``measured`` when the child says so."""
    if sys.platform != "win32":
        _copy(child, log, measured)
        return
    told = threading.Event()
    copying = threading.Thread(target=_copy, args=(child, log, told.set), daemon=True)  # a read cannot be interrupted there
    copying.start()
    while copying.is_alive():
        copying.join(0.2)
        if told.is_set():  # in this thread: a child ends with the thread that started it
            told.clear()
            measured()


def _copy(child: subprocess.Popen[bytes], log: Any, measured: Callable[[], None]) -> None:
    """Copies the child's output to the log, and all of it except tracebacks to the terminal."""
    assert child.stdout is not None
    verbose = bool(os.environ.get("HARNESS_VERBOSE"))
    hiding = False
    while chunk := os.read(child.stdout.fileno(), 65536):
        if MEASURED in chunk:
            chunk = chunk.replace(MEASURED, b"")
            measured()
        log.write(chunk)
        log.flush()
        text = chunk.decode("utf-8", "replace")
        hiding = hiding or text.startswith("Traceback") or "\nTraceback" in text
        if verbose or not hiding:
            sys.stderr.write(text)
            sys.stderr.flush()


def _failure(folder: Path, code: int) -> JobFailed:
    tail = tail_of(folder)
    if (folder / FAILURE_FILE).is_file():
        said = read_record(folder / FAILURE_FILE)
        return JobFailed(said["kind"], said["message"], tail, int(said["exit_code"]))
    if code < 0:
        name = signal.Signals(-code).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return JobFailed(
            "Crash", f"the process was ended by {name}{hint}; its last lines are in {folder}/worker.log.", tail
        )
    return JobFailed("Crash", f"the process ended with exit code {code}; see {folder}/worker.log.", tail)


def tail_of(folder: Path) -> list[str]:
    """Returns the last lines that the child printed, without progress bars.

    If it crashed, returns its last output before the crash and the innermost calls: Python's own report is long.
    """
    try:
        text = read_regular(folder / "worker.log").decode("utf-8", "replace")
    except DataError:
        return []
    lines = [line for item in text.splitlines() if (line := item.rsplit("\r", 1)[-1].rstrip())]
    crash = max((number for number, line in enumerate(lines) if line.startswith(CRASH)), default=None)
    if crash is not None:
        half = TAIL_LINES // 2
        lines = lines[max(0, crash - half) : crash + half]
    return lines[-TAIL_LINES:]
