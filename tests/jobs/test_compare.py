"""``python -m harness compare`` and ``render`` as a person runs them, exit codes included."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import make_runs
import pytest
from command_line import ROOT, harness


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make_runs.usual(tmp_path / "outputs" / "2026-01-01" / "10-00-00")
    return tmp_path


def test_compare_a_sweep_and_single_runs(place: Path) -> None:
    sweep = place / "outputs" / "2026-01-01" / "10-00-00"
    done = harness("compare", str(sweep), "--out", "report", cwd=place, pictures=True)
    assert done.returncode == 0, done.stderr
    assert "onnx is 2.44" in done.stdout
    assert sorted(path.name for path in (place / "report").iterdir()) == ["plots", "report.html", "summary.csv", "summary.md"]
    identity = make_runs.Results.load(sweep / "2").id
    done = harness("compare", identity[:10], str(sweep / "1"), "--baseline", str(sweep / "1"), "--out", "two", cwd=place)
    assert done.returncode == 0, done.stderr
    rows = {row["run"]: row for row in csv.DictReader((place / "two" / "summary.csv").open())}
    assert rows["onnx"]["baseline"] == "1"
    assert 1.0 < float(rows["openvino"]["speed_up"]) < 1.3


def test_the_gate_decides_the_exit_code(place: Path) -> None:
    runs = [f"outputs/2026-01-01/10-00-00/{number}" for number in (0, 1)]
    passed = harness("compare", *runs, "--out", "a", "--fail-if", "fps < 0.95x", "ao < -0.01", cwd=place)
    assert passed.returncode == 0, passed.stderr
    assert "Gate: passed" in passed.stdout
    stopped = harness("compare", *runs, "--out", "b", "--fail-if", "fps < 9x", cwd=place)
    assert stopped.returncode == 1
    assert "meets 'fps < 9x'" in stopped.stdout
    wrong = harness("compare", *runs, "--fail-if", "fps is low", cwd=place)
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr
    assert harness("compare", "nowhere", cwd=place).returncode == 2


@pytest.mark.shared
def test_published_smat_results_part_without_any_notice(tmp_path: Path) -> None:
    published = Path(os.environ.get("HARNESS_SHARED", ROOT.parent / "shared")) / "results" / "smat_got10k_test"
    if not published.is_dir():
        pytest.skip(f"{published} is not here: set HARNESS_SHARED to the folder of shared material")
    folders = [str(published / name) for name in ("pytorch", "onnx", "openvino")]
    scored = harness("score", *folders, "--mlflow", "off", "--out", "scored", cwd=tmp_path)
    assert scored.returncode == 0, scored.stderr
    done = harness("compare", "scored", "--out", "report", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {row["run"]: row for row in csv.DictReader((tmp_path / "report" / "summary.csv").open())}
    assert float(rows["onnx"]["agreement/mean_iou"]) == pytest.approx(0.9844, abs=5e-5)
    assert float(rows["onnx"]["agreement/identical_boxes"]) == pytest.approx(0.822, abs=5e-4)
    assert float(rows["openvino"]["agreement/mean_iou"]) == pytest.approx(0.8971, abs=5e-5)
    assert float(rows["openvino"]["agreement/identical_boxes"]) == pytest.approx(0.075, abs=5e-4)
    page = (tmp_path / "report" / "report.html").read_text()
    assert "openvino: the 8 sequences that agree least" in page
    assert "GOT-10k_Test_000031" in page
    # the same without scoring first: the folders as they were published
    bare = harness("compare", *folders, "--baseline", folders[0], "--out", "bare", cwd=tmp_path)
    assert bare.returncode == 0, bare.stderr
    again = {row["run"]: row for row in csv.DictReader((tmp_path / "bare" / "summary.csv").open())}
    for name in ("onnx", "openvino"):
        assert again[name]["agreement/mean_iou"] == rows[name]["agreement/mean_iou"]
    assert "GOT-10k_Test_000031" in (tmp_path / "bare" / "report.html").read_text()
    gate = harness("compare", "scored", "--out", "gate", "--fail-if", "agreement/mean_iou < 0.97", cwd=tmp_path)
    assert gate.returncode == 1
    assert "openvino" in gate.stdout.split("Gate:")[1]
    assert gate.stdout.count("Gate:") == 1
