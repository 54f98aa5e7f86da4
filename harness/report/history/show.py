"""Shows a history: sections with table and picture, a page, a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from markupsafe import Markup

from harness.core.errors import tolerated
from harness.core.files import write_text
from harness.core.interfaces import Metric
from harness.present import theme
from harness.present.charts import arms
from harness.present.picture import Picture, drawing, new_figure, save_png
from harness.present.section import Section
from harness.report.history.series import Point, Series, moment
from harness.report.history.values import relative
from harness.scoring.intervals import bracket

SHOWN = 30
"""The most runs in a table on a terminal or a page; the CSV file has all."""
SHOWN_DIGITS = 4


def machines(series: Sequence[Series]) -> dict[str, str]:
    """Returns the digest of each machine -> its letter, in order of appearance."""
    seen = dict.fromkeys(item.job.machine for item in series)
    return {digest: chr(ord("A") + index % 26) for index, digest in enumerate(seen)}


def machine_lines(series: Sequence[Series]) -> list[str]:
    """Describes each machine."""
    lines = []
    for digest, letter in machines(series).items():
        found = next(item.job.results.environment for item in series if item.job.machine == digest)
        words = [str(found.get("processor") or "processor not recorded"), f"{found.get('threads_allowed', '?')} threads"]
        lines.append(f"machine {letter}: {', '.join(words)}{f' ({digest})' if digest else ''}")
    return lines


def sections(series: Sequence[Series], shown: int = SHOWN, pictures: bool = True) -> list[Section]:
    """Returns a section for each series: its runs, sentences on its changes, its picture.

    Args:
        series: What is shown.
        shown: The most runs that a table lists, the newest ones.
        pictures: Whether pictures are drawn.
    """
    letters = machines(series)
    found = []
    for number, item in enumerate(series, 1):
        metric = item.metric
        title = f"{metric.title} of {item.title}, machine {letters[item.job.machine]}"
        rows = [_row(item, index) for index in range(len(item.points))]
        notes = [f"The {len(rows) - shown} runs before are left out here."] if len(rows) > shown else []
        notes += [change.text(metric) for change in item.changes] or [unchanged(item)]
        drawn = [picture(item, number, title)] if pictures and len(item.points) > 1 else []
        head = ["ended (UTC)", _title(metric), "95 % interval", "change", "commit", "run", ""]
        found.append(Section(f"history-{number}", title, head, rows[-shown:], notes, drawn, number))
    return found


def _title(metric: Metric) -> str:
    return f"{metric.title} ({metric.unit})" if metric.unit else metric.title


def _row(series: Series, index: int) -> list[str]:
    point, metric = series.points[index], series.metric
    known = point.interval.known
    interval = bracket(point.interval, min(metric.digits, SHOWN_DIGITS)).split(" ", 1)[1] if known and metric.factor == 1 else "-"
    mark = next((f"<- {'better' if c.better > 0 else 'worse' if c.better < 0 else 'changed'}" for c in series.changes if c.after is point), "")
    return [moment(point.job), metric.text(point.value), interval, _step(series, index), point.commit, point.job.id[:8], mark]


def _step(series: Series, index: int) -> str:
    """Returns the difference of a run from the one before."""
    if not index:
        return "-"
    own, old = series.points[index].value, series.points[index - 1].value
    if relative(series.metric.name) and old > 0:
        return f"{own / old - 1:+.1%}"
    return f"{(own - old) * series.metric.factor:+.{series.metric.digits}f}"


def unchanged(series: Series) -> str:
    """Returns one sentence for a series without a change."""
    count = len(series.points)
    if count == 1:
        return "One run: nothing to compare it with."
    few = " So few runs do not tell how far equal runs differ: changes below about 10 % are not told." if count < 5 else ""
    return f"No change of its level in {count} runs.{few if relative(series.metric.name) else ''}"


# ------------------------------------------------------------------------------------------ picture


def picture(series: Series, number: int, title: str) -> Picture:
    """Draws the metric over time: a point per run with its interval, a line per level, a mark at each change."""
    metric = series.metric
    times = [datetime.fromisoformat(point.job.results.ended) for point in series.points]
    with drawing():
        figure, axis = new_figure(3.4)
        for level in series.levels:
            # a level lasts until the next one begins
            end = min(level.last + 1, len(times) - 1)
            axis.plot([times[level.first], times[end]], [level.value * metric.factor] * 2, color=theme.GREY, linewidth=1.2, zorder=1)
        for when, point in zip(times, series.points, strict=True):
            _draw(axis, when, point, metric)
        for change in series.changes:
            when = datetime.fromisoformat(change.after.job.results.ended)
            color = {1: theme.GREEN, -1: theme.ORANGE, 0: theme.GREY}[change.better]
            axis.axvline(when, color=color, linestyle="--", linewidth=1)
            axis.annotate(
                change.after.commit, (when, 1.0), xycoords=("data", "axes fraction"), xytext=(3, -10), textcoords="offset points",
                fontsize=8, color=color,
            )  # fmt: skip
        axis.set_ylabel(metric.axis)
        axis.set_title(title)
        figure.autofmt_xdate(rotation=25)
    caption = (
        "Each point is a run, by the time at which it ended, with its 95 % interval where there is one; lines are levels, dashed lines "
        "changes of the level (green: better, orange: worse) with the commit of the first run after it."
    )
    return Picture(f"history_{number}", title, caption, figure)


def _draw(axis: object, when: datetime, point: Point, metric: Metric) -> None:
    value, interval = point.value * metric.factor, point.interval
    ends = (None if end is None else end * metric.factor for end in (interval.low, interval.high))
    lengths = arms(value, *ends)
    axis.errorbar(  # type: ignore[attr-defined]
        [when], [value], lengths, fmt="o", markersize=4, color=theme.BLUE, ecolor=theme.PALE, capsize=2, linewidth=1, zorder=2
    )


# -------------------------------------------------------------------------------------------- files


def write(made: Sequence[Section], series: Sequence[Series], folder: Path, title: str, warnings: list[str]) -> Path:
    """Writes ``history.html``, ``history.md``, ``history.csv`` and a PNG file for each series; returns the page.

    Args:
        made: The sections of ``series``.
        series: What is shown.
        folder: Where the files go.
        title: The page's heading.
        warnings: Sentences shown at the top; pictures that cannot be drawn are added.
    """
    from harness.report import page

    write_text(folder / "history.csv", csv_text(series))
    notes = "".join(f"- {line}\n" for line in [*machine_lines(series), *warnings])
    write_text(folder / "history.md", "\n".join([f"# {title}\n\n{notes}", *(section.markdown() for section in made)]))
    pictures = [drawn for section in made for drawn in section.pictures]
    for drawn in pictures:
        with tolerated("A picture could not be written", warnings.append):
            save_png(drawn, folder)
    templates = page.templates()
    text = templates.get_template("history.html").render(
        title=title,
        style=Markup(templates.get_template("style.css").render()),  # noqa: S704 - our own file
        notes=machine_lines(series),
        warnings=warnings,
        parts_=[{"section": section, "pictures": [page.figure_view(drawn) for drawn in section.pictures]} for section in made],
    )
    return write_text(folder / "history.html", text)


def csv_text(series: Sequence[Series]) -> str:
    """Returns a line per run, in full precision."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = ["series", "metric", "machine", "ended", "value", "low", "high", "basis", "level", "commit", "dirty", "run", "folder"]
    writer.writerow(head)
    for item in series:
        for index, point in enumerate(item.points):
            level = next(number for number, found in enumerate(item.levels, 1) if found.first <= index <= found.last)
            results = point.job.results
            own: Mapping[str, object] = results.environment
            ends = ["" if end is None else end for end in (point.interval.low, point.interval.high)]
            writer.writerow(
                [_safe(item.title), item.metric.name, point.job.machine, results.ended, point.value, *ends, point.interval.basis, level,
                 own.get("commit", ""), own.get("dirty", ""), results.id, _safe(str(point.job.folder))]
            )  # fmt: skip
    return out.getvalue()


def _safe(text: str) -> str:
    """Puts an apostrophe before text that a spreadsheet would read as a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
