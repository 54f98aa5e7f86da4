"""Starts the trackers in ``tests/support/foreign`` as the harness starts anybody's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from harness.backends.native import Native as Backend
from harness.backends.native.backend import NativeSession
from harness.core.interfaces import Artifact
from harness.machine.progress import Silent
from harness.prepare.plan import Settings, plan
from harness.prepare.steps import realise
from harness.trackers.native import Native

FOREIGN = Path(__file__).resolve().parent / "foreign"
REPO = FOREIGN / "repo"
PROGRAM = FOREIGN / "trax_program.py"


def native(factory: str | None, **settings: Any) -> Native:
    """A tracker of ``tests/support/foreign``."""
    if "command" not in settings:
        settings = {"path": [str(FOREIGN)], **settings}
    return Native(factory=factory, **settings)


def artifact_of(spec: Native, cache: Path) -> Artifact:
    """The prepared recipe."""
    return realise(plan(spec, Backend(), Settings(), 0), cache, Silent(), 1)


def session_of(spec: Native, cache: Path, threads: int = 1) -> tuple[Backend, NativeSession]:
    """The backend and the one session of a tracker that has been started."""
    backend = Backend(threads=threads)
    session = backend.open(artifact_of(spec, cache))["tracker"]
    assert isinstance(session, NativeSession)
    return backend, session


def frame(height: int = 40, width: int = 60, rgb: tuple[int, int, int] = (10, 20, 30)) -> np.ndarray:
    """A frame of one colour."""
    return np.full((height, width, 3), rgb, np.uint8)


def python_with_numpy_alone(folder: Path) -> Path:
    """The interpreter of a virtual environment that has NumPy and nothing else, not even the harness."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    numpy = Path(np.__file__).parent
    (packages / "numpy").symlink_to(numpy)
    libraries = numpy.parent / "numpy.libs"
    if libraries.is_dir():
        (packages / "numpy.libs").symlink_to(libraries)
    return folder / "bin" / "python"


def copy_of_repo(folder: Path) -> Path:
    """A copy of the repository, for tests that change it."""
    return Path(shutil.copytree(REPO, folder / "repo", ignore=shutil.ignore_patterns("__pycache__")))
