"""What the experiment of a VOT challenge tells besides numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.core.records import Record


@dataclass(kw_only=True)
class VotRecord(Record):
    """``task=vot``.

    Attributes:
        stack: The toolkit's stack of experiments.
        experiment: Which of them was run, and its type.
        toolkit: Its version.
        failures: How often the tracker was begun anew, by sequence (supervised experiments).
        analysis: What the toolkit's analyses found, as it writes it.
    """

    stack: str
    experiment: str
    toolkit: str
    failures: dict[str, int] = field(default_factory=dict)
    analysis: list[Any] = field(default_factory=list)
