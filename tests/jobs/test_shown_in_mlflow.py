"""What a run's page in MLflow shows: its verdict, a link to its report, the report itself; and which store ``ui`` opens."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from command_line import SUPPORT, harness, with_cache
from patch_sequences import patch_split

from harness.cli.commands.ui import root_of_last

OWN = ("--config-dir", SUPPORT / "own", "tracker=standing", "dataset=folder", "dataset.root=base")


@pytest.fixture
def place(tmp_path: Path, prepared: Path) -> Path:
    patch_split(tmp_path / "base", ["alpha", "beta"])
    return with_cache(tmp_path, prepared)


def tags(root: Path) -> dict[str, dict[str, str]]:
    """The tags of each run of a store, by the run's name; ``run_id``, ``status`` and ``artifacts`` beside them."""
    found: dict[str, dict[str, str]] = {}
    with sqlite3.connect(root / "mlflow.db") as store:
        for run, name, status, artifacts in store.execute("select run_uuid, name, status, artifact_uri from runs"):
            found[name] = dict(store.execute("select key, value from tags where run_uuid = ?", (run,)).fetchall())
            found[name] |= {"run_id": run, "run_status": status, "artifacts": artifacts.removeprefix("file://")}
    return found


def test_a_single_run_has_its_verdict_a_link_to_its_report_and_the_report(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = harness(*OWN, "backend=onnx", "mlflow.root=kept/store", "hydra.run.dir=it", cwd=place)
    assert done.returncode == 0, done.stderr
    (run,) = tags(place / "kept/store").values()
    note = run["mlflow.note.content"]
    assert note.startswith("onnx standing") and "frames per second" in note
    assert f"/runs/{run['run_id']}/artifactPath/report.html" in note
    assert (Path(run["artifacts"]) / "report.html").read_text() == (place / "it/report.html").read_text()
    monkeypatch.chdir(place)
    assert Path(root_of_last(Path("outputs"))) == place / "kept/store"


def test_runs_of_a_sweep_link_to_its_report_and_a_skipped_one_does_not_look_like_a_crash(place: Path) -> None:
    done = harness(*OWN, "-m", "backend=onnx,openvino", "hint=none,throughput", "hydra.sweep.dir=sw", cwd=place)
    assert done.returncode == 0, done.stderr
    found = tags(place / "mlruns")
    (parent,) = [run for run in found.values() if run.get("sweep") == "true"]
    assert parent["backend"] == "onnx, openvino" and parent["hint"] == "none, throughput" and parent["tracker"] == "standing"
    assert (Path(parent["artifacts"]) / "report.html").is_file()
    children = {name: run for name, run in found.items() if run is not parent}
    assert len(children) == 4
    for name, run in children.items():
        assert run["run_status"] == "FINISHED", name
        assert f"/runs/{parent['run_id']}/artifactPath/report.html" in run["mlflow.note.content"], name
    skipped = children["onnx hint=throughput"]
    assert skipped["status"] == "skipped" and "hint=throughput" in skipped["mlflow.note.content"]
    assert "as fast as" in children["openvino hint=none"]["mlflow.note.content"]
