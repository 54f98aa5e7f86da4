"""A process that ends with its parent, even if that crashes, so that no measurement continues unnoticed.

``python -m harness.machine.tied PARENT module NAME ARG ...`` runs a Python module in this process.
``python -m harness.machine.tied PARENT command WORD ...`` runs a program as a child, and ends it with all its own children.

It imports almost nothing before it is armed. The only time in which a parent could die unnoticed is Python's own start;
this case is found by checking the parent afterwards.
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
    """Checks twice a second for the parent's end, on systems without a system call for it.

    On Windows the direct parent is not always the requesting process: a virtual environment's python.exe may be between
    them.
    """
    import psutil

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(parent)  # psutil remembers the start time, because the number may be reused
        while process.is_running() and (sys.platform == "win32" or os.getppid() == parent):
            time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), number)


def _run_module(parent: int, name: str, arguments: list[str]) -> None:
    arm(parent, getattr(signal, "SIGKILL", signal.SIGTERM))
    import runpy

    from harness.machine.reports import keep_quiet

    keep_quiet()
    sys.argv = [name, *arguments]
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _run_command(parent: int, words: list[str]) -> int:
    """Runs a program; ends it with its children if the parent is gone or requests it; returns its exit code."""
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
    """Ends the process ``root`` and its descendants: asks first, and kills them after ``patience`` seconds."""
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
    """Runs the command given by the words; see the module's docstring."""
    parent, kind, *rest = words
    if kind == "module":
        _run_module(int(parent), rest[0], rest[1:])
        return 0
    return _run_command(int(parent), rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
