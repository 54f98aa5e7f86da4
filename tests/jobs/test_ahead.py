"""A measuring process that is started ahead gets exactly the job for which it has loaded, and nothing depends on it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from small_jobs import small_config

from harness.core.files import read_json, write_json
from harness.jobs.ahead import Ahead
from harness.jobs.beside import Beside
from harness.jobs.children import measure
from harness.jobs.worker import JOB_FILE, outcome_file


@pytest.fixture
def beside() -> Iterator[Beside]:
    found = Beside(None)
    yield found
    found.close()


@pytest.fixture
def ahead(beside: Beside) -> Ahead:
    return beside.ahead


@pytest.fixture
def config(prepared: Path, artifacts: Any) -> dict[str, Any]:
    return small_config(prepared, "backend=onnx", "threads=1")


def folder_of(config: dict[str, Any], folder: Path) -> Path:
    folder.mkdir()
    write_json(folder / JOB_FILE, {"config": config})
    return folder


def measuring_process(folder: Path) -> int:
    return int(read_json(folder / outcome_file(1))["pid"])


def ended(pid: int | None) -> None:
    """Waits until the process has ended."""
    for _ in range(1000):
        if pid is None or not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} still runs")


def test_a_job_is_measured_by_the_process_that_was_started_for_it(beside: Beside, ahead: Ahead, config: dict[str, Any], tmp_path: Path) -> None:
    ahead.start(config)
    waiting = ahead.pid
    job = folder_of(config, tmp_path / "job")
    measure(job, 1, beside)
    assert measuring_process(job) == waiting
    measure(job, 1, beside)
    assert measuring_process(job) != waiting  # each process measures once


def test_the_same_config_is_loaded_for_once(ahead: Ahead, config: dict[str, Any]) -> None:
    ahead.start(config)
    waiting = ahead.pid
    ahead.start(config)
    assert ahead.pid == waiting


@pytest.mark.parametrize("word", ["backend=openvino", "task.warmup=3"])
def test_another_job_gets_a_process_of_its_own(beside: Beside, ahead: Ahead, config: dict[str, Any], prepared: Path, tmp_path: Path, word: str) -> None:
    ahead.start(config)
    waiting = ahead.pid
    job = folder_of(small_config(prepared, "backend=onnx", "threads=1", word), tmp_path / "job")
    measure(job, 1, beside)
    assert measuring_process(job) != waiting
    assert not psutil.pid_exists(waiting)


def test_libraries_that_were_loaded_for_other_variables_are_not_used(
    beside: Beside, ahead: Ahead, config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead.start(config)
    waiting = ahead.pid
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    job = folder_of(config, tmp_path / "job")
    measure(job, 1, beside)
    assert measuring_process(job) != waiting


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_a_job_whose_process_died_before_it_was_needed_is_measured_anyway(beside: Beside, ahead: Ahead, config: dict[str, Any], tmp_path: Path) -> None:
    ahead.start(config)
    waiting = ahead.pid
    os.kill(waiting, signal.SIGKILL)
    ended(waiting)
    job = folder_of(config, tmp_path / "job")
    measure(job, 1, beside)
    assert measuring_process(job) != waiting


def test_the_next_process_starts_when_nothing_more_is_timed_and_before_the_outcome_is_there(
    beside: Beside, ahead: Ahead, config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, seen = folder_of(config, tmp_path / "job"), []
    start = ahead.start

    def noted(following: Any) -> None:
        seen.append((job / outcome_file(1)).is_file())
        start(following)

    monkeypatch.setattr(ahead, "start", noted)
    measure(job, 1, beside, config)
    assert seen[0] is False
    assert ahead.pid is not None
    assert b"\x1e" not in (job / "worker.log").read_bytes()


def test_closing_ends_a_process_that_waits(config: dict[str, Any]) -> None:
    ahead = Ahead()
    ahead.start(config)
    waiting = ahead.pid
    ahead.close()
    assert not psutil.pid_exists(waiting)


def test_processor_time_of_loading_is_told_apart_from_that_of_others(beside: Beside, ahead: Ahead, config: dict[str, Any], tmp_path: Path) -> None:
    """What the taken process used before its job is taken off; what the next one uses meanwhile is added."""
    ahead.start(config)
    job = folder_of(config, tmp_path / "job")
    measure(job, 1, beside)
    assert ahead.uncounted() == 0.0  # reported once
    ahead.start(config)
    used = psutil.Process(ahead.pid).cpu_times()
    assert ahead.uncounted() >= used.user + used.system
