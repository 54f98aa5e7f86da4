"""When the jobs of a sweep go to MLflow: together once a minute and at the end, at once where others may run beside them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from harness.jobs import compose, runner, task
from harness.jobs.task import LOGGED_EVERY_S, JobTask

BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the folders that were logged."""
    found: list[str] = []
    monkeypatch.setattr(task, "log_job", lambda folder, sweep, recorder=None: found.append(folder.name))
    return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test sets."""
    now = [1000.0]
    monkeypatch.setattr(task.time, "monotonic", lambda: now[0])
    return now


def ended(work: JobTask, sweep: Path, number: int, launcher: str = BASIC, **config: Any) -> None:
    """Tells ``work`` that a job of ``sweep`` has ended."""
    (sweep / "sweep.json").write_text(json.dumps({"count": 9}))
    place = compose.Place(sweep / str(number), sweep, sweep, number, [], {"_target_": launcher}, False)
    work._keep_logged(runner.Job(config, sweep / str(number), sweep=True, number=number), place)


def test_jobs_that_end_within_a_minute_wait_for_the_end(tmp_path: Path, logged: list[str], clock: list[float]) -> None:
    work = JobTask(logged=clock[0])
    for number in range(3):
        clock[0] += LOGGED_EVERY_S / 4
        ended(work, tmp_path, number)
    assert logged == []
    clock[0] += LOGGED_EVERY_S / 4
    ended(work, tmp_path, 3)
    assert logged == ["0", "1", "2", "3"]
    ended(work, tmp_path, 4)
    assert len(logged) == 4


def test_what_is_left_is_logged_once_when_it_is_asked_for(tmp_path: Path, logged: list[str], clock: list[float]) -> None:
    work = JobTask(logged=clock[0])
    ended(work, tmp_path, 0)
    work.log_left(tmp_path)
    work.log_left(tmp_path)
    assert logged == ["0"]


def test_a_launchers_process_logs_its_job_at_once(tmp_path: Path, logged: list[str], clock: list[float]) -> None:
    work = pickle.loads(pickle.dumps(JobTask(left=[tmp_path])))
    ended(work, tmp_path, 1, launcher="hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher")
    assert logged == ["1"] and work.left == []


def test_a_job_with_further_rounds_is_not_logged_before_they_were_run(tmp_path: Path, logged: list[str], clock: list[float]) -> None:
    work = JobTask(logged=clock[0])
    clock[0] += 2 * LOGGED_EVERY_S
    ended(work, tmp_path, 0, task={"repeats": 3})
    assert logged == [] and work.left == []
