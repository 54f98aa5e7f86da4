"""MLflow in a process of its own beside a command: who loads it, what is logged, and what happens if that process dies."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from command_line import SUPPORT, harness, process, with_cache
from patch_sequences import patch_split
from ready_children import Ready

from harness.jobs import task
from harness.jobs.recorder import Recorder

OWN = ("--config-dir", SUPPORT / "own", "tracker=standing", "dataset=folder", "dataset.root=base", "backend=onnx")
TOLD = """
import sys
from harness.__main__ import main
code = main()
print("loaded:", *(name for name in ("mlflow", "torch", "onnxruntime", "matplotlib", "pandas") if name in sys.modules))
sys.exit(code)
"""


@pytest.fixture
def place(tmp_path: Path, prepared: Path) -> Path:
    patch_split(tmp_path / "base", ["alpha", "beta"])
    return with_cache(tmp_path, prepared)


@pytest.fixture
def job(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job that was not logged, though its configuration names a store."""
    monkeypatch.setattr(task.recording, "log", lambda *_: None)
    done = harness(*OWN, "hydra.run.dir=it", cwd=place)
    assert done.returncode == 0, done.stderr
    monkeypatch.undo()
    monkeypatch.chdir(place)
    return place / "it"


def python(code: str, *words: object, cwd: Path, path: str) -> subprocess.CompletedProcess[str]:
    """``python -c CODE WORDS``, finished."""
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, cwd=cwd, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)


def names(store: Path) -> list[str]:
    """The names of a store's runs that are complete."""
    if not store.is_file():
        return []
    with sqlite3.connect(store) as database:
        query = "select name from runs join tags using (run_uuid) where key = 'harness.complete' order by name"
        return [name for (name,) in database.execute(query)]


def test_a_command_logs_a_job_and_a_sweep_without_loading_mlflow_and_draws_a_sweep_in_other_processes(place: Path, ready_path: str) -> None:
    sweep = ("-m", "task.warmup=1,2", "turns.seconds=0")
    for more, loaded, logged in (("hydra.run.dir=it",), " matplotlib pandas", ["onnx standing"]), (sweep, "", ["onnx standing", "warmup=1", "warmup=2"]):
        done = python(TOLD, *OWN, *more, cwd=place, path=ready_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == f"loaded:{loaded}"
        assert [name for name in names(place / "mlruns/mlflow.db") if not name.startswith("evaluate")] == logged


def test_the_record_of_a_sweeps_only_job_names_the_report(place: Path, imports: Ready) -> None:
    done = imports.run(*OWN, "-m", "task.warmup=1", "turns.seconds=0", "hydra.sweep.dir=alone", cwd=place)
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(place / "mlruns/mlflow.db") as database:
        query = "select value from tags where key = 'mlflow.note.content' and run_uuid in (select run_uuid from tags where key = 'mlflow.parentRunId')"
        assert ["artifactPath/report.html" in note for (note,) in database.execute(query)] == [True]


def test_a_command_that_logs_nothing_starts_no_recorder(place: Path, ready_path: str) -> None:
    code = f"import harness.jobs.recorder as found\nfound.Recorder.__init__ = lambda self: sys.exit('started')\n{TOLD}"
    done = python(f"import sys\n{code}", *OWN, "mlflow=off", cwd=place, path=ready_path)
    assert done.returncode == 0, done.stderr
    assert not (place / "mlruns").exists()


def test_a_store_that_cannot_be_reached_is_told_by_the_recorder_too(place: Path, ready_path: str) -> None:
    done = process(*OWN, "mlflow=server", "mlflow.uri=http://someone:s3cret@127.0.0.1:9", "hydra.run.dir=it", cwd=place, PYTHONPATH=ready_path)
    assert done.returncode == 0, done.stderr
    assert "cannot reach the MLflow server http://127.0.0.1:9" in done.stderr and "s3cret" not in done.stderr
    assert (place / "it/results.json").is_file()


def test_a_recorder_logs_what_it_is_told_and_ends_when_it_is_closed(job: Path, place: Path) -> None:
    recorder = Recorder()
    recorder.wait()
    assert recorder._child is not None
    child = psutil.Process(recorder._child.pid)
    assert names(place / "mlruns/mlflow.db") == []
    assert recorder.log(job, None)
    assert names(place / "mlruns/mlflow.db") == ["onnx standing"]
    recorder.close()
    assert not child.is_running()
    assert not recorder.log(job, None)


def test_a_recorder_that_died_leaves_the_work_to_the_command(job: Path, place: Path) -> None:
    recorder = Recorder()
    recorder.wait()
    assert recorder._child is not None
    recorder._child.kill()
    task.log_job(job, None, recorder)
    assert names(place / "mlruns/mlflow.db") == ["onnx standing"]


def test_a_recorder_that_cannot_load_mlflow_leaves_the_work_to_the_command(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.machine.children.module_words", lambda *_: [sys.executable, "-c", "raise ImportError('broken')"])
    recorder = Recorder()
    recorder.wait()
    assert not recorder.log(job, None)
