"""Which of several runs is handed over, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import make_runs
import pytest

from harness.core.errors import ConfigError, DataError
from harness.publish.export.export import winner
from harness.report.comparison import compare
from harness.report.sources import jobs_of
from harness.scoring.compared import Comparison


def runs(folder: Path, *jobs: dict[str, Any]) -> Comparison:
    named = [{"name": name, "seed": 7, "overrides": [f"backend={name}"], **job} for name, job in zip("abcdef", jobs, strict=False)]
    return compare(jobs_of(make_runs.make_sweep(folder, named, ["backend=a,b"])))


def test_the_way_in_which_a_metric_is_better_decides(tmp_path: Path) -> None:
    found = runs(tmp_path, {"latency_ms": 100}, {"latency_ms": 50}, {"latency_ms": 70})
    assert winner(found, "fps")[0].label == "b"
    job, why = winner(found, "latency_ms/p99")
    assert job.label == "b"
    assert why.startswith("b has the lowest latency_ms/p99 of 3 runs")


def test_a_run_that_loses_accuracy_is_not_handed_over(tmp_path: Path) -> None:
    found = runs(tmp_path, {"latency_ms": 100}, {"latency_ms": 20, "noise_px": 9.0}, {"latency_ms": 70})
    job, why = winner(found, "fps")
    assert job.label == "c"
    assert "b loses accuracy" in why


def test_a_budget_leaves_out_what_is_late(tmp_path: Path) -> None:
    found = runs(tmp_path, {"latency_ms": 100}, {"latency_ms": 50})
    job, why = winner(found, "ao", budget_ms=70)
    assert job.label == "b"
    assert "a is over 70 ms in latency_ms/p99" in why
    with pytest.raises(DataError, match="stays within 10 ms"):
        winner(found, "fps", budget_ms=10)


def test_of_a_tie_the_simpler_is_handed_over(tmp_path: Path) -> None:
    words = ["backend=b", "hint=latency", "threads=2"]
    found = runs(tmp_path, {"latency_ms": 100}, {"latency_ms": 50, "overrides": words}, {"latency_ms": 50.3})
    job, why = winner(found, "fps")
    assert job.label == "c"
    assert "c ties with b in fps and is the simpler of them" in why


def test_a_metric_that_has_no_better_way_chooses_no_winner(tmp_path: Path) -> None:
    found = runs(tmp_path, {"latency_ms": 100}, {"latency_ms": 50})
    for row in found.rows:
        row.job.metrics["benchmark_app/threads"] = 2.0
    with pytest.raises(ConfigError, match="neither a higher nor a lower value is better"):
        winner(found, "benchmark_app/threads")


def test_an_unknown_metric_is_answered_with_a_near_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none of the runs has fsp .did you mean 'fps'"):
        winner(runs(tmp_path, {"latency_ms": 100}, {"latency_ms": 50}), "fsp")
