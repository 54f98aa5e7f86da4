"""How each run looks in every picture and on the page: by its folder, hue by backend."""

from __future__ import annotations

from pathlib import Path

from harness.present import theme
from harness.present.theme import Style
from harness.scoring.compared import Job


def styles(jobs: list[Job]) -> dict[Path, Style]:
    """A style for each job by its folder: hue by backend, shade by its place among the runs of that backend."""
    return theme.styles({job.folder: family_of(job) for job in jobs})


def family_of(job: Job) -> str:
    """The backend's name; of runs that record none (other tools' results) the one that their own name holds."""
    return theme.family(job.results.choice("backend") or job.results.name)
