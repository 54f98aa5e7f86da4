"""A running search: its request, folder, state and machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.jobs.recommend.lab import Lab, Say
from harness.jobs.recommend.state import Request, State
from harness.report.choice import Objective
from harness.report.comparison import compare
from harness.report.gates import Gate
from harness.report.sources import load
from harness.scoring.compared import Comparison, Row

REFERENCE = "0"
"""The folder of the baseline run."""

COMPARING = "quantization.compare_seconds="


@dataclass
class Search:
    """A running search: its request, folder, state, machine, and the parsed parts of the request."""

    request: Request
    folder: Path
    state: State
    lab: Lab
    say: Say
    objectives: list[Objective]
    requirements: list[Gate]
    started: float = field(default=-1.0)

    def __post_init__(self) -> None:
        self.started = self.lab.now()

    @property
    def deadline(self) -> float:
        """When the time is up, by the lab's clock."""
        return self.started + max(0.0, self.request.minutes * 60 - self.state.spent_s)

    def save(self) -> None:
        """Keeps the state."""
        now = self.lab.now()
        self.state.spent_s += now - self.started
        self.started = now
        self.state.save(self.folder)

    def compose(self, overrides: list[str]) -> dict[str, Any]:
        """Composes the configuration of a job of the search."""
        return self.lab.compose([*self.request.fixed, *overrides])

    def whole(self, overrides: list[str]) -> dict[str, Any]:
        """Composes the configuration of a full measurement, without the comparison of int8 with fp32 (not needed)."""
        given = any(text.startswith(COMPARING) for text in self.request.fixed)
        return self.compose(overrides if given else [*overrides, f"{COMPARING}0"])

    def compared(self, *further: Path) -> Comparison:
        """Compares the baseline and the finalists so far; ``further`` are folders of additional jobs."""
        places = dict.fromkeys([REFERENCE, *(entry.place for entry in self.state.entries if entry.place)])
        jobs = [load(self.folder / name, self.folder, name) for name in sorted(places, key=int) if self.measured(name)]
        return compare([*jobs, *(load(folder, self.folder, folder.name) for folder in further)])

    def measured(self, place: str) -> bool:
        """Whether a finalist has a result."""
        return (self.folder / place / "results.json").is_file()

    def eligible(self, found: Comparison) -> list[Row]:
        """Returns the finalists among the rows; the baseline is one only if it is a candidate itself."""
        places = {entry.place for entry in self.state.entries if entry.status == "finalist"}
        return [row for row in found.well if row.job.folder.parent == self.folder and row.job.folder.name in places]
