"""Speed and latency of frames: cases worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.scoring.speed import fps, fps_got10k, latency_summary


def test_two_speeds_of_the_same_times():
    seconds = np.array([0.1, 0.4])
    assert fps(seconds) == pytest.approx(2 / 0.5)
    assert fps_got10k(seconds) == pytest.approx((10 + 2.5) / 2)


def test_times_that_are_none_are_left_out():
    seconds = np.array([0.1, 0.0, -1.0, math.nan, math.inf])
    assert fps(seconds) == fps_got10k(seconds) == pytest.approx(10)
    assert math.isnan(fps(np.array([math.nan])))


def test_latency_in_milliseconds():
    found = latency_summary(np.arange(1, 102) / 1000, first=0.5)
    assert found == pytest.approx(
        {
            "latency_ms/mean": 51,
            "latency_ms/p50": 51,
            "latency_ms/p90": 91,
            "latency_ms/p99": 100,
            "latency_ms/max": 101,
            "latency_ms/first": 500,
        }
    )
    assert latency_summary(np.empty(0), first=0.5) == {}
