from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.core.errors import ConfigError
from harness.scoring.budget import over_budget, target_of, verdict


def test_the_share_over_budget_counts_updates_longer_than_a_frame_time() -> None:
    seconds = np.array([0.010, 0.033, 0.034, 0.050, np.nan])  # 30 fps leave 33.3 ms
    assert over_budget(seconds, 30.0) == {"budget/over": 0.5}
    assert over_budget(np.array([0.04]), 25.0) == {"budget/over": 0.0}


def test_without_a_target_or_times_there_is_no_budget() -> None:
    assert over_budget(np.array([0.01]), None) == {}
    assert over_budget(np.array([np.nan]), 30.0) == {}


def test_the_verdict_says_whether_the_99th_percentile_is_within_the_budget() -> None:
    assert verdict(30.0, {"budget/over": 0.002, "latency_ms/p99": 11.2}) == "keeps up with 30 fps: p99 11.2 ms of 33.3"
    assert (
        verdict(30.0, {"budget/over": 0.04, "latency_ms/p99": 51.0}) == "misses 30 fps on 4.0% of frames: p99 51.0 ms of 33.3"
    )
    assert verdict(60.0, {"budget/over": 0.5, "latency_ms/p99": 51.0}).startswith("misses 60 fps on 50% of frames")


def test_a_job_without_latencies_is_not_judged() -> None:
    assert verdict(30.0, {"pipeline_fps": 100.0}).startswith("not judged by 30 fps: no latency was measured")


@pytest.mark.parametrize("target", [0, -30, "fast", True, float("inf"), float("nan")])
def test_a_target_that_is_not_a_rate_is_refused(target: Any) -> None:
    with pytest.raises(ConfigError, match="frames a second above 0"):
        target_of({"target_fps": target})


def test_no_target_is_none() -> None:
    assert target_of({}) is None
    assert target_of({"target_fps": None}) is None
    assert target_of({"target_fps": 30}) == 30.0
