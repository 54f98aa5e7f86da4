"""Finds all runs below a folder and in a local MLflow store, each once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from harness.core.errors import DataError
from harness.core.results import RESULTS_FILE, Results
from harness.report.sources import load
from harness.scoring.compared import Job

CACHE = "cache"
"""The folder under ``outputs/`` with prepared models and data, which has no runs."""
ARTIFACTS = "artifacts"
"""The folder of a local MLflow store that holds, for each run, a copy of its results and frames."""


def folders(root: Path, named: str = RESULTS_FILE) -> Iterator[Path]:
    """Yields the folders below ``root`` with results (or another file ``named``), in order; does not follow links."""
    for place, inner, files in os.walk(root):
        inner[:] = sorted(name for name in inner if not name.startswith(".") and not (Path(place) == root and name == CACHE))
        if named in files:
            yield Path(place)


def runs(roots: Iterable[Path], tell: Callable[[str], None]) -> list[Job]:
    """Returns all successful runs below ``roots``, each once, the oldest first.

    Args:
        roots: Folders; a run in several of them is read from the first.
        tell: Gets a sentence for each folder that cannot be read.
    """
    found: dict[str, Job] = {}
    for root in roots:
        for folder in folders(root):
            try:
                job = load(folder)
            except DataError as error:
                tell(f"left out: {error}")
                continue
            if job.ok and job.results.ended:
                found.setdefault(job.id, job)
    return sorted(found.values(), key=lambda job: ended(job.results))


def ended(results: Results) -> str:
    """Returns the time when a run ended, as text that sorts by time: ISO 8601 in UTC."""
    return results.ended


def roots_of(outputs: Path, store: Path | None) -> list[Path]:
    """Returns the folders to search for runs. Raises DataError if neither the folder nor the store exists."""
    places = [outputs, *([store / ARTIFACTS] if store is not None else [])]
    there = [place for place in places if place.is_dir()]
    if not there:
        raise DataError(f"{' and '.join(map(str, places))} do not exist; start where runs were made, or give --outputs or --root.")
    return there
