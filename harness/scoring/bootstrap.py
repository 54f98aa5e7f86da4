"""The bootstrap over sequences, which all accuracy intervals use."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def bootstrap_interval(
    values: Floats, weights: Floats | None = None, seed: int = 0, resamples: int = 2000, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of the weighted mean ``sum(w v) / sum(w)``, drawn over sequences.

    ``values`` ``[S]`` has one number per sequence (its AO, or a paired difference of AOs), ``weights`` ``[S]`` its
    frames, so that the mean is the frame-pooled one; both are resampled together (B. Efron, R. Tibshirani: An
    Introduction to the Bootstrap, 1993, chapter 13). Sequences that are not finite or have no weight are left
    out. NaN, NaN with fewer than two sequences.
    """
    numbers = np.asarray(values, float)
    counts = np.ones(len(numbers)) if weights is None else np.asarray(weights, float)
    keep = np.isfinite(numbers) & (counts > 0)
    numbers, counts = numbers[keep], counts[keep]
    if len(numbers) < 2:
        return float("nan"), float("nan")
    draws = np.random.default_rng(seed).integers(0, len(numbers), size=(resamples, len(numbers)))
    means = (numbers * counts)[draws].sum(axis=1) / counts[draws].sum(axis=1)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return float(low), float(high)
