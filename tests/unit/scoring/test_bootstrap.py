"""The bootstrap over sequences, against a plain loop, scipy's, and its own promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.scoring.bootstrap import bootstrap_interval


def test_bootstrap_repeats_a_plain_loop():
    values, weights = np.array([0.2, 0.9, 0.5, 0.7]), np.array([10.0, 100.0, 50.0, 1.0])
    draws = np.random.default_rng(3).integers(0, 4, size=(500, 4))
    means = [sum(weights[i] * values[i] for i in row) / sum(weights[i] for i in row) for row in draws]
    found = bootstrap_interval(values, weights, seed=3, resamples=500, level=0.9)
    assert found == pytest.approx(tuple(np.quantile(means, [0.05, 0.95])))


def test_bootstrap_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        low, high = bootstrap_interval(rng.normal(0.6, 0.1, 60), seed=trial, resamples=400)
        hits += low <= 0.6 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_bootstrap_without_enough_sequences_is_nan():
    assert all(map(math.isnan, bootstrap_interval(np.array([0.5]))))
    assert all(map(math.isnan, bootstrap_interval(np.array([0.5, math.nan]))))
    assert all(map(math.isnan, bootstrap_interval(np.array([0.5, 0.4]), np.array([1.0, 0.0]))))


def test_bootstrap_equals_scipys_to_the_digit():
    generator = np.random.default_rng(2)
    values, frames = generator.uniform(0, 1, 23), generator.integers(1, 300, 23).astype(float)
    from scipy import stats  # here: every worker imports every file of tests

    theirs = stats.bootstrap(
        (values * frames, frames),
        lambda top, bottom, axis: top.sum(axis=axis) / bottom.sum(axis=axis),
        n_resamples=2000,
        paired=True,
        method="percentile",
        rng=np.random.default_rng(7),
    ).confidence_interval
    assert bootstrap_interval(values, frames, seed=7) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
