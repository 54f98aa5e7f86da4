"""``python -m harness score``, by the command line."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from command_line import harness
from got10k_folders import write_list, write_sequence

from harness.core.interfaces import Track
from harness.core.results import Results, write_tracks

TRUTH = np.tile([2.0, 2, 8, 8], (5, 1))


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        write_sequence(tmp_path / "data/val" / name, TRUTH)
        for tool, shift in (("first", 0.0), ("second", 4.0)):
            boxes = TRUTH + np.array([0, 0, 0, shift])
            write_tracks(tmp_path / tool, [Track(name, boxes, np.full(5, 0.1))])
    write_list(tmp_path / "data/val", ["a", "b"])
    return tmp_path


def test_results_are_scored_compared_and_logged(workplace):
    done = harness("score", "first", "second", "--dataset", "data", "--split", "val", "--out", "out", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert "second against first (frame 0 dropped): mean IoU 0.6667, 0.0 % of boxes identical" in done.stdout
    first, second = Results.load(workplace / "out/0"), Results.load(workplace / "out/1")
    assert first.metrics["ao"] == pytest.approx(1)
    assert second.metrics["ao"] == pytest.approx(0.8)  # the frame is 12 px high: [2, 2, 8, 12] is clipped to 10
    with sqlite3.connect(workplace / "mlruns/mlflow.db") as store:
        rows = store.execute(
            "select r.name, r.status, m.key, m.value from runs r join latest_metrics m on r.run_uuid = m.run_uuid"
        ).fetchall()
    logged = {(name, key): value for name, status, key, value in rows if status == "FINISHED"}
    assert logged["first", "ao"] == pytest.approx(1)
    assert logged["second", "ao"] == pytest.approx(0.8)
    assert logged["second", "fps"] == pytest.approx(10)
    assert logged["second", "agreement/mean_iou"] == pytest.approx(2 / 3)


def test_the_users_mistakes(workplace):
    for words, message in (
        (("none", "--dataset", "data"), "none does not exist; give a folder of result files."),
        (("first", "--dataset", "none"), "none does not exist"),
        (("data", "--dataset", "data"), "data holds no result files"),
        (("first", "--dataset", "data", "--sequences", "z"), "'z' matches none"),
    ):
        done = harness("score", *words, "--mlflow", "off", cwd=workplace)
        assert done.returncode == 2, (words, done.stderr)
        assert message in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.shared
def test_published_val_results(shared, tmp_path):
    results, truth = shared / "results/nanotrackv3_got10k_val", shared / "results/got10k_val_groundtruth"
    done = harness("score", results, "--dataset", truth, "--mlflow", "off", "--out", "job", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "0.71730  0.84640  0.58866" in done.stdout
    assert "No mask is applied to 180 sequences" in done.stderr
    assert "No bounds are applied to 180 sequences" in done.stderr
    found = Results.load(tmp_path / "job")
    assert found.dataset["scored_frames"] == 20827
    assert found.scoring["mask"] is found.scoring["bounds"] is False


@pytest.mark.shared
def test_published_smat_results(shared, tmp_path):
    folders = [shared / "results/smat_got10k_test" / name for name in ("pytorch", "onnx", "openvino")]
    done = harness("score", *folders, "--drop-first-time", "--mlflow", "off", "--out", "jobs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    jobs = [Results.load(tmp_path / "jobs" / str(number)) for number in range(3)]
    assert jobs[2].metrics["fps_got10k"] == pytest.approx(19.54914980708917, abs=1e-12)
    assert [job.metrics["fps_got10k"] for job in jobs[:2]] == pytest.approx([9.35, 18.43], abs=0.005)
    assert all("ao" not in job.metrics for job in jobs)
    agreement = [job.details["agreement"] for job in jobs[1:]]
    assert [item["agreement/mean_iou"] for item in agreement] == pytest.approx([0.9844, 0.8971], abs=5e-5)
    assert [item["agreement/identical_boxes"] for item in agreement] == pytest.approx([0.822, 0.075], abs=5e-4)
    worst = next(iter(agreement[1]["sequences"].items()))
    assert worst[0] == "GOT-10k_Test_000031"
    kept = harness("score", folders[2], "--mlflow", "off", "--out", "kept", cwd=tmp_path)
    assert kept.returncode == 0
    assert Results.load(tmp_path / "kept").metrics["fps_got10k"] == pytest.approx(26.7431, abs=1e-4)
