"""Intervals of means by Student's and Welch's t, from scipy, which is loaded only when needed because that is slow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def student(values: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Returns the two-sided interval of the mean of ``values`` ``[R]``, R >= 2, by Student's t.

    Width 0 if all are equal.
    """
    from scipy import stats

    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    low, high = stats.ttest_1samp(values, 0.0).confidence_interval(confidence)
    return float(low), float(high)


def welch(first: Floats, second: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Returns the two-sided interval of the difference of two means with unequal variances (Welch-Satterthwaite)."""
    from scipy import stats

    if np.ptp(first) == 0 and np.ptp(second) == 0:
        return float(first[0] - second[0]), float(first[0] - second[0])
    low, high = stats.ttest_ind(first, second, equal_var=False).confidence_interval(confidence)
    return float(low), float(high)
