"""Whether each run keeps up with the camera's rate in ``target_fps``."""

from __future__ import annotations

from harness.present.section import Section
from harness.scoring import budget
from harness.scoring.compared import Comparison

HEAD = ["run", "target", "p99 ms", "budget ms", "over budget"]


def sections(found: Comparison) -> list[Section]:
    """A line and a verdict for each run with a ``target_fps``; nothing if there is none."""
    judged = [(row, target) for row in found.well if (target := budget.target_of(row.job.results.config)) is not None]
    if not judged:
        return []
    body, notes = [], []
    for row, target in judged:
        over, p99 = row.job.metrics.get(budget.OVER), row.job.metrics.get(budget.P99)
        body.append([
            row.shown,
            f"{target:g} fps",
            "-" if p99 is None else f"{p99:.1f}",
            f"{1e3 / target:.1f}",
            "-" if over is None else f"{over:.1%}",
        ])  # fmt: skip
        notes.append(f"{row.shown} {budget.verdict(target, row.job.metrics)}.")
    return [Section("budget", "Against the camera's rate", HEAD, body, notes, order=5)]
