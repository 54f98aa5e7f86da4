"""Finds the jobs that a user means: a job's folder, a sweep's folder, a run id, or a bundle."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from harness.core.catalog import MEASURED_GROUPS
from harness.core.errors import DataError, told_as
from harness.core.files import at_home, found_below, read_json, read_record
from harness.core.results import RESULTS_FILE, Results, read_sweep
from harness.core.schema import checked
from harness.scoring.compared import Job

SWEEP_FILE = "sweep.json"
MLFLOW_FILE = "mlflow.json"
MANIFEST_FILE = "manifest.json"
"""The manifest of a bundle; it lists the runs in the order in which they were given."""
BUNDLE_FILE = "manifest.json"
"""A file at the root of an imported bundle, whose folder holds sweeps and jobs at several levels."""
SHORTEST_ID = 6
"""The fewest leading characters that identify a run id."""

Unpack = Callable[[Path], Path]
"""Turns a bundle (a zip file) into a folder of jobs; the caller passes it."""


def load(folder: Path, sweep: Path | None = None, number: str = "") -> Job:
    """The job in ``folder``. Raises DataError if there is none."""
    return Job(folder, Results.load(folder), sweep, number)


def jobs_of(sweep: Path) -> list[Job]:
    """Returns all jobs under ``sweep`` in the order of sweep.json; for a single job's folder, only that job.

    A job in sweep.json without a results.json is returned as failed, so that it is visible.
    """
    if (sweep / RESULTS_FILE).is_file():
        return [load(sweep)]
    folders = _listed(sweep)
    for path in sorted(sweep.glob(f"*/{RESULTS_FILE}"), key=lambda path: _natural(path.parent.name)):
        if path.parent.name not in folders:
            folders.append(path.parent.name)
    if not folders:
        raise DataError(f"{sweep} holds no job: neither {RESULTS_FILE} nor {SWEEP_FILE}, nor folders with results.")
    jobs = []
    for name in folders:
        if (sweep / name / RESULTS_FILE).is_file():
            jobs.append(load(sweep / name, sweep, name))
        else:
            jobs.append(Job(sweep / name, _lost(name), sweep, name))
    return jobs


def _lost(name: str) -> Results:
    reason = {"kind": "lost", "message": f"left no {RESULTS_FILE}"}
    return Results(id="", name=f"job {name}", status="failed", config={}, error=reason)


def _listed(sweep: Path) -> list[str]:
    """Returns the jobs' folders in sweep.json, in its order, relative to the sweep's folder."""
    if not (sweep / SWEEP_FILE).is_file():
        return []
    entries = read_sweep(sweep).get("jobs", [])
    names = []
    for entry in entries:
        value = entry
        if isinstance(entry, dict):
            value = next((entry[key] for key in ("folder", "number", "num", "job") if key in entry), None)
        if value is not None:
            path = PurePosixPath(str(value))
            names.append(path.name if path.is_absolute() or ".." in path.parts else str(path))
    return names


def _natural(name: str) -> tuple[int, str]:
    """Returns a key that sorts folder 2 before folder 10."""
    return (int(name) if name.isdigit() else 10**9, name)


# ------------------------------------------------------------------------------------ from words


def is_jobs(folder: Path) -> bool:
    """Whether ``folder`` is a job's, a sweep's or a bundle's, judged by its files."""
    names = (RESULTS_FILE, SWEEP_FILE, MANIFEST_FILE)
    return any((folder / name).is_file() for name in names) or any(folder.glob(f"*/{RESULTS_FILE}"))


def resolve(word: str, outputs: Path = Path("outputs"), unpack: Unpack | None = None) -> list[Job]:
    """Returns the jobs that ``word`` names.

    ``word`` is a job's folder, a sweep's folder, a bundle (a zip file, opened by ``unpack``, or its folder), or the id of a run
    (the harness's or MLflow's, six leading characters suffice), which is looked for under ``outputs``.
    """
    path = at_home(word)
    if path.is_dir():
        return _under(path) if (path / MANIFEST_FILE).is_file() else jobs_of(path)
    if path.is_file():
        if path.name == RESULTS_FILE:
            return [load(path.parent)]
        if path.suffix.lower() == ".zip" and unpack is not None:
            unpacked = unpack(path)
            with told_as(unpacked, path):
                return _under(unpacked)
        raise DataError(f"{path} is a file; give a job's or a sweep's folder, a run id, or a bundle (.zip).")
    found = _by_id(word.lower(), outputs)
    if found:
        return found
    raise DataError(
        f"'{word}' is neither a folder nor the id of a run under {outputs}/; give a job's folder, a sweep's folder, "
        "a bundle (.zip) or at least six characters of a run id."
    )


def _under(folder: Path) -> list[Job]:
    """Returns the jobs of an unpacked bundle in the order of its manifest.

    For a partial sweep, only the existing ones.
    """
    path = folder / MANIFEST_FILE
    raw = checked("manifest", read_record(path), path) if path.is_file() else {}
    jobs = []
    for run in raw.get("runs", []):
        place = folder / str(run.get("folder", ""))
        if not place.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"{folder / MANIFEST_FILE} names a run outside its folder: {place}.")
        sweep = place.parent if (place.parent / SWEEP_FILE).is_file() else None
        jobs.append(load(place, sweep, place.name if sweep else ""))
    if not jobs:
        raise DataError(f"{folder} names no runs in {MANIFEST_FILE}; it is not a bundle of runs.")
    return jobs


def _by_id(word: str, outputs: Path) -> list[Job]:
    if len(word) < SHORTEST_ID or not outputs.is_dir() or not word.isalnum():
        return []
    hits: dict[Path, list[Job]] = {}
    for folder, words in _known(outputs):
        if any(name.startswith(word) for name in words):
            hits[folder] = jobs_of(folder)
    if len(hits) > 1:
        places = ", ".join(str(folder) for folder in sorted(hits)[:4])
        raise DataError(f"'{word}' fits {len(hits)} runs ({places}); give more of the id, or the folder.")
    return next(iter(hits.values()), [])


def _known(outputs: Path) -> Iterator[tuple[Path, set[str]]]:
    """Yields every job and sweep folder under ``outputs`` with its ids."""
    for path in found_below(outputs, (RESULTS_FILE, SWEEP_FILE)):
        try:
            own = read_json(path)
            logged = read_json(path.with_name(MLFLOW_FILE)) if path.with_name(MLFLOW_FILE).is_file() else {}
        except DataError:
            continue
        words = {str(own.get("id", "")).lower()} if isinstance(own, dict) else set()
        yield path.parent, {word for word in words | _ids(logged) if word}


def _ids(logged: Any) -> set[str]:
    """Returns the run ids of this folder in mlflow.json (not those of its parent or its children)."""
    if not isinstance(logged, dict):
        return set()
    return {str(logged[key]).lower() for key in ("run_id", "id", "run") if isinstance(logged.get(key), str)}


# ------------------------------------------------------------------------------------------ labels


def give_labels(jobs: list[Job]) -> None:
    """Gives every job a unique label: its name, then its differing settings, then its number."""
    for job in jobs:
        job.label = job.results.name or job.number or job.id[:8] or job.folder.name
    _tell_apart(jobs, lambda job: ", ".join(_differing(job, jobs)))
    _tell_apart(jobs, _place)
    _tell_apart(jobs, lambda job: job.folder.name)
    _tell_apart(jobs, lambda job: job.id[:8])
    _tell_apart(jobs, lambda job: f"{jobs.index(job) + 1}")


def _place(job: Job) -> str:
    """Returns a readable name of the job's sweep: its date and time, or the folder's name."""
    if job.sweep is None:
        return ""
    day, time = job.sweep.resolve().parts[-2:]
    return f"{day} {time}" if re.fullmatch(r"\d{4}-\d\d-\d\d", day) else time


def _differing(job: Job, jobs: list[Job]) -> list[str]:
    return [
        job.results.choice(group)
        for group in MEASURED_GROUPS
        if len({other.results.choice(group) for other in jobs}) > 1 and job.results.choice(group) not in job.label
    ]


def _tell_apart(jobs: list[Job], word: Callable[[Job], str]) -> None:
    labels = [job.label for job in jobs]
    for job in jobs:
        if labels.count(job.label) > 1 and (extra := word(job)):
            job.label = f"{job.label} ({extra})"
