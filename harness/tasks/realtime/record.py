"""The results of live tracking besides its metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.core.records import Record


@dataclass(kw_only=True)
class LiveRecord:
    """Live tracking.

    Attributes:
        convention: Which result is scored for which frame.
        grace: Frames of grace under VOT's convention; None under another convention.
        clock: The source of the updates' times.
        latency_ms: The latency of the fixed clock.
        recording: The earlier run whose times are used.
        count_decoding: Whether decoding counts.
        rates: Frame counts and accuracy at each of the camera's rates.
    """

    convention: str
    grace: float | None
    clock: str
    latency_ms: float | None
    recording: str | None
    count_decoding: bool
    rates: list[dict[str, Any]]


@dataclass(kw_only=True)
class RealtimeRecord(Record):
    """``task=realtime``."""

    decoder: str = ""
    resumed_runs: int = 0
    realtime: LiveRecord | None = None
