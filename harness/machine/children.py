"""Starts all child processes. Each child and its descendants end with this process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import psutil

from harness.core.config import python_path
from harness.machine.environment import limit_threads
from harness.machine.tied import PATIENCE_SECONDS, end_tree

TIED = "harness.machine.tied"
OWN_GROUP = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
"""The Windows flag for a separate process group; 0 elsewhere."""


def module_words(name: str, *arguments: str) -> list[str]:
    """Returns the command that runs a Python module in a process that ends with this one."""
    return [sys.executable, "-m", TIED, str(os.getpid()), "module", name, *arguments]


def command_words(words: Sequence[str]) -> list[str]:
    """Returns the command that runs a program, and ends it with all its children when this process has ended."""
    return [sys.executable, "-m", TIED, str(os.getpid()), "command", *words]


def variables(threads: int, **more: str) -> dict[str, str]:
    """Returns a measuring child's environment: this process's, its import path, and ``threads`` for every library."""
    own = limit_threads(dict(os.environ), threads)
    return {**own, "PYTHONPATH": python_path(), "PYTHONFAULTHANDLER": "1", **more}


def start(words: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Starts a child in its own session, so that Ctrl-C reaches only this process, which then ends the child.

    The calling thread must live as long as the child, because Linux ties a child to the thread that started it.

    Args:
        words: From ``module_words`` or ``command_words``.
        options: Passed on to ``subprocess.Popen``; ``stdin`` is closed if not given.

    Returns:
        The running child; end it with ``end``.
    """
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen(list(words), start_new_session=True, creationflags=OWN_GROUP, **options)


def cpu_seconds(pid: int) -> float:
    """Returns the processor seconds that a process has used; 0 if there is none."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def end(child: subprocess.Popen[Any], patience: float = PATIENCE_SECONDS) -> None:
    """Ends a child and its descendants if they still run: asks first, and kills them after ``patience`` seconds."""
    if child.poll() is None:
        end_tree(child.pid, patience)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(patience)
