"""Which of several runs is exported."""

from __future__ import annotations

from pathlib import Path

import pytest
from make_runs import make_sweep

from harness.core.errors import ConfigError, DataError
from harness.publish.export.export import winner
from harness.report.sources import jobs_of
from harness.scoring.compared import Job


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    return jobs_of(
        make_sweep(tmp_path, [{"latency_ms": 40}, {"backend": "onnx", "latency_ms": 20}, {"status": "failed"}])
    )


@pytest.mark.parametrize(("metric", "place"), [("fps", 1), ("latency_ms/p99", 1), ("rss_mb/peak", 1)])
def test_the_winner_is_the_best_the_way_the_metric_is_better(jobs, metric, place):
    assert winner(jobs, metric) is jobs[place]


def test_a_metric_that_has_no_better_way_chooses_no_winner(jobs):
    for job in jobs:
        job.results.metrics["benchmark_app/threads"] = 2.0
    with pytest.raises(ConfigError, match="neither a higher nor a lower value is better"):
        winner(jobs, "benchmark_app/threads")


def test_a_metric_that_no_run_has_is_said_with_the_nearest_name(jobs):
    with pytest.raises(DataError, match=r"none of the runs has fsp \(did you mean 'fps'\?\)"):
        winner(jobs, "fsp")
