"""Odd results: incomplete submissions, boxes without area, lost targets, times that no clock gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import SUPPORT, harness, with_cache
from patch_sequences import first_boxes_alone, patch_split

from harness.core.results import Results

OWN = ("--config-dir", SUPPORT / "own", "tracker=standing", "backend=onnx", "mlflow=off", "dataset=got10k", "dataset.root=g")
SHRINKING = """\
import numpy as np
from standing_tracker import Standing, StandingTracker


class Shrinking(Standing):
    def start(self, sessions):
        return Shrunk(sessions["search"], False)


class Shrunk(StandingTracker):
    count = 0

    def update(self, image):
        self.count += 1
        return np.array({box}, float) if self.count >= 3 else super().update(image)
"""


@pytest.fixture
def place(tmp_path: Path, prepared: Path) -> Path:
    patch_split(tmp_path / "g/test", ["alpha", "beta", "gamma"])
    first_boxes_alone(tmp_path / "g/test")
    return with_cache(tmp_path, prepared)


# --------------------------------------------------------------------------- incomplete submissions


@pytest.mark.parametrize("left_out", ["dataset.exclude=[beta]", "dataset.exclude=['g*']", "dataset.limit=2", "dataset.sequences=[alpha,beta]"])
def test_sequences_left_out_give_no_archive_and_a_sentence(place: Path, left_out: str) -> None:
    done = harness(*OWN, "dataset.split=test", left_out, "hydra.run.dir=o", cwd=place)
    assert done.returncode == 0, done.stderr
    assert not (place / "o/submission.zip").exists() and not (place / "o/submission.manifest.json").exists()
    assert "no submission.zip" in done.stderr
    found = Results.load(place / "o")
    assert found.metrics["fps"] > 0


def test_the_whole_split_gives_an_archive_that_is_accepted(place: Path) -> None:
    done = harness(*OWN, "dataset.split=test", "hydra.run.dir=o", cwd=place)
    assert done.returncode == 0, done.stderr
    assert json.loads((place / "o/submission.manifest.json").read_text())["sequences"] == 3
    assert harness("validate", "o/submission.zip", "--dataset", "g", "--split", "test", cwd=place).returncode == 0


def test_a_list_with_part_of_the_benchmarks_sequences_gives_no_archive(place: Path) -> None:
    names = ["GOT-10k_Test_000001", "GOT-10k_Test_000002"]
    patch_split(place / "part/test", names)
    first_boxes_alone(place / "part/test")
    done = harness(*OWN[:-1], "dataset.root=part", "dataset.split=test", "hydra.run.dir=o", cwd=place)
    assert done.returncode == 0, done.stderr
    assert not (place / "o/submission.zip").exists()
    assert "lacks 178 of its 180 sequences" in done.stderr


# ------------------------------------------------------------------------------ boxes without area


@pytest.mark.parametrize("box", ["[50, 50, -20, -20]", "[50, 50, 0, 10]"])
def test_a_box_without_area_costs_the_archive_and_not_the_run(place: Path, box: str) -> None:
    (place / "shrinking.py").write_text(SHRINKING.format(box=box))
    (place / "myconf/tracker").mkdir(parents=True)
    (place / "myconf/tracker/mine.yaml").write_text("name: mine\ntarget: shrinking.Shrinking\n")
    words = ["--config-dir", "myconf", "tracker=mine", "backend=onnx", "mlflow=off", "dataset=got10k", "dataset.root=g"]
    done = harness(*words, "dataset.split=test", "hydra.run.dir=o", cwd=place)
    assert done.returncode == 0, done.stderr
    found = Results.load(place / "o")
    assert found.status == "ok" and {"fps", "latency_ms/p50"} <= set(found.metrics)
    assert (place / "o/report.html").is_file() and not (place / "o/submission.zip").exists()
    (warning,) = [line for line in found.warnings if "no submission.zip" in line]
    assert "alpha_001.txt" in warning and "line" in warning and "positive" in warning
    patch_split(place / "g/val", ["delta", "epsilon"])
    val = harness(*words, "dataset.split=val", "hydra.run.dir=v", cwd=place)
    assert val.returncode == 0, val.stderr
    assert "delta: 5 boxes have no area (the first on line 4)" in val.stderr


# --------------------------------------------------------------------------------- compare, score


def results(place: Path, folder: str, rows: list[str], times: list[str], name: str = "s") -> None:
    (place / folder).mkdir(parents=True)
    (place / folder / f"{name}.txt").write_text("".join(f"{row}\n" for row in rows))
    (place / folder / f"{name}_time.txt").write_text("".join(f"{row}\n" for row in times))


@pytest.mark.parametrize("lost", ["0,0,0,0", "nan,nan,nan,nan", "-1,-1,-1,-1", "0\t0\t0\t0"])
def test_equal_runs_with_a_lost_target_agree(tmp_path: Path, lost: str) -> None:
    rows = ["20,30,30,30", "24,32,30,30", lost, "32,36,30,30"]
    rows = [row.replace(",", "\t") for row in rows] if "\t" in lost else rows
    for folder in ("mine", "yours"):
        results(tmp_path, folder, rows, ["0.01"] * 4, "person-3")
    done = harness("compare", "mine", "yours", "--fail-if", "agreement/mean_iou < 0.99", "agreement/identical_boxes < 1", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "less than half" not in done.stdout


@pytest.mark.shared
def test_the_shared_pair_of_equal_runs_agrees(shared: Path, tmp_path: Path) -> None:
    folders = [shared / "cases/08-identical-zero-nan-boxes" / name for name in "AB"]
    done = harness("compare", *folders, "--fail-if", "agreement/mean_iou < 0.99", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("times", [["0"] * 4, ["-1"] * 4, ["0.0", "-0.5", "nan", "0"]])
def test_times_that_no_clock_gives_are_left_out_of_fps_and_latency_alike(tmp_path: Path, times: list[str]) -> None:
    results(tmp_path, "A", ["20,30,30,30"] * 4, times)
    done = harness("score", "A", "--mlflow", "off", "--out", "o", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = Results.load(tmp_path / "o")
    assert not [name for name in found.metrics if name.startswith(("fps", "latency_ms"))]
    assert any("zero or negative" in warning for warning in found.warnings)


def test_a_first_time_of_zero_is_not_a_latency(tmp_path: Path) -> None:
    results(tmp_path, "A", ["20,30,30,30"] * 4, ["0", "0.02", "0.02", "-1"])
    done = harness("score", "A", "--mlflow", "off", "--out", "o", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = Results.load(tmp_path / "o").metrics
    assert found["latency_ms/p50"] == found["latency_ms/max"] == pytest.approx(20)
    assert found["fps"] == pytest.approx(50) and "latency_ms/first" not in found


def test_one_column_of_times_for_three_repetitions_is_reported_as_such(tmp_path: Path) -> None:
    folder = tmp_path / "A/s"
    folder.mkdir(parents=True)
    for number in (1, 2, 3):
        (folder / f"s_{number:03d}.txt").write_text("20,30,30,30\n" * 4)
    (folder / "s_time.txt").write_text("0.02\n" * 4)
    done = harness("score", "A", "--mlflow", "off", "--out", "o", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert Results.load(tmp_path / "o").metrics["fps"] == pytest.approx(50)
    assert "have no times" not in done.stderr
    assert "s: 1 of 3 repetitions has times" in done.stderr


def test_folders_of_different_length_are_named(tmp_path: Path) -> None:
    results(tmp_path, "long", ["20,30,30,30"] * 4, ["0.01"] * 4)
    results(tmp_path, "short", ["20,30,30,30"] * 3, ["0.01"] * 3)
    done = harness("compare", "long", "short", cwd=tmp_path)
    assert done.returncode == 2
    assert "short against" in done.stderr and "long: s: 3 boxes in one run, 4 in the other" in done.stderr


def test_results_some_levels_below_are_named(tmp_path: Path) -> None:
    results(tmp_path, "results/dimp/dimp50/got10k", ["20,30,30,30"] * 4, ["0.01"] * 4)
    results(tmp_path, "results/atom/default/lasot", ["20,30,30,30"] * 4, ["0.01"] * 4)
    done = harness("score", "results", "--mlflow", "off", cwd=tmp_path)
    assert done.returncode == 2
    assert "results holds no result files; these folders in it do: atom/default/lasot, dimp/dimp50/got10k" in done.stderr
    assert harness("score", "results/dimp", "--mlflow", "off", cwd=tmp_path).stderr.count("dimp50/got10k") == 1
