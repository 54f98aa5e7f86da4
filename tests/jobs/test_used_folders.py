"""A folder that holds a run is never run in again by accident, and one identity never spans two configurations or data sets."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from command_line import SUPPORT, harness, with_cache
from patch_sequences import patch_split

OWN = ("--config-dir", SUPPORT / "own", "tracker=standing", "dataset=folder", "dataset.root=base")


@pytest.fixture
def place(tmp_path: Path, prepared: Path) -> Path:
    patch_split(tmp_path / "base")
    return with_cache(tmp_path, prepared)


def identity(folder: Path) -> str:
    return str(json.loads((folder / "results.json").read_text())["id"])


def runs(place: Path) -> dict[str, dict[str, str]]:
    """Parameters of each run in the store, by the run's own identity."""
    found: dict[str, dict[str, str]] = {}
    with sqlite3.connect(place / "mlruns/mlflow.db") as store:
        rows = store.execute(
            "select t.value, p.key, p.value from tags t join params p on t.run_uuid = p.run_uuid where t.key = 'harness.id'"
        )
        for name, key, value in rows:
            found.setdefault(name, {})[key] = value
    return found


def test_a_finished_run_of_other_settings_is_not_overwritten(place: Path) -> None:
    first = harness(*OWN, "backend=onnx", "hydra.run.dir=exp1", cwd=place)
    assert first.returncode == 0, first.stderr
    before = (place / "exp1/results.json").read_bytes()
    second = harness(*OWN, "backend=torch", "hydra.run.dir=exp1", cwd=place)
    assert second.returncode == 2
    assert "exp1 holds a run that finished (onnx standing" in second.stderr and "choose another folder" in second.stderr
    assert (place / "exp1/results.json").read_bytes() == before
    (own,) = runs(place).values()
    assert own["backend"] == "onnx"


@pytest.mark.parametrize("other", ["backend=torch", "dataset.sequences=[beta]"])
def test_resume_with_other_settings_or_less_data_gets_an_identity_and_files_of_its_own(place: Path, other: str) -> None:
    usual = [*OWN, "backend=onnx"]
    first = harness(*usual, "hydra.run.dir=exp1", cwd=place)
    assert first.returncode == 0, first.stderr
    old = identity(place / "exp1")
    again = harness(*usual, other, "resume=exp1", cwd=place)
    assert again.returncode == 0, again.stderr
    new = identity(place / "exp1")
    assert new != old
    found = runs(place)
    assert set(found) == {old, new}
    assert found[old]["backend"] == "onnx"
    assert found[new]["backend"] == ("torch" if other == "backend=torch" else "onnx")
    names = {path.name for path in (place / "exp1/tracks").iterdir()}
    assert names == ({"alpha", "beta"} if other == "backend=torch" else {"beta"})


@pytest.mark.parametrize("second", [["backend=torch,onnx"], ["backend=onnx", "threads=1,2"]])
def test_a_sweep_of_other_jobs_does_not_take_a_finished_sweeps_folder(place: Path, second: list[str]) -> None:
    first = harness(*OWN, "mlflow=off", "-m", "backend=onnx,torch", "hydra.sweep.dir=sw", cwd=place)
    assert first.returncode == 0, first.stderr
    before = (place / "sw/sweep.json").read_bytes()
    again = harness(*OWN, "mlflow=off", "-m", *second, "hydra.sweep.dir=sw", cwd=place)
    assert again.returncode == 2
    assert "sw holds a sweep of 2 jobs" in again.stderr
    assert (place / "sw/sweep.json").read_bytes() == before


def test_two_commands_never_share_a_folder(place: Path) -> None:
    from harness.jobs.folders import held

    (place / "both").mkdir()
    with held(place / "both"):
        done = harness(*OWN, "mlflow=off", "-m", "seed=0,1", "hydra.sweep.dir=both", cwd=place)
    assert done.returncode == 2
    assert "another command is running in both" in done.stderr


def test_a_single_run_does_not_go_on_in_the_folder_of_a_sweep(place: Path) -> None:
    sweep = harness(*OWN, "-m", "backend=onnx", "seed=1,2", "mlflow=off", "hydra.sweep.dir=sw", cwd=place)
    assert sweep.returncode == 0, sweep.stderr
    before = sorted(path.relative_to(place) for path in (place / "sw").rglob("*"))
    single = harness(*OWN, "backend=onnx", "mlflow=off", "resume=sw", cwd=place)
    assert single.returncode == 2
    assert "that folder holds a sweep, and these settings make a single run; give resume=" in single.stderr
    assert sorted(path.relative_to(place) for path in (place / "sw").rglob("*")) == before
