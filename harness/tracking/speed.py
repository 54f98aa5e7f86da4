"""Speed and latency of tracked sequences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.core.interfaces import Metrics
from harness.core.results import OWN_STAGE, STAGES
from harness.scoring.budget import over_budget
from harness.scoring.speed import fps, fps_got10k, latency_summary
from harness.tracking.store import Done


def speed_metrics(
    done: Mapping[str, Done],
    first: float | None,
    start_s: float | None = None,
    in_flight: tuple[int, float] | None = None,
    target_fps: float | None = None,
) -> Metrics:
    """Returns ``pipeline_fps``.

    For serial tracking also ``fps``, ``fps_got10k``, ``latency_ms/*``, ``stage_ms/*`` (p50).

    Args:
        done: The finished sequences.
        first: Seconds of the process's first update.
        start_s: Seconds from the start of the process to the first tracked frame.
        in_flight: Frames and seconds of tracking with several sequences in flight.
        target_fps: A camera's rate; with it, ``budget/over`` is returned too.
    """
    found: Metrics = {}
    pipeline = pipeline_fps(done, in_flight)
    if pipeline is not None:
        found["pipeline_fps"] = pipeline
    if start_s:
        found["fixed_s/start"] = start_s
    tracks = [track for item in done.values() if not item.contended for track in item.tracks]
    if not tracks:
        return found
    updates = np.concatenate([track.seconds[1:] for track in tracks])
    speeds = {"fps": fps(updates)}
    speeds["fps_got10k"] = fps_got10k(np.concatenate([track.seconds for track in tracks]))
    found |= {key: value for key, value in speeds.items() if np.isfinite(value)}
    found |= latency_summary(updates, first)
    found |= over_budget(updates, target_fps)
    for stage in (*STAGES, OWN_STAGE):
        samples = [track.stages[stage][1:] for track in tracks if stage in track.stages]
        if samples and np.concatenate(samples).size:
            found[f"stage_ms/{stage}"] = float(np.median(np.concatenate(samples)) * 1e3)
    return found


def pipeline_fps(done: Mapping[str, Done], in_flight: tuple[int, float] | None) -> float | None:
    """Returns frames per second of wall clock time, including decoding; for a parallel run, of the parallel part.

    None if a parallel run was resumed, because its wall clock times overlap.
    """
    if in_flight is not None:
        frames, wall = in_flight
        return frames / wall
    if any(item.contended for item in done.values()):
        return None
    frames = sum(len(track.seconds) for item in done.values() for track in item.tracks)
    wall = sum(item.wall for item in done.values())
    return frames / wall if wall > 0 else None
