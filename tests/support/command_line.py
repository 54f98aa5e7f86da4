"""Runs the command line, in this process or as a person does with ``python -m harness``, in a folder of its own."""

from __future__ import annotations

import base64
import contextlib
import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
SUPPORT = ROOT / "tests" / "support"
PATH = f"{ROOT}{os.pathsep}{SUPPORT}"
"""PYTHONPATH of a child process: the package, and the helpers (as ``standing_tracker``)."""
UNDRAWN = "HARNESS_TESTS_UNDRAWN"
"""The variable by which a command that draws nothing tells its children so."""

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"></svg>'
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==")


def process(*words: object, cwd: Path, timeout: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
    """``python -m harness WORDS`` in a process of its own, finished; output as text.

    For tests whose subject is the process itself. Others take ``harness``, which costs no imports.
    """
    found = {**os.environ, "PYTHONPATH": PATH, **environment}
    command = [sys.executable, "-m", "harness", *brief(words)]
    return subprocess.run(command, cwd=cwd, env=found, capture_output=True, text=True, timeout=timeout, check=False)


def brief(words: Iterable[object]) -> list[str]:
    """The words, with the measurement in turns at a sweep's end left out unless they speak of it: its tests ask for it."""
    found = [str(word) for word in words]
    sweeps = "-m" in found or any(word.startswith("experiment=") for word in found)
    return [*found, "turns.seconds=0"] if sweeps and not any(word.startswith("turns.") for word in found) else found


def harness(
    *words: object, cwd: Path, timeout: float = 300, pictures: bool = False, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command line in this process: exit code and output are those of ``process``.

    A job still prepares and measures in child processes. The parent's folder, environment, import path and loggers are put
    back afterwards, and modules that came from outside the repository are forgotten. ``timeout`` is taken, and ignored.
    Nothing is drawn unless ``pictures`` is set: that is most of what a small job costs here.
    """
    del timeout
    from harness.cli.main import main

    command = brief(words)
    out, err = io.StringIO(), io.StringIO()
    with (
        _as_started_in(cwd, {"PYTHONPATH": PATH, **environment}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        contextlib.nullcontext() if pictures else undrawn(),
    ):
        try:
            code = main(command)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def undrawn() -> Iterator[None]:
    """Inside of it runs and comparisons have no pictures of their own."""
    from harness.report import plots, render

    with (
        mock.patch.object(plots, "job_plots", return_value=[]),
        mock.patch.object(plots, "comparison_pictures", return_value=[]),
        mock.patch.object(render, "job_sheets", return_value=[]),
    ):
        yield


@contextlib.contextmanager
def blank() -> Iterator[None]:
    """Inside of it pictures are composed as ever, and their files hold a single pixel."""
    from harness.present import picture
    from harness.report import page

    with mock.patch.object(picture, "png", return_value=PNG), mock.patch.object(page, "svg", return_value=SVG):
        yield


def with_cache(folder: Path, prepared: Path) -> Path:
    """``folder``, whose ``outputs/cache`` is now ``prepared``: jobs that run there find models that others have prepared."""
    (folder / "outputs").mkdir(parents=True, exist_ok=True)
    (folder / "outputs/cache").symlink_to(prepared)
    return folder


@contextlib.contextmanager
def _as_started_in(folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Folder, variables and import path as ``python -m`` would find them; put back at the end."""
    before, variables, path, modules = Path.cwd(), dict(os.environ), list(sys.path), set(sys.modules)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    os.chdir(folder)
    os.environ.update(environment)
    added = [str(folder), *environment["PYTHONPATH"].split(os.pathsep)]
    sys.path[:0] = [place for place in added if place not in path]
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(variables)
        sys.path[:] = path
        for handler in set(root.handlers) - set(handlers):
            handler.close()
        root.handlers[:], root.level = handlers, level
        foreign = [Path(place).resolve() for place in added if not Path(place).resolve().is_relative_to(ROOT)]
        for name in set(sys.modules) - modules:
            file = getattr(sys.modules[name], "__file__", None)
            if file and any(Path(file).resolve().is_relative_to(place) for place in foreign):
                del sys.modules[name]
