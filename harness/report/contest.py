"""Which jobs were measured side by side, and which of them have the same effective configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from harness.core.errors import DataError
from harness.core.files import plain, read_record
from harness.core.results import TURNS_FILE
from harness.scoring import intervals, turns
from harness.scoring.compared import Contest, Job, Row
from harness.scoring.turns import Round

LEAST_REPEATS = 3
"""The least rounds of ``task.repeats`` for an interval; every round has each job once, in another order."""
LOADED_CORES = 0.25
PASSING = ("from_cache",)


def contest_of(jobs: list[Job]) -> Contest:
    """Returns the rounds by which the speeds of ``jobs`` may be compared.

    Args:
        jobs: Jobs of one sweep, or selected by the user.

    Returns:
        The rounds of the sweep's measurement in turns, or those of ``task.repeats``, which a sweep interleaves. Jobs
        that were measured minutes or days apart have none, because the machine may have changed in between.
    """
    well = [job for job in jobs if job.ok]
    sweeps = {job.sweep for job in well}
    if len(sweeps) != 1 or None in sweeps or len(well) < 2:
        return Contest()
    sweep = next(item for item in sweeps if item is not None)
    found = in_turns(sweep)
    if not found.rounds:
        found = of_repeats(well)
    return Contest(found.rounds, found.least, found.basis, noise_floor(well, found))


def in_turns(sweep: Path) -> Contest:
    """Reads the sweep's measurement in turns; it has no rounds if there is no readable one."""
    try:
        rounds = turns.rounds_of(read_record(sweep / TURNS_FILE))
    except DataError:
        return Contest()
    quiet = sum(item.quiet for item in rounds)
    return Contest(tuple(rounds), turns.LEAST_ROUNDS, f"{quiet} rounds in turns")


def of_repeats(jobs: list[Job]) -> Contest:
    """The interleaved rounds of ``task.repeats``."""
    tables = {job.id: intervals.round_fps(job.timed) for job in jobs if job.timed is not None and intervals.repeats(job)}
    numbers = sorted({int(number) for table in tables.values() for number in table.index})
    if len(numbers) < LEAST_REPEATS:
        return Contest()
    loud = {job.id for job in jobs if float(job.results.details.get("other_load_cores", 0.0)) > LOADED_CORES}
    rounds = [
        Round({name: 1 / float(table[number]) for name, table in tables.items() if number in table.index}, not loud, number)
        for number in numbers
    ]
    return Contest(tuple(rounds), LEAST_REPEATS, f"{len(numbers)} rounds")


def noise_floor(jobs: list[Job], found: Contest) -> float:
    """Returns the largest relative difference in ``found`` of jobs with one effective configuration.

    0 without such jobs.
    """
    shares = [0.0]
    for index, job in enumerate(jobs):
        for other in jobs[:index]:
            if in_force(job) == in_force(other) and found.holds(job.id, other.id):
                shares.append(abs(turns.ratio(found.rounds, job.id, other.id, least=found.least).value - 1.0))
    return max(share for share in shares if share == share)


def in_force(job: Job) -> str:
    """Returns everything that decides a job's computation: model, reported settings, threads, task, data."""
    results = job.results
    task = results.config.get("task")
    if isinstance(task, Mapping):
        task = {key: value for key, value in task.items() if key != "repeats"}
    parts = {
        "artifact": results.artifact.get("key", job.id),
        "effective": settings(results.effective) or job.id,
        "threads": results.config.get("threads"),
        "task": task,
        "data": results.dataset.get("digest"),
        "tracker": results.config.get("tracker"),
    }
    return json.dumps(plain(parts), sort_keys=True)


def settings(effective: Mapping[str, str]) -> dict[str, str]:
    """Returns the reported settings of a runtime, without the origin of the compiled model, which does not matter."""
    return {key: value for key, value in effective.items() if key not in PASSING}


def mark_equals(rows: list[Row]) -> None:
    """Marks every job whose effective configuration is that of an earlier one."""
    seen: dict[str, Row] = {}
    for row in rows:
        if row.job.ok:
            first = seen.setdefault(in_force(row.job), row)
            row.same_as = first.label if first is not row else ""
