"""The profile of ``task=profile`` as a table and bars: the slowest layers by type and by name."""

from __future__ import annotations

from harness.backends import looks
from harness.present.picture import Picture, drawing, new_figure
from harness.present.section import Section
from harness.scoring.compared import Comparison, Job
from harness.tasks.profile.record import LayerTime, Profiled, ProfileRecord, TypeTime
from harness.tasks.profile.roofline import Roofs

HEAD = ["layer", "type", "ms", "share", "GOP", "MB", "GOP/s", "of the limit", "limited by"]
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
    body = [
        ["all of type", row.type, f"{row.ms:.3f}", f"{row.ms / total:.1%}", *_work(row), ""] for row in found.types[:MOST_TYPES]
    ]
    body += [
        [_short(row.name), row.type, f"{row.ms:.3f}", f"{row.ms / total:.1%}", *_work(row), row.limited_by]
        for row in found.layers
    ]
    notes = [
        f"Graph {found.graph}, ms of one inference; {found.source}. Sum of all layers {total:.2f} ms; without a profiler "
        f"an inference takes {found.plain_ms:.2f} ms (median)."
    ]
    pictures = [bars(job, found)]
    if found.roofs is not None and found.limit_ms is not None:
        notes.append(_told(found, found.roofs, found.limit_ms))
        pictures += rooflines(job, found)
    title = f"Slowest layers: {job.shown or job.results.name}"
    return Section(f"profile-{job.id[:8]}", title, HEAD, body, notes, pictures, 50, job.id)


def _work(row: TypeTime | LayerTime) -> list[str]:
    """Returns cells: operations (1e9), MB, 1e9 operations per second, the limit's share of the time.

    Empty if unknown.
    """
    products = row.operations if row.operations else None
    return [
        "" if products is None else f"{products / 1e9:.3f}",
        "" if row.bytes is None else f"{row.bytes / 1e6:.2f}",
        "" if products is None or row.ms <= 0 else f"{products / row.ms / 1e6:.0f}",
        "" if row.limit_ms is None or row.ms <= 0 else f"{row.limit_ms / row.ms:.0%}",
    ]


def _size(megabytes: float) -> str:
    return f"{megabytes:.0f}" if megabytes >= 1 else f"{megabytes:.2g}"


def _told(found: Profiled, roofs: Roofs, limit: float) -> str:
    """Returns a sentence on the limits."""
    peaks = ", ".join(f"{name} {value:.0f} GOP/s" for name, value in roofs.gops.items()) or "no product was measured"
    copies = f"; copies reach {roofs.memory[0][1]:.0f} GB/s in {_size(roofs.memory[0][0])} MB and {roofs.memory[-1][1]:.0f} GB/s in {_size(roofs.memory[-1][0])} MB" if roofs.memory else ""
    return (
        f"Measured here, with the same runtime and threads: {peaks}{copies}. At these rates all layers would take at least "
        f"{limit:.2f} ms, {limit / (found.total_ms or 1.0):.0%} of their time. A layer can pass 100 % if its data stay in a core's own cache."
    )


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else "..." + name[-(LONGEST_NAME - 3) :]


def bars(job: Job, found: Profiled) -> Picture:
    """Draws two panels: milliseconds by type, and of the slowest layers by name."""
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


def rooflines(job: Job, found: Profiled) -> list[Picture]:
    """Draws layers by operations per byte and operations per second, under the roofs; none if no layer has both."""
    roofs = found.roofs
    points = [row for row in found.layers if row.operations and row.bytes and row.ms > 0]
    if roofs is None or not roofs.gops or not points:
        return []
    color = looks.color_of(job.results.choice("backend") or job.results.name)
    with drawing():
        figure, axes = new_figure(5.0)
        spots = [(row.operations / row.bytes, row.operations / row.ms / 1e6) for row in points if row.operations and row.bytes]
        low, high = min(x for x, _ in spots) / 3, max(x for x, _ in spots) * 3
        top = max(roofs.gops.values())
        for number, (name, peak) in enumerate(sorted(roofs.gops.items(), key=lambda item: item[1])):
            axes.plot([low, high], [peak, peak], color="black", linestyle=("-", "--", ":")[number % 3], linewidth=1)
            axes.annotate(f"{name} {peak:.0f} GOP/s", (high, peak), ha="right", va="bottom", fontsize=8)
        for (size, rate), style in zip(roofs.memory[:: max(1, len(roofs.memory) - 1)], ("--", "-"), strict=False):
            ends = [low, min(high, top / rate)]
            axes.plot(ends, [end * rate for end in ends], color="grey", linestyle=style, linewidth=1)
            axes.annotate(f"{rate:.0f} GB/s in {_size(size)} MB", (low, low * rate), va="bottom", fontsize=8, color="grey")
        longest = max(row.ms for row in points)
        areas = [20 + 300 * row.ms / longest for row in points]
        axes.scatter([x for x, _ in spots], [y for _, y in spots], areas, color=color, alpha=0.6, edgecolors="white")
        axes.set(xscale="log", yscale="log", xlabel="operations for each byte", ylabel="GOP/s")
    caption = (
        f"Roofline of graph {found.graph}: each circle is a layer (the slowest {len(found.layers)} by name), its area the time it takes. "
        "Flat lines are the most operations a second that were measured for a precision, sloping ones the memory's rate for small and large data."
    )
    return [Picture(f"roofline_{job.id[:8]}", f"Roofline of {job.shown or job.results.name}", caption, figure)]
