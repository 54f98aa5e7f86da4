"""The results of a VOT challenge's experiment besides its metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.core.records import Record


@dataclass(kw_only=True)
class VotRecord(Record):
    """``task=vot``.

    Attributes:
        stack: The toolkit's stack of experiments.
        experiment: The experiment that was run, and its type.
        toolkit: The version of vot-toolkit.
        failures: How often the tracker was initialised again, by sequence (supervised experiments).
        analysis: The results of the toolkit's analyses, in its own form.
    """

    stack: str
    experiment: str
    toolkit: str
    failures: dict[str, int] = field(default_factory=dict)
    analysis: list[Any] = field(default_factory=list)
