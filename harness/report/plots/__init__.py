"""The pictures: of one job, and of several compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np

from harness.core.errors import tolerated
from harness.present.picture import Picture, save_png
from harness.report import sections
from harness.report.plots.latency import latency_histograms, latency_traces, stage_breakdown
from harness.report.plots.sequences import parting, sequence_map, success_curves
from harness.report.plots.speed import accuracy_bar, accuracy_speed, fps_bar
from harness.report.sources import give_labels
from harness.scoring.compared import Comparison, Job, Row

PLOTS = "plots"
MOST_DRAWN = 12
"""The most runs in a picture, with a panel or a bar each; more cannot be distinguished and need much memory."""
Tell = Callable[[str], None]


def job_plots(job: Job, place: Path, tell: Tell) -> list[Path]:
    """Draws a job's pictures to files in ``place``: success curve, latency histogram and trace, stages, its sections'.

    Args:
        job: The job.
        place: The folder of the files.
        tell: Gets a sentence for each picture that could not be drawn.
    """
    return save_all(job_pictures(job, tell), place, tell)


def job_pictures(job: Job, tell: Tell) -> list[Picture]:
    """Draws the pictures of one job: success curve, latency histogram and trace, stages, its sections'.

    None if it failed.

    Args:
        job: The job.
        tell: Gets a sentence for each picture that could not be drawn.
    """
    give_labels([job])
    if not job.ok:
        return []
    own = [section for section in sections.of(Comparison([Row(job)])) if section.job == job.id]
    makers: list[Callable[[], Picture | None]] = [
        partial(maker, [job]) for maker in (success_curves, latency_histograms, latency_traces, stage_breakdown)
    ]
    return [*_drawn(makers, tell), *(picture for section in own for picture in section.pictures)]


def comparison_pictures(found: Comparison) -> list[Picture]:
    """Draws all pictures of a comparison for which there is data, in the order of the page."""
    rows = telling(found)
    jobs = [row.job for row in rows]
    if not jobs:
        return []
    makers: list[Callable[[], Picture | None]] = [
        *(partial(maker, rows) for maker in (fps_bar, accuracy_bar, accuracy_speed)),
        *(partial(maker, jobs) for maker in (success_curves, latency_histograms, latency_traces, stage_breakdown, sequence_map)),
        partial(parting, found),
    ]
    drawn = _drawn(makers, found.warnings.append)
    if len(rows) < len(found.well):
        for picture in drawn:
            picture.caption += (
                f" Drawn are {len(rows)} of {len(found.well)} runs: the baseline, the fastest, the slowest, and others spread evenly "
                "between them; the tables have all."
            )
    return drawn


def telling(found: Comparison) -> list[Row]:
    """Returns the runs in pictures: all, or if there are too many, the baseline and others spread over their speeds."""
    rows = found.well
    if len(rows) <= MOST_DRAWN:
        return rows
    ordered = sorted((row for row in rows if row is not found.base), key=lambda row: row.speed.value if row.speed else 0.0)
    places = np.linspace(0, len(ordered) - 1, MOST_DRAWN - (found.base is not None)).round().astype(int)
    kept = {id(ordered[place]) for place in places} | {id(found.base)}
    return [row for row in rows if id(row) in kept]


def save_all(pictures: Iterable[Picture], folder: Path, tell: Tell) -> list[Path]:
    """Writes pictures as PNG files; if one cannot be written, it is reported, and the others are still written."""
    saved = []
    for picture in pictures:
        with tolerated("A picture could not be written", tell):
            saved.append(save_png(picture, folder))
    return saved


def _drawn(makers: Iterable[Callable[[], Picture | None]], tell: Tell) -> list[Picture]:
    found = []
    for maker in makers:
        with tolerated("A picture could not be drawn", tell):
            picture = maker()
            if picture is not None:
                found.append(picture)
    return found
