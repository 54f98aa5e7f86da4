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

from harness.core.errors import ConfigError
from harness.jobs.experiment import thread_count
from harness.machine import environment


def test_the_budget_is_affinity_cut_by_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "allowed_cores", lambda: list(range(8)))
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


FAULTS = """
import resource, sys
import numpy as np
from harness.machine.environment import keep_freed_memory
assert sys.argv[1] == "as it comes" or keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        held = [np.ones(20 << 20, np.uint8) for _ in range(3)]
        del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_freed_memory_is_kept() -> None:
    """Buffers made and freed again and again map their pages once, where glibc by itself maps them anew."""

    def faults(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", FAULTS, how], cwd=ROOT, capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert faults("as it comes") > 1000
    assert faults("kept") < 100


def test_the_machine_is_the_same_under_another_host_name_and_other_with_another_limit(monkeypatch) -> None:
    before = environment.describe()["machine"]
    monkeypatch.setattr(environment.platform, "node", lambda: "another-container")
    assert environment.describe()["machine"] == before
    monkeypatch.setattr(environment, "cgroup_cpu_limit", lambda: 0.5)
    assert environment.describe()["machine"] != before


def test_memory_class_is_the_size_that_a_machine_is_sold_with() -> None:
    sold = [environment.memory_class(gib * 1024) for gib in (0.5, 1.9, 3.7, 15.5, 23.4, 31.2, 62.6, 125)]
    assert sold == [1, 2, 4, 16, 24, 32, 64, 128]


def test_a_repository_that_does_not_track_the_package_is_not_recorded(tmp_path, monkeypatch) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True, capture_output=True)

    git("init")
    (tmp_path / "own.txt").write_text("theirs")
    git("add", "own.txt")
    git("commit", "-m", "theirs")
    installed = tmp_path / "venv" / "environment.py"
    installed.parent.mkdir()
    installed.write_text("")
    monkeypatch.setattr(environment, "__file__", str(installed))
    environment.git_state.cache_clear()
    try:
        assert environment.git_state() == {"commit": "", "dirty": False}
        git("add", "venv/environment.py")
        git("commit", "-m", "a checkout")
        environment.git_state.cache_clear()
        assert len(environment.git_state()["commit"]) == 40
    finally:
        environment.git_state.cache_clear()
