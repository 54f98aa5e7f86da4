"""Shared parts of the published experiment's tables: figures and machine, text on our runs, pairs of bars.

Figures: SMAT on GOT-10k test, scores of the GOT-10k server, speeds on a Core i3-1005G1. Its FPS is the server's mean of
1 / t over frames, so ours in these tables is ``fps_got10k``, which is that same mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.backends.looks import title_of
from harness.core.catalog import catalog
from harness.present.charts import one_legend, wrapped
from harness.present.picture import Picture, drawing, new_figure
from harness.present.section import Section
from harness.present.theme import GREEN, PALE
from harness.report.columns import value_of
from harness.scoring.compared import Comparison, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MACHINE = "Core i3-1005G1"
NONE = "-"
OURS, THEIRS = GREEN, PALE
FIRST = 10
"""The order of these sections: before all others."""


class Tracked(NamedTuple):
    """A row of the published Tables 1 and 2."""

    ao: float
    sr50: float
    sr75: float
    fps: float


SMAT = {
    "PyTorch": Tracked(0.645, 0.748, 0.579, 9.10),
    "ONNX": Tracked(0.646, 0.748, 0.580, 18.67),
    "OpenVINO": Tracked(0.643, 0.745, 0.579, 19.22),
}
"""The published runs by framework."""


def machine_mark(found: Comparison, row: Row) -> str:
    """Returns `` (A)`` if one table has runs of several machines, else an empty string."""
    letters = found.machines
    return f" ({letters[row.job.machine]})" if len(letters) > 1 else ""


def framework(row: Row) -> str:
    """The published name of a run: by its backend and, for OpenVINO, its hint."""
    name = title_of(row.job.results.choice("backend"))
    hint = row.job.results.choice("hint")
    return f"{name} with {hint} hint" if hint not in ("", "none") else name


@dataclass(frozen=True)
class Panel:
    """A panel of bars: our figure of a run, and the published one of a framework's name."""

    title: str
    own: Callable[[Row], float | None]
    theirs: Callable[[str], float | None]


def tracked(found: Comparison, key: str, title: str, table: Mapping[str, Tracked]) -> Section:
    """Makes a published table of tracking runs, with our and the published figures in one line."""
    scores = [catalog().get(name) for name in ("ao", "sr50", "sr75")]
    titles = [entry.title for entry in scores]
    head = ["framework", *titles, "FPS", f"published {titles[0]}", *titles[1:], "FPS"]
    body = []
    for row in found.well:
        name = framework(row)
        own = [figure_text(value_of(row, entry.name), 3) for entry in scores]
        theirs = table.get(name)
        cells = [NONE] * 4 if theirs is None else [*(f"{value:.3f}" for value in theirs[:3]), f"{theirs.fps:.2f}"]
        body.append([name + machine_mark(found, row), *own, figure_text(fps(row), 2), *cells])
    panels = [Panel("FPS", fps, _theirs(table, "fps"))]
    panels += [
        Panel(entry.title, _own(entry.name), _theirs(table, entry.name))
        for entry in scores
        if any(value_of(row, entry.name) is not None for row in found.well)
    ]
    picture = bars(found, f"published_{key}", title, panels)
    notes = notes_of(found, "SMAT on GOT-10k test")
    return Section(f"published-{key}", title, head, body, notes, [picture], order=FIRST)


def fps(row: Row) -> float | None:
    """Mean of 1 / t, as the GOT-10k server computes it."""
    return row.job.metrics.get("fps_got10k", row.job.metrics.get("fps"))


def _own(name: str) -> Callable[[Row], float | None]:
    return lambda row: value_of(row, name)


def _theirs(table: Mapping[str, Tracked], field: str) -> Callable[[str], float | None]:
    return lambda name: float(getattr(table[name], field)) if name in table else None


def figure_text(value: float | None, digits: int) -> str:
    """Returns a figure with that many digits, or a dash."""
    return NONE if value is None else f"{value:.{digits}f}"


def notes_of(found: Comparison, what: str) -> list[str]:
    """Returns notes on the sources of the published figures and ours."""
    notes = [f"Published: {what}, {MACHINE}. Ours: {ours(found)}."]
    if any(row.job.random_weights for row in found.well):
        notes.append("Random weights: only speed was measured.")
    return notes


def ours(found: Comparison) -> str:
    """Describes tracker, data set and processor of our runs."""
    parts: dict[str, None] = {}
    for row in found.well:
        results = row.job.results
        data = results.dataset
        machine = str(results.environment.get("processor", "an unknown processor"))
        letter = found.machines[row.job.machine]
        parts[
            (f"{letter}: " if len(found.machines) > 1 else "")
            + f"{results.choice('tracker')} on {data.get('name', '')} {data.get('split', '')}".rstrip()
            + f" ({data.get('sequences', 0)} sequences, {data.get('frames', 0)} frames), {machine}, "
            f"{results.config.get('threads')} threads"
        ] = None
    return "; ".join(parts)


def bars(found: Comparison, key: str, title: str, panels: Sequence[Panel], hinted: bool = True) -> Picture:
    """Draws pairs of bars in each panel: our figure, and the published one with its machine."""
    rows = found.well
    names = [framework(row) if hinted else framework(row).partition(" with ")[0] for row in rows]
    marked = [name + machine_mark(found, row) for name, row in zip(names, rows, strict=True)]
    with drawing():
        figure, axes = new_figure(3.4, max(5.0, 2.6 * len(panels)), ncols=len(panels), squeeze=False)
        for axis, panel in zip(axes[0], panels, strict=True):
            _side(axis, [panel.own(row) for row in rows], -0.2, "ours", OURS)
            _side(axis, [panel.theirs(name) for name in names], 0.2, f"published, {MACHINE}", THEIRS)
            axis.set_xticks(range(len(names)), [wrapped(name, 11) for name in marked], fontsize=8)
            axis.set_title(panel.title)
            axis.margins(y=0.14)
            axis.grid(axis="x", visible=False)
        one_legend(figure, axes[0], 2)
    caption = f"Green: ours ({ours(found)}). Grey: the published figures, measured on a {MACHINE} with SMAT."
    return Picture(key, title, caption, figure)


def _side(axis: Axes, values: Sequence[float | None], shift: float, label: str, color: str) -> None:
    for place, value in enumerate(values):
        if value is not None:
            axis.bar(place + shift, value, 0.38, color=color, label=label if place == 0 else None)
            axis.text(place + shift, value, f"{value:.4g}", ha="center", va="bottom", fontsize=7)
