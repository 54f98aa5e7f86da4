"""What the account of the gap tells besides numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.core.records import Record
from harness.tasks.explain_gap.ladder import Account


@dataclass(frozen=True, kw_only=True)
class Ladder(Account):
    """The account, and how it was measured.

    Attributes:
        once_ms: What happens once and is in no step.
        counted: Whether benchmark_app's throughput counts model loading or the first inference; with a ``statement``.
        sequence: The sequence that was worked on.
        frames: Its frames in a round.
        requests: Requests in flight at the top.
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
