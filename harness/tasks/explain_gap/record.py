"""The results of the account of the gap besides its metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.core.records import Record
from harness.tasks.explain_gap.ladder import Account


@dataclass(frozen=True, kw_only=True)
class Ladder(Account):
    """The account, and how it was measured.

    Attributes:
        once_ms: Milliseconds of things that happen once and are in no step.
        counted: Whether benchmark_app's throughput counts model loading or the first inference; with a ``statement``.
        sequence: The sequence that was used.
        frames: Its frames in a round.
        requests: Infer requests in flight in the first rung.
        hint: The job's hint.
        decoder: The library that decodes images.
    """

    once_ms: dict[str, float]
    counted: dict[str, Any]
    sequence: str
    frames: int
    requests: int
    hint: str = ""
    decoder: str = ""


@dataclass(kw_only=True)
class GapRecord(Record):
    """``task=explain_gap``."""

    ladder: Ladder | None = None
