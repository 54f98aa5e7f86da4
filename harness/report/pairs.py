"""Two sweeps, an older and a newer one, compared configuration by configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.core.catalog import MEASURED_GROUPS
from harness.report import differences
from harness.report.contest import in_turns
from harness.scoring import turns
from harness.scoring.compared import Job, Row
from harness.scoring.intervals import Interval
from harness.scoring.means import welch

LABELS = ("old", "new")


def are_sweeps(groups: list[list[Job]]) -> bool:
    """Whether two groups of jobs are two sweeps, to be compared configuration by configuration."""
    return len(groups) == 2 and all(_is_sweep(group) for group in groups) and groups[0][0].sweep != groups[1][0].sweep


def _is_sweep(jobs: list[Job]) -> bool:
    return len(jobs) > 1 and jobs[0].sweep is not None and len({job.sweep for job in jobs}) == 1


def pair(old: list[Job], new: list[Job]) -> tuple[dict[Path, Job], list[Job], list[Job]]:
    """Matches the jobs of two sweeps by their configuration.

    Args:
        old: The older sweep's jobs.
        new: The newer sweep's jobs.

    Returns:
        The older job for the folder of each newer one; the older jobs without a newer partner; the newer without an older.
    """
    varied = list(dict.fromkeys([*differences.varied(old), *differences.varied(new)]))
    known: dict[tuple[Any, ...], list[Job]] = {}
    for job in old:
        known.setdefault(configuration(job, varied), []).append(job)
    found, extra = {}, []
    for job in new:
        partners = known.get(configuration(job, varied), [])
        if partners:
            found[job.folder] = partners.pop(0)
        else:
            extra.append(job)
    return found, [job for partners in known.values() for job in partners], extra


def configuration(job: Job, varied: list[str]) -> tuple[Any, ...]:
    """What makes two jobs of different sweeps the same configuration: the groups' choices and all that either sweep varies."""
    flat = differences.flatten(job.results.config)
    groups = (*MEASURED_GROUPS, "task", "dataset")
    keys = [key for key in varied if key not in groups]
    return (*(job.results.choice(group) for group in groups), *(repr(flat.get(key)) for key in keys))


def speed_ratio(own: Job, base: Job) -> Interval | None:
    """How many times as fast a configuration is as it was in another sweep, from both measurements in turns; None without.

    The interval knows the noise within each measurement, not that between the two days.
    """
    if own.sweep is None or base.sweep is None:
        return None
    mine, theirs = (_log_times(job) for job in (own, base))
    if min(len(mine), len(theirs)) < turns.LEAST_ROUNDS:
        return None
    centre = float(theirs.mean() - mine.mean())
    if np.ptp(mine) == 0 and np.ptp(theirs) == 0:
        return Interval(float(np.exp(centre)))
    low, high = welch(theirs, mine)
    basis = f"{len(theirs)} and {len(mine)} rounds in turns, measured separately"
    return Interval(float(np.exp(centre)), float(np.exp(low)), float(np.exp(high)), basis)


def _log_times(job: Job) -> turns.Floats:
    assert job.sweep is not None
    rounds = turns.quiet_rounds(in_turns(job.sweep).rounds, (job.id,))
    return np.log([item.seconds[job.id] for item in rounds])


def headlines(rows: list[Row], missing: list[Job], extra: list[Job]) -> list[str]:
    """What became slower, faster or less accurate than it was, and what is missing."""
    judged = [row for row in rows if row.against is not None]
    lines = [f"Missing in the newer sweep: {job.shown}." for job in missing]
    lines += [f"New, with nothing to compare it with: {job.shown}." for job in extra]
    for row in judged:
        assert row.against is not None
        if row.ratio is not None and row.ratio.known and row.ratio.excludes(1.0) and abs(row.ratio.value - 1) > turns.MARGIN:
            word = "Slower" if row.ratio.value < 1 else "Faster"
            lines.append(f"{word} than it was: {row.shown}, {_times(row.ratio)} of before.")
        if "ao" in row.difference and row.difference["ao"].excludes(0.0) < 0:
            lines.append(f"Less accurate than it was: {row.shown}, AO {row.difference['ao'].value:+.4f}.")
    return lines or [f"No configuration of {len(judged)} is shown to be slower or less accurate than it was."]


def _times(ratio: Interval) -> str:
    return f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}] times"
