"""Two sweeps are compared configuration by configuration, and a gate names the one that changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import make_runs
import pytest

from harness.cli.main import main
from harness.report import gates
from harness.report.comparison import compare_sweeps
from harness.report.sources import jobs_of
from harness.scoring.compared import Comparison

BACKENDS = ("torch", "onnx", "openvino")


def sweep(folder: Path, latencies: dict[str, float], **more: Any) -> Path:
    jobs = [{"backend": name, "latency_ms": ms, "seed": 7, "name": name, **more} for name, ms in latencies.items()]
    return make_runs.make_sweep(folder, jobs, ["backend=torch,onnx,openvino"])


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return sweep(tmp_path / "2026-01-01" / "02-00-00", {"torch": 100, "onnx": 50, "openvino": 40})


def compared(old: Path, new: Path) -> Comparison:
    return compare_sweeps(jobs_of(old), jobs_of(new))


@pytest.mark.parametrize("slowed", BACKENDS)
@pytest.mark.parametrize("significant", [False, True])
def test_the_one_that_was_slowed_is_named_and_only_that_one(tmp_path: Path, old: Path, slowed: str, significant: bool) -> None:
    latencies = {"torch": 100.0, "onnx": 50.0, "openvino": 40.0}
    latencies[slowed] *= 1.27
    found = compared(old, sweep(tmp_path / "2026-01-02" / "02-00-00", latencies))
    (sentence,) = gates.judge([gates.parse("fps < 0.95x"), gates.parse("ao < -0.01")], found, significant)
    assert sentence.startswith(f"{slowed} (2026-01-02 02-00-00): fps is 0.7")
    (line,) = found.headlines
    assert line.startswith(f"Slower than it was: {slowed} (2026-01-02 02-00-00), 0.79")


def test_nothing_changed_closes_nothing(tmp_path: Path, old: Path) -> None:
    found = compared(old, sweep(tmp_path / "new", {"torch": 100, "onnx": 50, "openvino": 40}))
    assert gates.judge([gates.parse("fps < 0.95x"), gates.parse("agreement/mean_iou < 0.99")], found) == []
    assert found.headlines == ["No configuration of 3 is shown to be slower or less accurate than it was."]


def test_the_order_of_the_jobs_does_not_matter(tmp_path: Path, old: Path) -> None:
    found = compared(old, sweep(tmp_path / "new", {"openvino": 40, "torch": 100, "onnx": 65}))
    (sentence,) = gates.judge([gates.parse("fps < 0.95x")], found)
    assert sentence.startswith("onnx (")


def test_a_configuration_that_is_missing_closes_the_gate(tmp_path: Path, old: Path) -> None:
    found = compared(old, sweep(tmp_path / "new", {"torch": 100, "onnx": 50}))
    (sentence,) = gates.judge([gates.parse("fps < 0.95x")], found)
    assert sentence == "openvino (2026-01-01 02-00-00): missing in the newer sweep." or sentence.startswith("openvino")
    assert any(line.startswith("Missing in the newer sweep: openvino") for line in found.headlines)


@pytest.mark.usefixtures("without_pictures")
def test_the_command_compares_two_sweeps_by_configuration(
    tmp_path: Path, old: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    new = sweep(tmp_path / "new", {"torch": 100, "onnx": 50, "openvino": 55})
    assert main(["compare", str(old), str(new), "--out", str(tmp_path / "out"), "--fail-if", "fps < 0.95x"]) == 1
    said = capsys.readouterr().out
    assert said.count("Gate: ") == 1
    assert "Gate: openvino" in said
    assert (tmp_path / "out" / "report.html").is_file()
