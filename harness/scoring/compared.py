"""A finished job with its samples, and the comparison of jobs: the input of a report's sections.

Only the types are here: ``harness.report`` finds jobs and compares them, a task's ``section`` reads the result.
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
"""The metric that a job without measured latency lacks (parallel runs, files without times)."""


@dataclass
class Job:
    """A job's folder with its results and its samples per frame, which are read on first use."""

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
        """Whether it succeeded."""
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
        """The label for display; it states random weights wherever the run is named."""
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
        """The rows by which boxes are judged: the first round of each sequence (later rounds repeat the boxes)."""
        if self.frames is None or self.frames.empty:
            return None
        first = self.frames.groupby("sequence")["round"].transform("min")
        return self.frames[self.frames["round"] == first]

    @cached_property
    def timed(self) -> pd.DataFrame | None:
        """The updates whose times are latencies, without frame 0; None for contended or untimed runs."""
        if self.frames is None or LATENCY not in self.metrics or "seconds" not in self.frames:
            return None
        rows = self.frames[(self.frames["frame"] > 0) & np.isfinite(self.frames["seconds"])]
        if "contended" in rows:
            rows = rows[~rows["contended"].astype(bool)]
        return rows if len(rows) else None

    def failure(self) -> str:
        """Returns in one line why the job has no results; empty for a job that succeeded."""
        if self.ok:
            return ""
        error = self.results.error or {}
        message = str(error.get("message") or error.get("kind") or "no reason recorded")
        return " ".join(message.split())


@dataclass
class Row:
    """A job and its comparison with the baseline. ``why_not_*`` gives the reason for a missing comparison."""

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
    """``agreement/confidence_*``: how far the confidence differs from the baseline's."""
    against: Row | None = None
    """The row with which this one is compared: the baseline, or the same configuration of an older sweep."""
    same_as: str = ""
    """The label of an earlier job with the same effective configuration; empty if there is none."""
    verdict: str = ""

    @property
    def label(self) -> str:
        """The job's label."""
        return self.job.label

    @property
    def shown(self) -> str:
        """The job's label for display."""
        return self.job.shown


@dataclass(frozen=True)
class Contest:
    """The basis of a comparison of speeds: rounds in which the jobs (by id) were measured side by side.

    Attributes:
        rounds: The rounds.
        least: The fewest undisturbed rounds for a decision.
        basis: A short description of the rounds.
        floor: The noise floor: the largest relative difference of jobs with the same effective configuration; 0 if
            unknown.
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
    """Which of the runs of one machine to deploy, as sentences and as identities of runs.

    Attributes:
        kind: ``answer``, ``tie``, ``pareto``, ``none`` (no run fits) or ``again`` (the machine was too disturbed to
            decide).
        sentence: The answer.
        chosen: Identities of the named runs, the recommended one first; for ``none``, the nearest run.
        judged: Identities of all runs that could have been chosen.
        objectives: Metrics, each with True if it should be high.
        requirements: The conditions as they were written.
        limits: (metric, limit) of the conditions on a value or a difference; a difference is converted to a value.
        dropped: Why each other run was not chosen, by its identity.
        changes: Sentences on what would change the answer.
        steps: (title, command) of the next steps.
        untried: (candidate, reason) of those that were dropped before a full measurement.
        machine: The letter of the machine, if there are several.
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
    """A comparison: its runs, its baseline and its results."""

    rows: list[Row]
    base: Row | None = None
    contest: Contest = field(default_factory=Contest)
    varied: list[str] = field(default_factory=list)
    headlines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Configurations of an older sweep that the newer one lacks."""
    advice: list[Advice] = field(default_factory=list)
    """Which run to deploy, with one answer per machine, if this was requested."""

    @property
    def well(self) -> list[Row]:
        """The rows of jobs that succeeded."""
        return [row for row in self.rows if row.job.ok]

    @property
    def machines(self) -> dict[str, str]:
        """Digest of each machine -> its letter, in order of appearance (empty digest: not recorded)."""
        seen = dict.fromkeys(row.job.machine for row in self.well)
        return {digest: chr(ord("A") + index) for index, digest in enumerate(seen)}
