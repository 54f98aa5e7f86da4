"""The pictures: of one job, and of several compared."""

from __future__ import annotations

from pathlib import Path

from harness.present.picture import Picture, save_png
from harness.report import sections
from harness.report.plots.latency import latency_histograms, latency_traces, stage_breakdown
from harness.report.plots.sequences import parting, sequence_map, success_curves
from harness.report.plots.speed import accuracy_bar, accuracy_speed, fps_bar
from harness.report.sources import give_labels, load
from harness.scoring.compared import Comparison, Row

PLOTS = "plots"


def job_plots(folder: Path) -> list[Path]:
    """Draws a job's pictures to ``folder/plots``: success curve, latency histogram and trace, stages, its sections'."""
    job = load(folder)
    give_labels([job])
    if not job.ok:
        return []
    own = [section for section in sections.of(Comparison([Row(job)])) if section.job == job.id]
    drawn = (
        success_curves([job]),
        latency_histograms([job]),
        latency_traces([job]),
        stage_breakdown([job]),
        *(picture for section in own for picture in section.pictures),
    )
    return [save_png(picture, folder / PLOTS) for picture in drawn if picture is not None]


def comparison_pictures(found: Comparison) -> list[Picture]:
    """All pictures of a comparison for which there is something to draw, in the order of the page."""
    rows = found.well
    jobs = [row.job for row in rows]
    if not jobs:
        return []
    drawn = (
        fps_bar(rows),
        accuracy_bar(rows),
        accuracy_speed(rows),
        success_curves(jobs),
        latency_histograms(jobs),
        latency_traces(jobs),
        stage_breakdown(jobs),
        sequence_map(jobs),
        parting(found),
    )
    return [picture for picture in drawn if picture is not None]
