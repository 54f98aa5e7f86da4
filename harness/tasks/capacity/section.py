"""The number of cameras that each configuration serves, and the curve of the 99th percentile over this number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence as Seq
from statistics import median
from typing import Any

from harness.backends import looks
from harness.present import theme
from harness.present.charts import legend_below
from harness.present.picture import Picture, drawing, new_figure
from harness.present.section import Section
from harness.scoring.compared import Comparison, Job, Row

HEAD = ["run", "streams", "from sure steps", "rate", "deadline", "p99 there", "workers", "one update"]


def sections(found: Comparison) -> list[Section]:
    """The section over all jobs of ``task=capacity``, or nothing if there is none."""
    rows = [row for row in found.well if _told(row.job)]
    if not rows:
        return []
    notes = [
        "Streams: the largest number of sequences tracked at once for which 99 of 100 frames are finished within the deadline "
        "after they arrived and none is dropped. From sure steps: what the steps decided at 99 % confidence leave open.",
        *(_sentence(row) for row in rows),
    ]
    return [Section("capacity", "How many cameras fit", HEAD, [_cells(row) for row in rows], notes, [_curve(rows)], order=12)]


def _told(job: Job) -> Mapping[str, Any]:
    told = job.results.details.get("capacity")
    return told if isinstance(told, Mapping) else {}


def _cells(row: Row) -> list[str]:
    told, p99 = _told(row.job), row.job.metrics.get("capacity/p99_ms")
    return [
        row.shown,
        f"{told['streams']}{' or more' if told['bounded'] else ''}",
        f"{told['low']} to {told['high']}",
        f"{told['fps']:g} fps",
        f"{told['deadline_ms']:.1f} ms",
        "-" if p99 is None else f"{p99:.1f} ms",
        str(told["workers"]),
        f"{told['service_ms']:.1f} ms",
    ]


def _sentence(row: Row) -> str:
    """Returns a sentence on what ended the search."""
    told = _told(row.job)
    more = [step for step in told["steps"] if step["streams"] == told["streams"] + 1 and not step["passed"]]
    over = more[-1] if more else None
    words = f"{row.shown}: {told['streams']} {told['arrivals']} streams"
    if over is None:
        return f"{words} passed; none more was tried."
    if over["dropped"]:
        return f"{words}; with one more a frame was dropped."
    return f"{words}; with one more {over['late']:.1%} of {over['frames']} frames were late."


def _curve(rows: Seq[Row]) -> Picture:
    styles = looks.styles({index: row.job.results.choice("backend") or row.label for index, row in enumerate(rows)})
    with drawing():
        figure, axis = new_figure(4.2)
        for index, row in enumerate(rows):
            style, steps = styles[index], [step for step in _told(row.job)["steps"] if step["p99_ms"] is not None]
            axis.scatter(
                [step["streams"] for step in steps], [step["p99_ms"] for step in steps], s=22, color=style.color, marker=style.marker
            )
            counts = sorted({step["streams"] for step in steps})
            middle = [median(step["p99_ms"] for step in steps if step["streams"] == count) for count in counts]
            axis.plot(counts, middle, color=style.color, linestyle=style.line, label=row.shown)
            for step in steps:
                if step["p99_low_ms"] is not None and step["p99_high_ms"] is not None:
                    axis.vlines(step["streams"], step["p99_low_ms"], step["p99_high_ms"], color=style.color, linewidth=1)
        for deadline in sorted({float(_told(row.job)["deadline_ms"]) for row in rows}):
            axis.axhline(deadline, color=theme.GREY, linestyle="--", linewidth=1)
            axis.annotate(
                f"deadline {deadline:.1f} ms", (1, deadline), (-4, 3), xycoords=("axes fraction", "data"),
                textcoords="offset points", ha="right", fontsize=8, color=theme.GREY,
            )  # fmt: skip
        axis.set_xlabel("streams at once")
        axis.set_ylabel("p99 of (finished - arrived), ms")
        axis.set_ylim(bottom=0)
        axis.locator_params(axis="x", integer=True)
        legend_below(figure, axis, len(rows))
    caption = (
        "99th percentile of the time from a frame's arrival to the end of its processing, a mark for each step that was made, "
        "a line through the medians; bars are 99 % intervals if there were enough samples. A step that dropped a frame ended at once."
    )
    return Picture("capacity", "Latency against the number of cameras", caption, figure)
