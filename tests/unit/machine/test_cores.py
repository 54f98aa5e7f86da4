"""Leases of cores: disjoint between processes, ended with their holder."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness.machine import cores
from harness.machine.environment import allowed_cores

HOLD = "import sys\nfrom harness.machine import cores\nwith cores.lease(1, wait=True) as own:\n print(own[0], flush=True)\n sys.stdin.read()\n"


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks of this test alone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


def holder() -> tuple[subprocess.Popen[str], int]:
    child = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    return child, int(child.stdout.readline())


def test_two_processes_never_have_the_same_core() -> None:
    before = allowed_cores()
    child, theirs = holder()
    try:
        with cores.lease(len(before), wait=False) as own:
            assert own == []  # too few are free: nothing is pinned
            assert allowed_cores() == before
        if len(before) > 1:
            with cores.lease(1, wait=False) as own:
                assert own != [theirs]
    finally:
        child.kill()
        child.communicate()
    with cores.lease(len(before), wait=False) as own:  # what a killed process held is free
        assert own == before


@pytest.mark.posix
def test_a_lease_keeps_its_holder_on_its_cores_while_it_lasts() -> None:
    before = allowed_cores()
    with cores.lease(1, wait=False) as own:
        assert allowed_cores() == own
    assert allowed_cores() == before


def test_a_lease_is_waited_for() -> None:
    child, _ = holder()
    said: list[bool] = []
    ended = threading.Timer(0.5, child.kill)
    ended.start()
    begin = time.monotonic()
    with cores.lease(len(os.sched_getaffinity(0)), wait=True, waiting=lambda: said.append(True)) as own:
        assert own
        assert said == [True]
        assert time.monotonic() - begin > 0.4
    child.communicate()
