"""A finished job with its samples, and how jobs stand against each other: what the sections of a report receive.

The types alone: ``harness.report`` finds jobs and compares them, a task's ``section`` reads what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.core.results import FRAMES_FILE, Results, read_frames
from harness.scoring.agreement import Agreement
from harness.scoring.intervals import Interval
from harness.scoring.turns import LEAST_ROUNDS, Round

if TYPE_CHECKING:
    import pandas as pd

LATENCY = "latency_ms/p50"
"""A job without this metric did not measure latency (parallel runs, files without times)."""


@dataclass
class Job:
    """A job's folder with its results and, read when first asked for, its samples per frame."""

    folder: Path
    results: Results
    sweep: Path | None = None
    number: str = ""
    label: str = field(default="", compare=False)

    @property
    def id(self) -> str:
        """The run's identity."""
        return self.results.id

    @property
    def ok(self) -> bool:
        """Whether it ended well."""
        return self.results.status == "ok"

    @property
    def metrics(self) -> dict[str, float]:
        """Its metrics by name."""
        return self.results.metrics

    @property
    def random_weights(self) -> bool:
        """Whether only speed was measured."""
        return bool(self.results.scoring.get("random_weights", False))

    @property
    def shown(self) -> str:
        """The label as people see it: random weights are said wherever the run is named."""
        return f"{self.label} [random weights]" if self.random_weights else self.label

    @property
    def machine(self) -> str:
        """The digest of the machine that measured; empty if it is not known (scored result files)."""
        return str(self.results.environment.get("machine") or "")

    @cached_property
    def frames(self) -> pd.DataFrame | None:
        """All rows of frames.parquet, or None if the job has none."""
        if not (self.folder / FRAMES_FILE).is_file():
            return None
        frames = read_frames(self.folder)
        for column, default in (("repetition", 1), ("round", 1)):
            if column not in frames:
                frames[column] = default
        return frames

    @cached_property
    def tracked(self) -> pd.DataFrame | None:
        """The rows that boxes are judged by: of each sequence its first round (later rounds repeat the boxes)."""
        if self.frames is None or self.frames.empty:
            return None
        first = self.frames.groupby("sequence")["round"].transform("min")
        return self.frames[self.frames["round"] == first]

    @cached_property
    def timed(self) -> pd.DataFrame | None:
        """The updates whose times are latencies: frame 0 dropped; None for contended or untimed runs."""
        if self.frames is None or LATENCY not in self.metrics or "seconds" not in self.frames:
            return None
        rows = self.frames[(self.frames["frame"] > 0) & np.isfinite(self.frames["seconds"])]
        if "contended" in rows:
            rows = rows[~rows["contended"].astype(bool)]
        return rows if len(rows) else None

    def failure(self) -> str:
        """Why the job has no results, in a line; empty for a job that succeeded."""
        if self.ok:
            return ""
        error = self.results.error or {}
        message = str(error.get("message") or error.get("kind") or "no reason recorded")
        return " ".join(message.split())


@dataclass
class Row:
    """A job and how it stands against the baseline. ``why_not_*`` says why a comparison is missing."""

    job: Job
    baseline: bool = False
    accuracy: dict[str, Interval] = field(default_factory=dict)
    speed_metric: str = ""
    speed: Interval | None = None
    ratio: Interval | None = None
    why_not_ratio: str = ""
    difference: dict[str, Interval] = field(default_factory=dict)
    why_not_difference: str = ""
    agreement: Agreement | None = None
    why_not_agreement: str = ""
    sureness: dict[str, float] = field(default_factory=dict)
    """``agreement/confidence_*``: how far the confidence parts from the baseline's."""
    against: Row | None = None
    """The row that this one is compared with: the baseline, or the same configuration of an older sweep."""
    same_as: str = ""
    """The label of an earlier job with the same configuration in force; empty if there is none."""
    verdict: str = ""

    @property
    def label(self) -> str:
        """The job's label."""
        return self.job.label

    @property
    def shown(self) -> str:
        """The job's label as people see it."""
        return self.job.shown


@dataclass(frozen=True)
class Contest:
    """What a comparison of speeds rests on: rounds in which the jobs (by id) were measured side by side.

    Attributes:
        rounds: The rounds.
        least: Fewest quiet rounds that decide.
        basis: What the rounds are, in a few words.
        floor: Largest share by which two jobs of the same configuration in force differ: the noise floor; 0 if unknown.
    """

    rounds: tuple[Round, ...] = ()
    least: int = LEAST_ROUNDS
    basis: str = ""
    floor: float = 0.0

    def holds(self, *ids: str) -> bool:
        """Whether all of ``ids`` were measured side by side."""
        return any(all(name in item.seconds for name in ids) for item in self.rounds)


@dataclass(frozen=True)
class Advice:
    """Which of the runs of one machine to deploy, in words and as identities of runs.

    Attributes:
        kind: ``answer``, ``tie``, ``pareto``, ``none`` (nothing fits) or ``again`` (the machine was too disturbed to tell).
        sentence: The answer.
        chosen: Identities of the runs that it names, the recommended one first; of ``none`` the nearest.
        judged: Identities of all runs that could have been chosen.
        objectives: Metrics with whether they should be high.
        requirements: The conditions as they were written.
        limits: (metric, limit) of the conditions on a value or a difference, the latter as the value that it comes to.
        dropped: Why each other run was not chosen, by its identity.
        changes: Sentences on what would change the answer.
        steps: (title, command) of what to do with it.
        untried: (candidate, reason) of those that were dropped before they were measured whole.
        machine: The letter of the machine, where there are several.
    """

    kind: str
    sentence: str
    chosen: tuple[str, ...] = ()
    judged: tuple[str, ...] = ()
    objectives: tuple[tuple[str, bool], ...] = ()
    requirements: tuple[str, ...] = ()
    limits: tuple[tuple[str, float], ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    steps: tuple[tuple[str, str], ...] = ()
    untried: tuple[tuple[str, str], ...] = ()
    machine: str = ""


@dataclass
class Comparison:
    """What was compared, against which baseline, and what came of it."""

    rows: list[Row]
    base: Row | None = None
    contest: Contest = field(default_factory=Contest)
    varied: list[str] = field(default_factory=list)
    headlines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Configurations of an older sweep that the newer one lacks."""
    advice: list[Advice] = field(default_factory=list)
    """What to deploy, one answer a machine, where somebody asked for it."""

    @property
    def well(self) -> list[Row]:
        """The rows of jobs that ended well."""
        return [row for row in self.rows if row.job.ok]

    @property
    def machines(self) -> dict[str, str]:
        """Digest of each machine -> its letter, in order of appearance (empty digest: not recorded)."""
        seen = dict.fromkeys(row.job.machine for row in self.well)
        return {digest: chr(ord("A") + index) for index, digest in enumerate(seen)}
