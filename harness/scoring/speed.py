"""Speed and latency from the seconds of frames. Uses only NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from harness.core.interfaces import Metrics

Floats = npt.NDArray[np.float64]


def fps(seconds: Floats) -> float:
    """Frames over seconds, of the updates' ``seconds``; NaN if there are none."""
    usable = usable_times(seconds)
    return float(len(usable) / usable.sum()) if len(usable) else float("nan")


def fps_got10k(seconds: Floats) -> float:
    """Mean of 1 / t, GOT-10k's speed; times that are NaN or not positive are left out, as the toolkit does."""
    usable = usable_times(seconds)
    return float(np.mean(1.0 / usable)) if len(usable) else float("nan")


def usable_times(seconds: Floats) -> Floats:
    """The positive, finite values of ``seconds``, flattened."""
    flat = np.asarray(seconds, float).ravel()
    usable: Floats = flat[np.isfinite(flat) & (flat > 0)]
    return usable


def latency_summary(seconds: Floats, first: float | None = None) -> Metrics:
    """``latency_ms/{mean,p50,p90,p99,max}`` of the updates' ``seconds`` ``[N]``; ``latency_ms/first`` if given.

    Percentiles interpolate linearly between samples. Times that are not positive and finite are left out, as in ``fps``, also
    ``first``; empty if none is left.
    """
    samples = usable_times(seconds) * 1e3
    if not len(samples):
        return {}
    p50, p90, p99 = np.percentile(samples, [50, 90, 99])
    summary = {"mean": samples.mean(), "p50": p50, "p90": p90, "p99": p99, "max": samples.max()}
    if first is not None and len(usable_times(np.array([first]))):
        summary["first"] = first * 1e3
    return {f"latency_ms/{key}": float(value) for key, value in summary.items()}
