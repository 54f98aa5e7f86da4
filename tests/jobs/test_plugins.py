"""A package of somebody else's, installed and not known to us, adds a product of every kind and a sweeper of Hydra's."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from command_line import ROOT, process
from fakes import tiny_dataset
from ready_children import Ready

SWEEP = ["backend=example", "tracker=example", "dataset=example", "task=example"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the package is installed in."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(ROOT / "tests/support/plugin_package", folder / "source")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*command, "--target", str(folder / "site"), str(folder / "source")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    tiny_dataset(folder / "data", sequences=1, frames=5)
    return folder


def path(site: Path) -> str:
    return f"{ROOT}{os.pathsep}{site}"


@pytest.fixture(scope="module")
def climbed(site: Path, place: Path, imports: Ready) -> Path:
    """A sweep of the package's sweeper over its backend, tracker, data set and task; returns its folder."""
    done = imports.run(
        "-m", *SWEEP, "dataset.root=data", "hydra/sweeper=climbing", "objective=example/score", "hydra.sweep.dir=outputs/it",
        cwd=place, PYTHONPATH=path(site),
    )
    assert done.returncode == 0, done.stderr
    return place / "outputs/it"


def test_a_sweeper_plug_in_gets_the_objective_and_decides_how_many_jobs_there_are(climbed: Path) -> None:
    assert (climbed / "climbed.txt").read_text() == "-4.0 -1.0 -0.0 -1.0"  # -(step - 2) ** 2, until it falls
    record = json.loads((climbed / "sweep.json").read_text())
    assert (record["count"], record["jobs"], record["varied"]) == (4, ["0", "1", "2", "3"], ["tracker.step"])
    assert record["name"] == "example example: Climbing"


def test_the_jobs_of_a_sweeper_plug_in_are_named_by_what_it_chose(climbed: Path) -> None:
    names = [json.loads((climbed / str(number) / "results.json").read_text())["name"] for number in range(4)]
    assert names == ["step=0", "step=1", "step=2", "step=3"]
    assert len(pd.read_csv(climbed / "summary.csv")) == 4


def test_the_sweep_of_a_sweeper_plug_in_is_a_finished_parent_run(climbed: Path, place: Path) -> None:
    with sqlite3.connect(place / "mlruns/mlflow.db") as store:
        children = store.execute("select run_uuid, value from tags where key = 'mlflow.parentRunId'").fetchall()
        states = store.execute("select distinct status from runs").fetchall()
    assert len(children) == 4 and len({parent for _, parent in children}) == 1
    assert states == [("FINISHED",)]


def test_products_of_the_package_are_what_ran(climbed: Path) -> None:
    results = json.loads((climbed / "2/results.json").read_text())
    names = {group: results["config"][group]["name"] for group in ("backend", "tracker", "dataset", "task")}
    assert set(names.values()) == {"example"}
    assert "target" not in results["config"]["backend"]  # its class came by entry point
    assert results["metrics"]["example/score"] == 0
    frames = pd.read_parquet(climbed / "2/frames.parquet")
    assert list(frames["x"]) == [8, 10, 12, 14, 16]  # two pixels a frame


def test_the_metric_of_the_package_is_in_the_catalogue(site: Path) -> None:
    code = "from harness.core.catalog import catalog; print(catalog().find('example/score').title)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path(site)}
    )
    assert done.stdout == "Example score\n", done.stderr


def test_the_section_of_the_package_is_in_the_report(climbed: Path) -> None:
    assert "Scores of the example" in (climbed / "report.html").read_text()
    assert "| 2 | -0 |" in (climbed / "summary.md").read_text()


def test_the_command_of_the_package_runs_and_is_in_the_help(site: Path, place: Path, imports: Ready) -> None:
    done = process("example", "hello", cwd=place, PYTHONPATH=path(site))
    assert (done.returncode, done.stdout) == (0, "the example says hello\n")
    told = imports.run("--help", cwd=place, PYTHONPATH=path(site)).stdout
    assert "says a word" in told and "A tracker of another package." in told and "tracker.step=0" in told


def test_the_backend_of_the_package_is_among_the_devices(site: Path, place: Path, imports: Ready) -> None:
    found = json.loads(imports.run("devices", "--json", cwd=place, PYTHONPATH=path(site)).stdout)
    assert found["example"] == found["torch"]


def test_mistakes_with_the_package_are_reported_as_with_ours(site: Path, place: Path, imports: Ready) -> None:
    done = imports.run("tracker=example", "tracker.stp=1", cwd=place, PYTHONPATH=path(site))
    assert done.returncode == 2
    assert "did you mean 'tracker.step'" in done.stderr


def test_a_plug_in_of_hydra_that_cannot_be_imported_is_one_sentence(place: Path, tmp_path: Path, imports: Ready) -> None:
    (tmp_path / "hydra_plugins/broken").mkdir(parents=True)
    (tmp_path / "hydra_plugins/broken/__init__.py").write_text("raise RuntimeError('made for another Hydra')\n")
    done = imports.run("--cfg", "job", cwd=place, PYTHONPATH=path(tmp_path))
    assert done.returncode == 2
    assert "a plug-in of Hydra cannot be loaded (RuntimeError: made for another Hydra" in done.stderr and "Traceback" not in done.stderr
