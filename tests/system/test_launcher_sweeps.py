"""A sweep ends the same whoever runs its jobs: summary, parent run, exit code, with jobs that fail or are skipped."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_line import PATH
from fakes import standing_conf, tiny_dataset
from ready_children import Ready

TRACKER = '''
"""Standing, but it fails where it is told to, or takes its launcher's process with it."""
import os
import signal
from dataclasses import dataclass
from standing_tracker import Standing, StandingTracker

@dataclass
class Fragile(Standing):
    fault: str = "none"

    def start(self, sessions):
        if self.fault == "raise":
            raise RuntimeError("the camera is broken")
        if self.fault == "launcher":
            os.kill(os.getppid(), signal.SIGKILL)
            os._exit(1)
        return StandingTracker(sessions["search"], False)
'''
COMPARED = ("job", "run", "status", "baseline", "backend", "hint", "ao", "sr50", "agreement/mean_iou")


@dataclass
class Ended:
    """What a sweep left."""

    code: int
    summary: list[dict[str, str]]
    errors: list[str]
    parents: list[tuple[Any, ...]]
    children: list[tuple[Any, ...]]
    stderr: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and tracker; each sweep gets a store of its own."""
    folder = tmp_path_factory.mktemp("launchers")
    tiny_dataset(folder / "data", sequences=2, frames=5)
    standing_conf(folder / "conf")
    (folder / "fragile_tracker.py").write_text(TRACKER)
    (folder / "conf/tracker/standing.yaml").write_text(
        "# Fragile.\nname: standing\ntarget: fragile_tracker.Fragile\nfault: none\n"
    )
    return folder


@dataclass
class Sweeper:
    """Runs sweeps in folders of their own: the command, jobs of submitit, and children begin ready; joblib's processes are started anew.

    With ``anew`` all that a launcher starts is started anew, and so are its children.
    """

    place: Path
    cache: Path
    python: Ready
    path: str

    def __call__(self, name: str, *words: str, anew: bool = False) -> Ended:
        return swept(self, name, *words, path=PATH if anew else self.path)


@pytest.fixture(scope="module")
def sweep(place: Path, prepared: Path, imports: Ready, ready_path: str) -> Sweeper:
    return Sweeper(place, prepared, imports, ready_path)


def swept(sweep: Sweeper, name: str, *words: str, path: str) -> Ended:
    place = sweep.place
    home = place / name
    home.mkdir()
    done = sweep.python.run(
        "--config-dir", place / "conf", "-m", "tracker=standing", "dataset=folder", f"dataset.root={place / 'data'}",
        "dataset.split=val", "task.warmup=1", f"prepare.cache={sweep.cache}", "hydra.sweep.dir=outputs/it", *words,
        cwd=home, timeout=560, PYTHONPATH=f"{path}{os.pathsep}{place}", TMPDIR=str(home),
    )
    out = home / "outputs" / "it"
    summary = list(csv.DictReader((out / "summary.csv").open()))
    found = [json.loads((out / row["job"] / "results.json").read_text()) for row in summary]
    with sqlite3.connect(home / "mlruns" / "mlflow.db") as store:
        parent = "SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId'"
        parents = store.execute(f"SELECT name, status FROM runs WHERE run_uuid NOT IN ({parent})").fetchall()
        children = store.execute(f"SELECT name, status FROM runs WHERE run_uuid IN ({parent}) ORDER BY name").fetchall()
    errors = [(item["error"] or {}).get("kind", "") for item in found]
    kept = [{key: row.get(key, "") for key in COMPARED} for row in summary]
    return Ended(done.returncode, kept, errors, parents, children, done.stderr)


SWEEP = ("backend=torch", "tracker.fault=none,raise", "hint=none,throughput")


@pytest.fixture(scope="module")
def basic(sweep: Sweeper) -> Ended:
    found = sweep("basic", *SWEEP)
    assert found.code == 1, found.stderr
    assert sorted(row["status"] for row in found.summary) == ["failed", "ok", "skipped", "skipped"]
    assert len(found.parents) == 1
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("local", ["hydra/launcher=local"]),
        ("two-at-once", ["hydra/launcher=local", "hydra.launcher.n_jobs=2"]),
        ("submitit", ["hydra/launcher=submitit_local"]),
    ],
)
def test_the_sweep_ends_as_with_the_basic_launcher(basic: Ended, sweep: Sweeper, name: str, words: list[str]) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="extra [cluster] is not installed")
    found = sweep(name, *SWEEP, *words)
    assert found.code == basic.code, found.stderr
    assert found.summary == basic.summary
    assert found.errors == basic.errors
    assert found.parents == basic.parents
    assert found.children == basic.children


@pytest.mark.slow
def test_a_job_whose_launcher_dies_is_a_failed_job(sweep: Sweeper) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="extra [cluster] is not installed")
    found = sweep("dying", "backend=torch", "tracker.fault=launcher,none", "hydra/launcher=submitit_local", anew=True)
    assert found.code == 1, found.stderr
    assert [row["status"] for row in found.summary] == ["failed", "ok"]
    assert found.errors == ["Lost", ""]
    assert [status for _, status in found.children].count("FAILED") == 1
    assert len(found.children) == 2
    assert "lost a job" in found.stderr


@pytest.mark.slow
def test_further_rounds_are_measured_where_the_first_was(place: Path, sweep: Sweeper) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="extra [cluster] is not installed")
    found = sweep("rounds", "backend=torch", "task.repeats=2", "hydra/launcher=local", "hydra.launcher.n_jobs=2")
    assert found.code == 0, found.stderr
    results = json.loads((place / "rounds/outputs/it/0/results.json").read_text())
    assert len(results["details"]["rounds"]) == 2
    assert results["config"]["threads"] == max(1, len(os.sched_getaffinity(0)) // 2)
