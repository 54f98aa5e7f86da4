"""A process that ends with its parent, however that ended: nothing measures on unseen.

``python -m harness.machine.tied PARENT module NAME ARG ...`` runs a Python module in this process.
``python -m harness.machine.tied PARENT command WORD ...`` runs a program as a child, and ends it with all its own children.

It imports next to nothing before it is armed: the time in which a parent could die unnoticed is that of Python's own start,
and what happened in it is found by looking who the parent is afterwards.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

POLL_SECONDS = 0.5
PATIENCE_SECONDS = 5.0


def arm(parent: int, number: int) -> None:
    """Sends this process the signal ``number`` when the process ``parent`` has ended; now, if it already has."""
    if sys.platform == "linux":
        import ctypes

        set_parent_death_signal = 1  # PR_SET_PDEATHSIG of prctl(2)
        ctypes.CDLL(None).prctl(set_parent_death_signal, number, 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), number)
    else:
        threading.Thread(target=_watch, args=(parent, number), daemon=True).start()


def _watch(parent: int, number: int) -> None:
    """Where no system call tells of a parent's end: looks twice a second.

    On Windows the parent by number is not always the one that asked: a virtual environment's python.exe stands between them.
    """
    import psutil

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(parent)  # remembers when it was started: its number may be given to another
        while process.is_running() and (sys.platform == "win32" or os.getppid() == parent):
            time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), number)


def _run_module(parent: int, name: str, arguments: list[str]) -> None:
    arm(parent, getattr(signal, "SIGKILL", signal.SIGTERM))
    import runpy

    sys.argv = [name, *arguments]
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _run_command(parent: int, words: list[str]) -> int:
    """Keeps a program: ends it with its children when the parent is gone or asks for it; returns its exit code."""
    import subprocess

    def stop(number: int, frame: object) -> None:
        del frame
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    child = subprocess.Popen(words)
    try:
        arm(parent, signal.SIGTERM)
        code = child.wait()
        return code if code >= 0 else 128 - code
    except KeyboardInterrupt:
        return 130
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        end_tree(child.pid, PATIENCE_SECONDS)


def end_tree(root: int, patience: float) -> None:
    """Ends the process ``root`` and all its descendants: asks first, after ``patience`` seconds forces."""
    import psutil

    try:
        top = psutil.Process(root)
        found = [*top.children(recursive=True), top]
    except psutil.NoSuchProcess:
        return
    for process in found:
        _quietly(process.terminate)
    _, left = psutil.wait_procs(found, timeout=patience)
    for process in left:
        _quietly(process.kill)
    psutil.wait_procs(left, timeout=patience)


def _quietly(action: Callable[[], None]) -> None:
    import psutil

    with contextlib.suppress(psutil.Error):  # it ended by itself, or is another user's
        action()


def main(words: list[str]) -> int:
    """Runs what the words say; see the module's text."""
    parent, kind, *rest = words
    if kind == "module":
        _run_module(int(parent), rest[0], rest[1:])
        return 0
    return _run_command(int(parent), rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
