"""Pictures of speed and accuracy as single figures: bars, and accuracy over speed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.core.catalog import SPEEDS, catalog
from harness.present.charts import arms, bar_axis, bar_width, least_span, legend_below, whisker
from harness.present.picture import Picture, drawing, new_figure
from harness.present.theme import Style
from harness.report.looks import styles
from harness.scoring.compared import Row
from harness.scoring.intervals import ACCURACY, Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_UPRIGHT = 8
"""The most runs whose bars are upright, side by side with names and figures."""
LEAST_SPAN = 0.04
"""The least height of the accuracy axis, in AO."""


def fps_bar(rows: list[Row]) -> Picture | None:
    """Draws bars of speed, with a panel for each kind of speed that was measured."""
    shown = [name for name in SPEEDS if any(name in row.job.metrics for row in rows)]
    if not shown:
        return None
    look = styles([row.job for row in rows])
    if len(rows) > MOST_UPRIGHT:
        return Picture("fps_bar", "Speed", _caption("Length"), _lying_bars(rows, shown, look))
    with drawing():
        width = bar_width(len(rows) * len(shown))
        figure, axes = new_figure(3.4, width, ncols=len(shown), squeeze=False)
        for axis, name in zip(axes[0], shown, strict=True):
            own = [row for row in rows if name in row.job.metrics]
            for index, row in enumerate(own):
                style = look[row.job.folder]
                value = row.job.metrics[name]
                axis.bar(index, value, 0.66, color=style.color, hatch=style.hatch, edgecolor="white", linewidth=0)
                speed = row.speed if row.speed_metric == name else None
                top = whisker(axis, index, value, speed.low, speed.high) if speed else 0.0
                axis.text(index, max(value, top), f"{value:.1f}", ha="center", va="bottom", fontsize=9)
            bar_axis(axis, [row.shown for row in own], catalog().get(name).axis, width / len(shown))
            axis.margins(y=0.12)
    return Picture("fps_bar", "Speed", _caption("Height"), figure)


def _caption(extent: str) -> str:
    return (
        f"{extent}: frames per second, higher is better. Tracking speed counts crop, inference and postprocessing of one "
        "sequence at a time; with decoding it is the wall clock of the whole run. Whiskers: 95 % intervals, over rounds where there are three or "
        "more, else within the run."
    )


def _lying_bars(rows: list[Row], shown: list[str], look: Mapping[Path, Style]) -> Figure:
    """Draws bars of many runs, one below the other, so that their names can be read."""
    with drawing():
        figure, axes = new_figure(1.0 + 0.27 * len(rows), 9.5, ncols=len(shown), squeeze=False, sharey=True)
        for axis, name in zip(axes[0], shown, strict=True):
            for place, row in enumerate(rows):
                if name not in row.job.metrics:
                    continue
                style, value = look[row.job.folder], row.job.metrics[name]
                axis.barh(place, value, 0.7, color=style.color, hatch=style.hatch, edgecolor="white", linewidth=0)
                interval = row.speed if row.speed_metric == name else None
                lengths = _arms(interval) if interval else None
                if lengths is not None:
                    axis.errorbar(value, place, xerr=lengths, fmt="none", ecolor="#222222", capsize=2, linewidth=1)
                end = interval.high if interval and interval.high is not None else value
                axis.text(end, place, f" {value:.1f}", ha="left", va="center", fontsize=8)
            axis.set_xlabel(catalog().get(name).axis)
            axis.grid(axis="y", visible=False)
            axis.margins(x=0.12, y=0.02)
        axes[0, 0].set_yticks(range(len(rows)), [row.shown for row in rows], fontsize=8)
        axes[0, 0].invert_yaxis()
    return figure


def accuracy_bar(rows: list[Row]) -> Picture | None:
    """Grouped bars: AO, SR0.50 and SR0.75 of each run."""
    own = [row for row in rows if row.accuracy]
    if not own:
        return None
    look = styles([row.job for row in rows])
    width = 0.8 / len(own)
    with drawing():
        figure, axis = new_figure(3.6, bar_width(3 * max(2, len(own)) - 1))
        for place, row in enumerate(own):
            style = look[row.job.folder]
            values = [row.accuracy[name].value for name in ACCURACY if name in row.accuracy]
            spots = np.arange(len(values)) + (place - (len(own) - 1) / 2) * width
            axis.bar(
                spots, values, width * 0.9, color=style.color, hatch=style.hatch, edgecolor="white", linewidth=0,
                label=row.shown,
            )  # fmt: skip
            for spot, value in zip(spots, values, strict=True) if len(own) <= MOST_UPRIGHT else ():  # else see the table
                axis.text(spot, value + 0.01, f"{value:.3f}", ha="center", va="bottom", fontsize=8 if len(own) < 5 else 6)
        axis.set_xticks(range(len(ACCURACY)), [catalog().get(name).title for name in ACCURACY])
        axis.set_ylim(0, 1.05)
        axis.set_ylabel("score (0 to 1)")
        axis.grid(axis="x", visible=False)
        legend_below(figure, axis, len(own))
    caption = (
        "Height: average overlap (AO) and the share of frames with overlap above 0.5 and 0.75 (SR), all scored frames "
        "pooled, 0 to 1, higher is better."
    )
    return Picture("accuracy_bar", "Accuracy", caption, figure)


def accuracy_speed(rows: list[Row]) -> Picture | None:
    """Draws accuracy over speed, a mark per run, with both intervals."""
    own = [row for row in rows if "ao" in row.accuracy and row.speed is not None]
    if len(own) < 2 or len({row.speed_metric for row in own}) > 1:
        return None
    look = styles([row.job for row in rows])
    with drawing():
        figure, axis = new_figure(4.0, 7.5)
        for row in own:
            assert row.speed is not None
            style, ao = look[row.job.folder], row.accuracy["ao"]
            axis.errorbar(
                row.speed.value, ao.value, yerr=_arms(ao), xerr=_arms(row.speed), fmt=style.marker, color=style.color,
                markersize=9, capsize=3, linewidth=1.2, label=row.shown,
            )  # fmt: skip
        axis.set_xlabel(f"speed ({catalog().get(own[0].speed_metric).unit})")
        axis.set_ylabel(catalog().get("ao").axis)
        axis.set_xlim(left=0)
        axis.margins(x=0.12)
        least_span(axis, LEAST_SPAN)
        axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    caption = (
        "Each mark is a run: to the right is faster, upwards is more accurate. Whiskers: 95 % intervals; the vertical ones "
        "come from resampling sequences and are shared by all runs of the same sequences, so overlapping whiskers do not "
        "mean equal accuracy: the paired differences in the verdicts do."
    )
    return Picture("accuracy_speed", "Accuracy against speed", caption, figure)


def _arms(interval: Interval) -> npt.NDArray[np.float64] | None:
    return arms(interval.value, interval.low, interval.high)
