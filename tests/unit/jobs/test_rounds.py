"""task.repeats: whole rounds in rotated order; medians, spread, warnings; failures and resumed jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.files import write_json
from harness.core.results import Results
from harness.jobs import rounds
from harness.jobs.children import JobFailed
from harness.jobs.outcomes import merged, spread_warnings, spreads
from harness.jobs.rounds import more_rounds
from harness.jobs.worker import JOB_FILE, outcome_file


def outcome(fps: float, files: tuple[str, ...] = ()) -> dict:
    return {
        "metrics": {"fps": fps}, "files": list(files), "sequences": {}, "details": {}, "warnings": [], "effective": {},
        "artifact": {}, "dataset": {},
    }  # fmt: skip


@pytest.fixture
def jobs(tmp_path: Path) -> list[Path]:
    """Three jobs whose first round is done, with 10, 20 and 30 fps."""
    folders = []
    for number in range(3):
        folder = tmp_path / str(number)
        write_json(folder / JOB_FILE, {"config": {}})
        write_json(folder / outcome_file(1), outcome(10.0 * (number + 1)))
        Results(str(number), f"job {number}", "ok", {}, metrics={"fps": 10.0 * (number + 1)}).save(folder)
        folders.append(folder)
    return folders


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Stands for the child: notes (job, round), and measures one frame a second more every round."""
    order: list[tuple[str, int]] = []

    def measure(folder: Path, round_: int) -> None:
        job = folder.parent.parent
        order.append((job.name, round_))
        (folder / "app").mkdir()
        (folder / "app/report.json").write_text(str(round_))
        write_json(folder / outcome_file(round_), outcome(10.0 * (int(job.name) + 1) + round_, ("app/report.json",)))

    monkeypatch.setattr(rounds, "measure", measure)
    return order


def test_rounds_run_in_rotated_order(jobs, measured):
    more_rounds(jobs, 3)
    assert measured == [("1", 2), ("2", 2), ("0", 2), ("2", 3), ("0", 3), ("1", 3)]


def test_results_are_medians_and_hold_every_round(jobs, measured):
    more_rounds(jobs, 3)
    results = Results.load(jobs[0])
    assert results.metrics["fps"] == 12.0
    assert [item["fps"] for item in results.details["rounds"]] == [10.0, 12.0, 13.0]
    assert results.metrics["spread/fps"] == pytest.approx(3 / 12)
    assert any("spread over 25%" in line and "noise" in line for line in results.warnings)
    # 30, 32, 33: under 10 %
    assert not Results.load(jobs[2]).warnings


def test_reports_of_further_rounds_are_kept(jobs, measured):
    more_rounds(jobs, 2)
    assert (jobs[0] / "rounds/2/app/report.json").read_text() == "2"
    assert not (jobs[0] / "rounds/work-2").exists()


def test_job_that_fails_in_a_round_stays_failed_and_is_left_alone(jobs, measured, monkeypatch):
    usual = rounds.measure

    def measure(folder: Path, round_: int) -> None:
        if folder.parent.parent.name == "1":
            measured.append(("1", round_))
            raise JobFailed("Crash", "it died.", [])
        usual(folder, round_)

    monkeypatch.setattr(rounds, "measure", measure)
    more_rounds(jobs, 3)
    assert [item for item in measured if item[0] == "1"] == [("1", 2)]
    results = Results.load(jobs[1])
    assert results.status == "failed"
    assert "round 2" in results.error["message"]
    assert Results.load(jobs[0]).metrics["fps"] == 12.0


def test_resumed_job_repeats_no_round(jobs, measured):
    more_rounds(jobs, 2)
    measured.clear()
    more_rounds(jobs, 3)
    assert {round_ for _, round_ in measured} == {3}


def test_metric_of_some_rounds_only_is_kept():
    assert merged([{"a": 1.0, "b": 5.0}, {"a": 3.0}]) == {"a": 2.0, "b": 5.0}


def test_spread_is_over_the_median():
    rounds = [{"benchmark_app/throughput_fps": value} for value in (95.0, 100.0, 104.0)]
    assert spreads(rounds) == {"spread/benchmark_app/throughput_fps": pytest.approx(0.09)}
    assert spread_warnings(rounds) == []
    assert spread_warnings([*rounds, {"benchmark_app/throughput_fps": 120.0}])
