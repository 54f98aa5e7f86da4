"""The results of a soak besides its metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.core.records import Record
from harness.tasks.soak.changes import Growth


@dataclass(kw_only=True)
class Soaked:
    """A soak.

    Attributes:
        minutes: The requested duration.
        samples: How many samples were taken.
        window_s: The seconds at each end over which first and last speed are measured.
        changes: Changes of speed with their second, speeds, causes and a sentence.
        memory: Whether memory grew.
        energy: A sentence on the counters used, or on why there are none.
        counters: The counters' names.
        throttled: Thermal throttling events, and seconds throttled by the CPU quota; None if there is no such counter.
        interruptions: Interruptions of the soak: after which second of tracking, for how long, and a sentence.
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
