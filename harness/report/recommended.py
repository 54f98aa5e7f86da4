"""The recommendation in a report: the answer, the finalists, why each other candidate was dropped, and the Pareto picture."""

from __future__ import annotations

from harness.core.catalog import catalog
from harness.present.charts import wrapped
from harness.present.picture import Picture, drawing, new_figure
from harness.present.section import Section
from harness.report.columns import Column, value_of
from harness.report.looks import styles
from harness.scoring.compared import Advice, Comparison, Row

FIRST = 1
WORDS = {"answer": "recommended", "tie": "recommended", "none": "nearest", "again": "fastest as far as told"}
PARTNERS = ("ao", "latency_ms/p99", "fps")
"""The other axis if there is one objective: the first of these metrics that the runs have."""


def sections(found: Comparison) -> list[Section]:
    """Returns the answer of each machine; nothing if no answer was requested."""
    made = []
    for number, told in enumerate(found.advice):
        made += _of(found, told, f"{number + 1}" if number else "")
    return made


def _of(found: Comparison, told: Advice, suffix: str) -> list[Section]:
    rows = [row for row in found.well if row.job.id in told.judged]
    names = _metrics(found, told)
    shown = [Column(catalog().get(name)) for name in names]
    head = ["candidate", "finding", *(column.metric.title for column in shown)]
    rows.sort(key=lambda row: told.chosen.index(row.job.id) if row.job.id in told.chosen else len(told.chosen))
    body = [[row.shown, _finding(row, told), *(f"{column.text(row)} {column.interval(row)}".rstrip() for column in shown)] for row in rows]
    where = f" (machine {told.machine})" if told.machine else ""
    asked = [f"{'maximise' if higher else 'minimise'} {name}" for name, higher in told.objectives]
    notes = [told.sentence, f"Asked: {', '.join(asked)}" + (f"; required: {', '.join(told.requirements)}." if told.requirements else ".")]
    notes += [f"{title}: {command}" for title, command in told.steps]
    notes += [f"What would change the answer: {line}" for line in told.changes]
    picture = pareto(rows, told, suffix)
    made = [Section(f"recommendation{suffix}", f"Recommendation{where}", head, body, notes, [picture] if picture else [], order=FIRST)]
    if told.untried:
        listed = [[name, reason] for name, reason in sorted(told.untried)]
        made.append(Section(f"dropped{suffix}", "Dropped before they were measured whole", ["candidate", "why"], listed, order=FIRST + 1))
    return made


def _metrics(found: Comparison, told: Advice) -> list[str]:
    """Returns the metrics of the finalists' table: objectives, requirements, and those of every answer."""
    wanted = [name for name, _ in told.objectives] + [name for name, _ in told.limits]
    names = dict.fromkeys([*wanted, "speed_up", "fps", "ao", "ao_difference", "latency_ms/p99"])
    rows = [row for row in found.well if row.job.id in told.judged]
    return [name for name in names if any(value_of(row, name) is not None for row in rows)]


def _finding(row: Row, told: Advice) -> str:
    if row.job.id not in told.chosen:
        return told.dropped.get(row.job.id, "-")
    if told.kind == "pareto":
        return "on the front"
    if row.job.id == told.chosen[0]:
        return WORDS[told.kind]
    return "tie, not the simplest" if told.kind == "tie" else "-"


# ------------------------------------------------------------------------------------------- picture


def pareto(rows: list[Row], told: Advice, suffix: str = "") -> Picture | None:
    """Draws the runs over two metrics with the Pareto front; None if no run has both metrics."""
    axes = _axes(rows, told)
    if axes is None:
        return None
    (x, x_high), (y, y_high) = axes
    points = {row.job.folder: (float(value_of(row, x) or 0.0), float(value_of(row, y) or 0.0)) for row in rows if None not in (value_of(row, x), value_of(row, y))}
    kept = [row for row in rows if row.job.folder in points]
    look = styles([row.job for row in kept])
    best = front([points[row.job.folder] for row in kept], x_high, y_high)
    with drawing():
        figure, axis = new_figure(4.6, 8.5)
        axis.plot([point[0] for point in best], [point[1] for point in best], color="#999999", linewidth=1, zorder=1, label="front")
        for row in kept:
            style, chosen = look[row.job.folder], bool(told.chosen) and row.job.id == told.chosen[0]
            spot = points[row.job.folder]
            axis.scatter(*spot, s=130 if chosen else 55, color=[style.color], marker="*" if chosen else style.marker, zorder=3, label=wrapped(row.shown, 44))
        for name, limit in told.limits:
            line = {x: axis.axvline, y: axis.axhline}.get(name)
            if line is not None:
                line(limit, color="#222222", linestyle="--", linewidth=1, label=f"required: {catalog().get(name).title} {limit:.4g}")
        entries = [catalog().get(name) for name in (x, y)]
        axis.set_xlabel(f"{entries[0].title} ({entries[0].unit}), {'right' if x_high else 'left'} is better")
        axis.set_ylabel(f"{entries[1].title} ({entries[1].unit}), {'up' if y_high else 'down'} is better")
        axis.margins(0.12)
        figure.legend(loc="outside right upper", fontsize=7)
    caption = (
        "Each mark is a run that was measured whole; the star is the recommended one (of 'nothing fits': the nearest). The line joins "
        "those that none beats in both directions. Dashed: required limits."
    )
    return Picture(f"pareto{suffix}", "What can be had", caption, figure)


def front(points: list[tuple[float, float]], x_high: bool, y_high: bool) -> list[tuple[float, float]]:
    """Returns the Pareto front of the points, from left to right."""

    def better(one: tuple[float, float], other: tuple[float, float]) -> bool:
        signs = (1 if x_high else -1, 1 if y_high else -1)
        gains = [sign * (a - b) for sign, a, b in zip(signs, one, other, strict=True)]
        return min(gains) >= 0 and max(gains) > 0

    return sorted({point for point in points if not any(better(other, point) for other in points)})


def _axes(rows: list[Row], told: Advice) -> tuple[tuple[str, bool], tuple[str, bool]] | None:
    wanted = list(told.objectives[:2])
    for name in PARTNERS if len(wanted) == 1 else ():
        both = sum(value_of(row, name) is not None and value_of(row, wanted[0][0]) is not None for row in rows)
        if name != wanted[0][0] and both:
            wanted.append((name, catalog().get(name).better != "lower"))
            break
    return (wanted[0], wanted[1]) if len(wanted) == 2 and rows else None
