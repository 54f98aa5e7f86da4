"""A child ends with its parent, whenever and however the parent ends, with all that the child started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from command_line import ROOT

from harness.machine import children

posix = pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")


def gone(pids: list[int], seconds: float = 10.0) -> bool:
    """Whether all of ``pids`` have ended within some seconds (a zombie has ended)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        alive = [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]
        if not alive:
            return True
        time.sleep(0.02)
    return False


def read_pids(path: Path, count: int) -> list[int]:
    for _ in range(1000):
        words = path.read_text().split() if path.is_file() else []
        if len(words) >= count:
            return [int(word) for word in words]
        time.sleep(0.01)
    raise AssertionError(f"{path} never held {count} numbers")


PARENT = """
import sys, time
from harness.machine import children
kind, out = sys.argv[1:]
script = f"import os, subprocess, sys, time; inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)']); open({out!r}, 'w').write(f'{{os.getpid()}} {{inner.pid}}'); time.sleep(300)"
words = children.command_words([sys.executable, "-c", script]) if kind == "command" else children.module_words("timeit", "-n1", "-r1", f"import os,time; open({out!r},'w').write(str(os.getpid())); time.sleep(300)")
child = children.start(words)
print(child.pid, flush=True)
time.sleep(300)
"""


def start_parent(kind: str, out: Path) -> tuple[subprocess.Popen[str], int]:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, kind, str(out)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT,
    )  # fmt: skip
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


@posix
@pytest.mark.parametrize("kind", ["module", "command"])
def test_all_processes_end_when_the_parent_is_killed(tmp_path: Path, kind: str) -> None:
    parent, child = start_parent(kind, tmp_path / "pids")
    inner = read_pids(tmp_path / "pids", 2 if kind == "command" else 1)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert gone([child, *inner])


@posix
@pytest.mark.parametrize("wait", [0.0, 0.01, 0.03, 0.06, 0.1, 0.2])
def test_no_orphan_is_left_if_the_parent_is_killed_while_the_child_starts(tmp_path: Path, wait: float) -> None:
    parent, child = start_parent("module", tmp_path / "pids")
    time.sleep(wait)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert gone([child])


def test_end_ends_the_child_and_its_children(tmp_path: Path) -> None:
    out = tmp_path / "pids"
    script = (
        "import os, subprocess, sys, time; inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)']); "
        f"open({str(out)!r}, 'w').write(f'{{os.getpid()}} {{inner.pid}}'); time.sleep(300)"
    )
    child = children.start(children.command_words([sys.executable, "-c", script]))
    inner = read_pids(out, 2)
    children.end(child)
    assert gone([child.pid, *inner])


def test_the_exit_code_is_the_programs() -> None:
    words = children.command_words([sys.executable, "-c", "import sys; sys.exit(7)"])
    assert children.start(words).wait(30) == 7
