"""The account of ``task=explain_gap`` as a table and a waterfall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.present import theme
from harness.present.picture import Picture, drawing, new_figure
from harness.present.section import Section
from harness.scoring.compared import Comparison, Job
from harness.tasks.explain_gap.record import GapRecord, Ladder

HEAD = ["step", "ms a frame", "fps", "adds ms", "rounds spread"]
UP, DOWN, WHOLE, REST = theme.ORANGE, theme.GREEN, theme.BLUE, theme.GREY


def sections(found: Comparison) -> list[Section]:
    """The ladder of each job that has one."""
    made = [_section(row.job) for row in found.well]
    return [section for section in made if section is not None]


def _section(job: Job) -> Section | None:
    ladder = GapRecord.read(job.results.details).ladder if "ladder" in job.results.details else None
    if ladder is None:
        return None
    body = [_line(row) for row in ladder.rows]
    title = f"From benchmark_app to the tracker: {job.shown or job.results.name}"
    return Section(f"gap-{job.id[:8]}", title, HEAD, body, notes(ladder), [waterfall(job, ladder)], 40, job.id)


def _line(row: Mapping[str, Any]) -> list[str]:
    step = row["step_ms"]
    return [
        str(row["step"]),
        f"{row['ms']:.2f}",
        f"{row['fps']:.2f}",
        "" if step is None else f"{step:+.2f}",
        f"{row['spread']:.1%}",
    ]


def notes(ladder: Ladder) -> list[str]:
    """Returns the verdict, the check against the loop's timers, one-time costs, and what benchmark_app counts."""
    stages = ", ".join(
        f"{row['stage']} {row['ladder_ms']:.2f} by the ladder, {row['timer_ms']:.2f} by the loop's timer "
        f"({row['difference_ms']:+.2f})"
        for row in ladder.stages
    )
    once = ", ".join(f"{name} {ms:.1f}" for name, ms in ladder.once_ms.items())
    return [
        ladder.verdict,
        f"Stages, ms a frame (differences taken within each round): {stages}.",
        f"Once, in no step, ms: {once}.",
        str(ladder.counted["statement"]),
    ]


def waterfall(job: Job, ladder: Ladder) -> Picture:
    """Draws milliseconds per frame from benchmark_app (top) to the loop (bottom).

    Each bar starts at the end of the last.
    """
    rows = ladder.rows
    with drawing():
        figure, axis = new_figure(0.6 + 0.36 * (len(rows) + 1), 9.0)
        before = 0.0
        for place, row in enumerate(rows):
            step = row["step_ms"]
            left, width = (0.0, row["ms"]) if step is None else (min(before, row["ms"]), abs(step))
            color = WHOLE if step is None else REST if row["key"] == "pipeline" else UP if step > 0 else DOWN
            axis.barh(place, width, 0.62, left=left, color=color)
            label = f"{row['ms']:.1f} ms = {row['fps']:.1f} fps" if step is None else f"{step:+.2f} ms"
            axis.annotate(label, (left + width, place), (4, 0), textcoords="offset points", va="center", fontsize=8)
            before = row["ms"]
        last = rows[-1]
        axis.barh(len(rows), last["ms"], 0.62, color=WHOLE)
        axis.annotate(
            f"{last['ms']:.1f} ms = {last['fps']:.1f} fps", (last["ms"], len(rows)), (4, 0), textcoords="offset points",
            va="center", fontsize=8,
        )  # fmt: skip
        axis.set_yticks(range(len(rows) + 1), [*(row["step"] for row in rows), "the tracker's loop"])
        axis.invert_yaxis()
        axis.set_xlabel("ms a frame")
        axis.grid(axis="y", visible=False)
        axis.margins(x=0.18)
        axis.set_xlim(left=0)
    caption = (
        "Each bar adds one thing to those above it; blue: whole times, orange: time added, green: time saved, grey: what the "
        f"steps leave unexplained. Medians of {ladder.rounds} rounds of {ladder.frames} frames of {ladder.sequence}, "
        f"{ladder.requests} requests in flight at the top."
    )
    return Picture(f"gap_{job.id[:8]}", "From benchmark_app's throughput to the tracker's fps", caption, figure)
