"""The profile of ``task=profile`` as a table and bars: the slowest layers by type and by name."""

from __future__ import annotations

from harness.backends import looks
from harness.present.picture import Picture, drawing, new_figure
from harness.present.section import Section
from harness.scoring.compared import Comparison, Job
from harness.tasks.profile.record import Profiled, ProfileRecord

HEAD = ["layer", "type", "ms", "share"]
MOST_TYPES = 10
LONGEST_NAME = 56


def sections(found: Comparison) -> list[Section]:
    """The profile of each job that has one."""
    made = [_section(row.job) for row in found.well]
    return [section for section in made if section is not None]


def _section(job: Job) -> Section | None:
    found = ProfileRecord.read(job.results.details).profile if "profile" in job.results.details else None
    if found is None or not found.types:
        return None
    total = found.total_ms or 1.0
    body = [["all of type", row.type, f"{row.ms:.3f}", f"{row.ms / total:.1%}"] for row in found.types[:MOST_TYPES]]
    body += [[_short(row.name), row.type, f"{row.ms:.3f}", f"{row.ms / total:.1%}"] for row in found.layers]
    notes = [
        f"Graph {found.graph}, ms of one inference; {found.source}. Sum of all layers {total:.2f} ms; without a profiler "
        f"an inference takes {found.plain_ms:.2f} ms (median)."
    ]
    title = f"Slowest layers: {job.shown or job.results.name}"
    return Section(f"profile-{job.id[:8]}", title, HEAD, body, notes, [bars(job, found)], 50, job.id)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else "..." + name[-(LONGEST_NAME - 3) :]


def bars(job: Job, found: Profiled) -> Picture:
    """Two panels: milliseconds by type, and of the slowest layers by name."""
    types = found.types[:MOST_TYPES]
    panels = {
        "by type": [(row.type, row.ms) for row in types],
        "by name": [(row.name, row.ms) for row in found.layers],
    }
    color = looks.color_of(job.results.choice("backend") or job.results.name)
    with drawing():
        rows = max(len(types), len(found.layers))
        figure, axes = new_figure(0.9 + 0.24 * rows, 10.0, ncols=2, squeeze=False)
        for axis, (title, items) in zip(axes[0], panels.items(), strict=True):
            axis.barh(range(len(items)), [ms for _, ms in items], 0.7, color=color)
            axis.set_yticks(range(len(items)), [_short(name)[-40:] for name, _ in items], fontsize=7)
            axis.invert_yaxis()
            axis.set_xlabel("ms an inference")
            axis.set_title(title)
            axis.grid(axis="y", visible=False)
    caption = f"Time of one inference of graph {found.graph} by layer; {found.source}."
    return Picture(f"profile_{job.id[:8]}", f"Slowest layers of {job.shown or job.results.name}", caption, figure)
