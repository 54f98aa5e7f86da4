"""Whether a tracker keeps up with a camera: the times of its updates compared with the time between two frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.core.errors import ConfigError
from harness.core.interfaces import Metrics

OVER = "budget/over"
P99 = "latency_ms/p99"
KEY = "target_fps"


def target_of(config: Mapping[str, Any]) -> float | None:
    """Returns the camera's rate by which a job is judged, or None. Raises ConfigError."""
    target = config.get(KEY)
    if target is None:
        return None
    if isinstance(target, bool) or not isinstance(target, (int, float)) or not 0 < target < 1e6:
        raise ConfigError(f"{KEY} is {target!r}; accepted: frames a second above 0, as {KEY}=30, or null for no budget.")
    return float(target)


def over_budget(seconds: npt.NDArray[np.float64], target_fps: float | None) -> Metrics:
    """Returns ``budget/over``: the share of updates ``[N]`` longer than 1 / ``target_fps``; empty if one is missing."""
    usable = np.asarray(seconds, float).ravel()
    usable = usable[np.isfinite(usable)]
    if target_fps is None or not len(usable):
        return {}
    return {OVER: float(np.mean(usable > 1.0 / target_fps))}


def keeps_up(target_fps: float, metrics: Mapping[str, float]) -> bool:
    """Whether the 99th percentile of the updates' times is within the time between two frames."""
    return metrics[P99] <= 1e3 / target_fps


def verdict(target_fps: float, metrics: Mapping[str, float]) -> str:
    """Returns one sentence on a job's ``metrics``."""
    if OVER not in metrics or P99 not in metrics:
        return f"not judged by {target_fps:g} fps: no latency was measured (several sequences were in flight, or there are no times)"
    times = f"p99 {metrics[P99]:.1f} ms of {1e3 / target_fps:.1f}"
    if keeps_up(target_fps, metrics):
        return f"keeps up with {target_fps:g} fps: {times}"
    share = metrics[OVER]
    return f"misses {target_fps:g} fps on {share:.{0 if share >= 0.1 else 1}%} of frames: {times}"
