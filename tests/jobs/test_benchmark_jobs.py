"""Jobs over benchmarks in their own layouts, by the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmark_folders import boxes, otb, trackingnet
from command_line import SUPPORT, harness

from harness.core.results import Results

SETTINGS = ("--config-dir", SUPPORT / "own", "tracker=standing", "backend=torch", "mlflow=off", "hydra.run.dir=run")


def run(tmp_path: Path, prepared: Path, *words: object) -> Results:
    done = harness(*SETTINGS, f"prepare.cache={prepared}", *words, cwd=tmp_path, pictures=True)
    assert done.returncode == 0, done.stderr
    return Results.load(tmp_path / "run")


def test_auto_names_otb_and_scores_by_ope(tmp_path: Path, prepared: Path) -> None:
    otb(tmp_path / "data")
    found = run(tmp_path, prepared, "dataset=auto", "dataset.root=data", "dataset.sequences=[Deer]")
    assert found.dataset["name"] == "otb"
    assert found.scoring["protocol"] == "ope"
    assert found.scoring["truth_rule"] == "otb"
    assert {"auc", "op50", "op75", "precision20", "norm_precision20"} <= found.metrics.keys()
    assert "ao" not in found.metrics
    assert any("has the layout of otb" in warning for warning in found.warnings)
    assert set(found.details["ope"]["attributes"]) == {"MB", "FM", "IPR", "BC", "LR"}
    truth = boxes(71)
    near = np.hypot(*(truth[:, :2] + truth[:, 2:] / 2 - truth[0, :2] - truth[0, 2:] / 2).T) <= 20
    assert found.metrics["precision20"] == pytest.approx(near.mean()), "the tracker stays at the first box"
    assert (tmp_path / "run" / "plots" / "ope_success.png").stat().st_size > 5000


def test_both_protocols_are_scored_where_both_are_asked_for(tmp_path: Path, prepared: Path) -> None:
    otb(tmp_path / "data")
    words = ("dataset=otb", "dataset.root=data", "dataset.sequences=[Deer]", "dataset.protocol=[ope,got10k]")
    found = run(tmp_path, prepared, *words)
    assert {"auc", "ao", "sr50"} <= found.metrics.keys()
    assert {"auc", "ao"} <= found.sequences["Deer"].keys()


def test_trackingnets_test_set_has_no_accuracy_and_is_packed(tmp_path: Path, prepared: Path) -> None:
    trackingnet(tmp_path / "data")
    found = run(tmp_path, prepared, "dataset=trackingnet", "dataset.root=data")
    assert not {"auc", "ao"} & found.metrics.keys()
    done = harness("pack", "run", "--dataset", "data", "-o", "up.zip", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 sequences for TrackingNet" in done.stdout


def test_a_missing_root_is_the_users_mistake(tmp_path: Path, prepared: Path) -> None:
    done = harness(*SETTINGS, f"prepare.cache={prepared}", "dataset=lasot", "dataset.root=none", cwd=tmp_path)
    assert done.returncode == 2
    assert "none does not exist; LaSOT has a folder per sequence" in done.stderr
    assert "Traceback" not in done.stderr
