"""How each run looks in every picture and on the page: by its folder, hue by backend."""

from __future__ import annotations

from pathlib import Path

from harness.backends import looks
from harness.present.theme import Style
from harness.scoring.compared import Job


def styles(jobs: list[Job]) -> dict[Path, Style]:
    """A style for each job by its folder: hue by backend, shade by its place among the runs of that backend."""
    return looks.styles({job.folder: name_of(job) for job in jobs})


def name_of(job: Job) -> str:
    """Returns the backend's name.

    For runs that record none (other tools' results), the run's name, which may contain one.
    """
    return job.results.choice("backend") or job.results.name
