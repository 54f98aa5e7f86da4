"""Parts of charts that several pictures share."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def wrapped(label: str, width: int = 16) -> str:
    """Wraps a label to lines of at most ``width`` characters, after spaces and punctuation if possible."""
    lines = [""]
    for piece in re.findall(r"[^\s_/:=,-]+[\s_/:=,-]*|[\s_/:=,-]+", label):
        if lines[-1] and len(f"{lines[-1]}{piece}".rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    cut = [part for line in lines for part in textwrap.wrap(line, width) or [""]]
    return "\n".join(cut) or label


def bar_width(bars: int) -> float:
    """Returns the width in inches of a figure with ``bars`` bars."""
    return float(min(10.0, max(4.5, 1.6 + 0.95 * bars)))


def bar_axis(axis: Axes, labels: list[str], title: str, inches: float) -> None:
    """Sets labels under bars, wrapped to the available width; rotated if there are many."""
    many = len(labels) > 6
    room = max(7, int((inches - 0.7) / max(2, len(labels)) * 72 / 5.6) - 1)  # characters of 9-point type
    axis.set_xticks(range(len(labels)), [wrapped(label, room) for label in labels], rotation=30 if many else 0)
    if many:
        for tick in axis.get_xticklabels():
            tick.set_horizontalalignment("right")
    axis.set_ylabel(title)
    axis.grid(axis="x", visible=False)
    axis.set_xlim(-0.6, max(len(labels) - 0.4, 1.6))


def legend_below(figure: Figure, axis: Axes, count: int) -> None:
    """Puts the axis's legend below the figure."""
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, max(1, count)))


def least_span(axis: Axes, span: float) -> None:
    """Widens the vertical axis to ``span``, so that smaller differences, which do not matter, look small."""
    low, high = axis.get_ylim()
    if high - low < span:
        centre = (low + high) / 2
        axis.set_ylim(centre - span / 2, centre + span / 2)
    axis.ticklabel_format(axis="y", useOffset=False)


def arms(value: float, low: float | None, high: float | None) -> npt.NDArray[np.float64] | None:
    """Returns the lengths of a whisker for ``errorbar``; None if there is no interval."""
    if low is None or high is None:
        return None
    return np.array([[max(0.0, value - low)], [max(0.0, high - value)]])


def whisker(axis: Axes, spot: float, value: float, low: float | None, high: float | None) -> float:
    """Draws a vertical whisker if there is an interval; returns its upper end, else 0."""
    lengths = arms(value, low, high)
    if lengths is None or high is None:
        return 0.0
    axis.errorbar(spot, value, lengths, fmt="none", ecolor="#222222", capsize=3, linewidth=1)
    return high


def stack_text(axis: Axes, place: float, spot: float, text: str, dark: bool) -> None:
    """Writes a figure in the middle of a part of a stacked bar."""
    axis.text(spot, place, text, ha="center", va="center", fontsize=8, color="white" if dark else "#222222")


def one_legend(figure: Figure, axes: Any, columns: int) -> None:
    """Puts one legend below the panels of a figure, with each label once."""
    handles = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=columns)
