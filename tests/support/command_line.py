"""Runs ``python -m harness`` as a person does, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUPPORT = ROOT / "tests" / "support"
PATH = f"{ROOT}{os.pathsep}{SUPPORT}"
"""PYTHONPATH of a child process: the package, and the helpers (as ``standing_tracker``)."""


def harness(*words: object, cwd: Path, timeout: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
    """The finished process; output as text."""
    found = {**os.environ, "PYTHONPATH": PATH, **environment}
    command = [sys.executable, "-m", "harness", *map(str, words)]
    return subprocess.run(command, cwd=cwd, env=found, capture_output=True, text=True, timeout=timeout, check=False)
