"""The folder of a run or sweep: one command at a time, never used twice by accident, one identity for one configuration."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from harness.core.errors import ConfigError, DataError, StoreError
from harness.core.results import RESULTS_FILE, SWEEP_FILE, Results, read_sweep
from harness.jobs.resume import COMMAND_FILE, quoted
from harness.jobs.worker import JOB_FILE

LOCK_FILE = ".run.lock"
KEPT = ("sequences", "tracks", "worker.log", COMMAND_FILE, SWEEP_FILE, LOCK_FILE)
"""Kept by a run with other settings: finished sequences are reused only if everything they depend on is the same."""


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Locks a folder while this command runs in it. Raises ConfigError if another command holds it."""
    try:
        with FileLock(folder / LOCK_FILE, timeout=0):
            yield
    except Timeout as error:
        raise ConfigError(
            f"another command is running in {folder}; wait for its end, or choose another folder by hydra.run.dir or hydra.sweep.dir."
        ) from error
    except OSError as error:
        if error.filename and Path(str(error.filename)).name == LOCK_FILE:
            raise StoreError(f"{folder} cannot be written ({error.strerror}); choose another folder.") from error
        raise


def check_unused(folder: Path) -> None:
    """Raises ConfigError if ``folder`` already holds a run or sweep, whose results must not be overwritten."""
    found = content_of(folder)
    if found:
        raise ConfigError(
            f"{folder} holds {found}, which is not overwritten; choose another folder by hydra.run.dir or hydra.sweep.dir, or do "
            f"what is missing there by resume={quoted(folder)}."
        )


def content_of(folder: Path) -> str:
    """Describes the content of a folder; empty if it holds no run or sweep."""
    with contextlib.suppress(DataError, TypeError, AttributeError):
        if (folder / SWEEP_FILE).is_file():
            return f"a sweep of {read_sweep(folder).get('count', 0)} jobs"
        if (folder / RESULTS_FILE).is_file():
            results = Results.load(folder)
            return f"a run that {'finished' if results.status == 'ok' else results.status} ({results.name}, {results.ended[:16]})"
    if any((folder / name).exists() for name in (RESULTS_FILE, SWEEP_FILE)):
        return "a run whose files are damaged"
    if any((folder / name).is_file() for name in (JOB_FILE, COMMAND_FILE)):
        return "a run that did not end"
    return ""


def start_over(folder: Path) -> None:
    """Clears a run's folder for other settings or data: it gets a new identity, and all old results are removed."""
    for path in folder.iterdir():
        if path.name in KEPT or path.name.startswith(".hydra"):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
