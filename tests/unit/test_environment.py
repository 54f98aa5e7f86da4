"""The thread budget is the machine's; the description holds what decides a speed."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import ROOT

from harness import environment
from harness.errors import ConfigError
from harness.experiment import thread_count


def test_the_budget_is_affinity_cut_by_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(environment, "cgroup_cpu_limit", lambda: 2.5)
    assert environment.thread_budget() == 2
    monkeypatch.setattr(environment, "cgroup_cpu_limit", lambda: 0.5)
    assert environment.thread_budget() == 1
    monkeypatch.setattr(environment, "cgroup_cpu_limit", lambda: None)
    assert environment.thread_budget() == 8


def test_more_threads_than_allowed_are_refused() -> None:
    allowed = environment.thread_budget()
    assert thread_count(None) == allowed
    assert thread_count(1) == 1
    for wrong in (0, allowed + 1, "two", True, 1.5):
        with pytest.raises(ConfigError, match="threads is"):
            thread_count(wrong)


def test_the_description_is_plain_and_names_the_machine() -> None:
    found = environment.describe()
    assert found["processor"] and found["machine"] and found["versions"]["numpy"]
    assert found["threads_allowed"] >= 1
    assert found["machine"] == environment.describe()["machine"]


def test_peak_memory_is_this_processs_own() -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc here")
    before = environment.peak_rss_mb()
    block = bytearray(64 * 2**20)
    block[::4096] = b"x" * len(block[::4096])
    assert environment.peak_rss_mb() >= max(before, 64)
    del block


def test_own_work_is_not_other_load() -> None:
    watch = environment.LoadWatch()
    watch.start()
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass
    busy = watch.stop()
    assert 0 <= busy <= (os.cpu_count() or 1)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_freed_memory_is_kept() -> None:
    """In a process of its own: buffers of an image's size, made and freed again and again, fault no pages in."""
    code = (
        "import resource, sys\nimport numpy as np\nfrom harness.environment import keep_freed_memory\n"
        "assert keep_freed_memory()\n"
        "def faults():\n    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    for _ in range(50):\n        np.ones(2 << 20, np.uint8)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "faults()\nprint(faults())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 50, "each round maps its pages anew"
