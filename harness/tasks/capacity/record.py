"""The results of the search for the capacity besides its metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.core.records import Record


@dataclass(kw_only=True)
class Searched:
    """The search.

    Attributes:
        fps: The camera's rate.
        deadline_ms: Milliseconds from a frame's arrival to the end of its processing.
        arrivals: How frames arrive.
        count_decoding: Whether decoding counts.
        workers: Number of frames processed at the same time.
        threads_each: Threads of each worker.
        service_ms: Milliseconds per frame without other load.
        streams: The capacity.
        low: The largest number of streams that passed with confidence.
        high: The largest number of streams that did not fail with confidence.
        bounded: Whether the search ended at ``task.most``.
        steps: Every trial.
    """

    fps: float
    deadline_ms: float
    arrivals: str
    count_decoding: bool
    workers: int
    threads_each: int
    service_ms: float
    streams: int
    low: int
    high: int
    bounded: bool
    steps: list[dict[str, Any]]


@dataclass(kw_only=True)
class CapacityRecord(Record):
    """``task=capacity``."""

    decoder: str = ""
    capacity: Searched | None = None
