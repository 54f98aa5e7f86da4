"""What the search for the capacity tells besides numbers."""

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
        workers: Sequences worked on at once.
        threads_each: Threads of each.
        service_ms: Milliseconds of a frame alone.
        streams: The capacity.
        low: The largest number that passed for sure.
        high: The largest number that did not fail for sure.
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
