"""The record of a job on a cluster: workers, losses, times, doubts, metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from harness.core.interfaces import Metrics
from harness.machine import environment
from harness.tracking.ray.dispatch import Dispatch, Worker

CROPS_PACKAGES = ("numpy", "opencv-python")
"""Packages that decide the inputs of every backend."""


def account(dispatch: Dispatch, wall: float, packages: Sequence[str] = ()) -> dict[str, Any]:
    """Returns workers, losses and times.

    ``speedup`` is the seconds of tracking of all workers divided by the wall clock time. ``ideal_share`` is the share
    of tracking in the time that workers were held, from their request to the end; ``ideal_share_open`` counts from the
    time when each was open.
    """
    busy = sum(worker.busy for worker in dispatch.workers)
    opened = [worker for worker in dispatch.workers if worker.facts]
    ends = [worker.ended or perf_counter() for worker in opened]
    held = sum(end - worker.began for end, worker in zip(ends, opened, strict=True))
    ready = sum(end - worker.opened for end, worker in zip(ends, opened, strict=True))
    overheads = np.array(dispatch.overheads) * 1e3
    return {
        "workers": [
            {
                "number": worker.number,
                "sequences": worker.sequences,
                "busy_s": worker.busy,
                **{key: value for key, value in worker.facts.items() if key not in ("versions", "features")},
            }
            for worker in opened
        ],
        "lost": dispatch.lost,
        "wall_s": wall,
        "busy_s": busy,
        "speedup": busy / wall if wall > 0 else 0.0,
        "ideal_share": busy / held if held > 0 else 0.0,
        "ideal_share_open": busy / ready if ready > 0 else 0.0,
        "open_s": max((worker.facts["open_s"] for worker in opened), default=0.0),
        "shard_overhead_ms": {"p50": float(np.median(overheads)), "max": float(overheads.max())} if len(overheads) else {},
        "warnings": doubts(opened, (*packages, *CROPS_PACKAGES)),
    }


def doubts(workers: list[Worker], packages: Sequence[str]) -> list[str]:
    """Returns warnings for readers of the results; ``packages`` are those whose versions decide the boxes."""
    found = []
    if any(not worker.facts["cores"] for worker in workers):
        found.append(
            "Workers shared cores, since there were more workers than free cores: the share of the ideal speed-up is "
            "of no use here."
        )
    if len({tuple(worker.facts["features"]) for worker in workers}) > 1:
        found.append("The cluster's processors have different features: boxes may differ in the last bits between them.")
    here = environment.versions()
    for worker in workers:
        other = {
            name: (here[name], version)
            for name, version in worker.facts["versions"].items()
            if name in packages and name in here and here[name] != version
        }
        if other:
            words = ", ".join(f"{name} {theirs} (here {ours})" for name, (ours, theirs) in other.items())
            found.append(f"{worker.facts['host']} runs {words}: boxes may differ from a local run's.")
    return list(dict.fromkeys(found))


def cluster_metrics(told: Mapping[str, Any]) -> Metrics:
    """Returns ``cluster/*`` from the record of ``track_cluster``."""
    found = {
        "cluster/workers": float(len(told["workers"])),
        "cluster/lost_workers": float(len(told["lost"])),
        "cluster/speedup": float(told["speedup"]),
        "cluster/ideal_share": float(told["ideal_share"]),
        "cluster/ideal_share_open": float(told["ideal_share_open"]),
        "cluster/open_s": float(told["open_s"]),
    }
    if told["shard_overhead_ms"]:
        found["cluster/shard_overhead_ms"] = float(told["shard_overhead_ms"]["p50"])
    return found
