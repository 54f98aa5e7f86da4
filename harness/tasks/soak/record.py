"""What a soak tells besides numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.core.records import Record
from harness.tasks.soak.changes import Growth


@dataclass(kw_only=True)
class Soaked:
    """A soak.

    Attributes:
        minutes: How long it ran, as asked for.
        samples: How many samples were taken.
        window_s: The seconds at either end that first and last speed are of.
        changes: Changes of speed with their second, speeds, causes and a sentence.
        memory: Whether memory grew.
        energy: Which counters counted, or why none did, in words.
        counters: The counters' names.
        throttled: Slow-downs for heat, and seconds held back by the quota; None if there is no such counter.
        interruptions: Where the soak was cut and went on later: after which second of tracking, how long it was away, a sentence.
    """

    minutes: float
    samples: int
    window_s: float
    changes: list[dict[str, Any]]
    memory: Growth
    energy: str
    counters: list[str]
    throttled: dict[str, float | None]
    interruptions: list[dict[str, Any]] = field(default_factory=list)


@dataclass(kw_only=True)
class SoakRecord(Record):
    """``task=soak``."""

    soak: Soaked | None = None
