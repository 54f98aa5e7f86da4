"""The pictures: of one job, and of several compared. Matplotlib is drawn on without a screen and loaded when needed.

Colours follow the backend (M. Okabe, K. Ito, Color Universal Design, 2008: told apart with any colour vision); runs
of one backend differ by shade, hatching, line style and marker as well.
"""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from harness.core.files import write_bytes
from harness.report.comparison import Comparison, Row
from harness.report.sources import Job, give_labels, load
from harness.scoring import metrics, statistics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLOTS = "plots"
DPI = 150
WIDTH = 9.0
"""Inches; at 9-point type this reads well at the page's width."""
MOST_SEQUENCES = 40
MOST_PARTING = 6
LEAST_SPAN = 0.04
"""Least height of the accuracy axis, in AO."""
FAR_APART = 8.0
"""Ratio of latencies from which on histograms stand on a logarithmic axis."""

BACKENDS = {"torch": "#D55E00", "onnx": "#0072B2", "openvino": "#009E73"}
ALIASES = {"pytorch": "torch", "onnxruntime": "onnx"}
OTHERS = ("#CC79A7", "#E69F00", "#56B4E9", "#6F4E7C", "#7F7F7F")
STAGES = {"decode": "#BBBBBB", "preprocess": "#56B4E9", "inference": "#0072B2", "postprocess": "#E69F00"}
_SHADES = (0.0, 0.42, -0.38, 0.66, -0.6)
_HATCHES = ("", "///", "...", "\\\\\\", "xxx")
_LINES = ("-", "--", ":", "-.", (0, (6, 1, 1, 1, 1, 1)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")

_RC = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
    "hatch.color": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "report",
    "figure.constrained_layout.use": True,
}


@dataclass
class Style:
    """How a run looks in every picture."""

    color: tuple[float, float, float]
    hatch: str
    line: Any
    marker: str


@dataclass
class Picture:
    """A figure with what a reader needs: ``key`` is its file's stem, ``caption`` explains axes and marks."""

    key: str
    title: str
    caption: str
    figure: Figure


# -------------------------------------------------------------------------------------- foundations


@contextmanager
def _drawing() -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context(_RC):
        yield


def _figure(height: float, width: float = WIDTH, **layout: Any) -> tuple[Figure, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Plain

    figure = Plain(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure, figure.subplots(**layout)


def _settle(figure: Figure) -> None:
    """Works out the layout once: it costs more than drawing, and each figure is written twice."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def png(figure: Figure) -> bytes:
    """The figure as PNG."""
    buffer = io.BytesIO()
    with _drawing():
        _settle(figure)
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def svg(figure: Figure) -> bytes:
    """The figure as SVG, text as outlines, so that it looks the same everywhere; dense lines are pixels inside it."""
    buffer = io.BytesIO()
    with _drawing():
        _settle(figure)
        figure.savefig(buffer, format="svg", dpi=DPI, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def save_png(picture: Picture, folder: Path) -> Path:
    """Writes ``folder/<key>.png`` atomically."""
    return write_bytes(folder / f"{picture.key}.png", png(picture.figure))


def styles(jobs: list[Job]) -> dict[Path, Style]:
    """A style for each job by its folder: hue by backend, shade by its place among the runs of that backend."""
    seen: dict[str, int] = {}
    spare: dict[str, str] = {}
    found: dict[Path, Style] = {}
    for job in jobs:
        backend = _backend(job)
        if backend not in BACKENDS and backend not in spare:
            spare[backend] = OTHERS[len(spare) % len(OTHERS)]
        place = seen.get(backend, 0)
        seen[backend] = place + 1
        color = _shade(BACKENDS.get(backend) or spare[backend], _SHADES[place % len(_SHADES)])
        found[job.folder] = Style(
            color, _HATCHES[place % len(_HATCHES)], _LINES[place % len(_LINES)], _MARKERS[len(found) % len(_MARKERS)]
        )
    return found


def _backend(job: Job) -> str:
    """The backend's name; of runs that record none (other tools' results) the one that their own name holds."""
    name = (job.results.choice("backend") or job.results.name).lower()
    for known, backend in {**ALIASES, **{key: key for key in BACKENDS}}.items():
        if known in name:
            return backend
    return name


def _shade(color: str, amount: float) -> tuple[float, float, float]:
    """Towards white for positive ``amount``, towards black for negative."""
    rgb = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    goal = 1.0 if amount > 0 else 0.0
    red, green, blue = (part + (goal - part) * abs(amount) for part in rgb)
    return red, green, blue


def _wrapped(label: str, width: int = 16) -> str:
    """The label in lines of at most ``width`` characters, broken after blanks and signs before words are cut."""
    lines = [""]
    for piece in re.findall(r"[^\s_/:=,-]+[\s_/:=,-]*|[\s_/:=,-]+", label):
        if lines[-1] and len(f"{lines[-1]}{piece}".rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    cut = [part for line in lines for part in textwrap.wrap(line, width) or [""]]
    return "\n".join(cut) or label


# ------------------------------------------------------------------------------------------ one job


def job_plots(folder: Path) -> list[Path]:
    """Draws a job's pictures to ``folder/plots``: success curve, latency histogram and trace, stages."""
    job = load(folder)
    give_labels([job])
    if not job.ok:
        return []
    from harness.report import sections

    drawn = (
        success_curves([job]),
        latency_histograms([job]),
        latency_traces([job]),
        stage_breakdown([job]),
        *sections.job_pictures(job),
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


# -------------------------------------------------------------------------------------------- bars


def fps_bar(rows: list[Row]) -> Picture | None:
    """Bars of speed, a panel for each kind of speed that was measured."""
    kinds = {
        "fps": "Tracking speed (frames/s)",
        "pipeline_fps": "With decoding (frames/s)",
        "benchmark_app/throughput_fps": "benchmark_app (inferences/s)",
    }
    shown = [name for name in kinds if any(name in row.job.metrics for row in rows)]
    if not shown:
        return None
    look = styles([row.job for row in rows])
    with _drawing():
        width = _bar_width(len(rows) * len(shown))
        figure, axes = _figure(3.4, width, ncols=len(shown), squeeze=False)
        for axis, name in zip(axes[0], shown, strict=True):
            own = [row for row in rows if name in row.job.metrics]
            for index, row in enumerate(own):
                style = look[row.job.folder]
                value = row.job.metrics[name]
                axis.bar(index, value, 0.66, color=style.color, hatch=style.hatch, edgecolor="white", linewidth=0)
                top = _error(axis, index, row, name)
                axis.text(index, max(value, top), f"{value:.1f}", ha="center", va="bottom", fontsize=9)
            _bar_axis(axis, [row.shown for row in own], kinds[name], width / len(shown))
            axis.margins(y=0.12)
    caption = (
        "Height: frames per second, higher is better. Tracking speed counts crop, inference and postprocessing of one "
        "sequence at a time; with decoding it is the wall clock of the whole run. Whiskers: 95 % intervals, over rounds where there are three or "
        "more, else within the run."
    )
    return Picture("fps_bar", "Speed", caption, figure)


def _error(axis: Axes, index: float, row: Row, metric: str) -> float:
    """Draws the whisker where there is an interval; returns its upper end."""
    speed = row.speed if row.speed_metric == metric else None
    if speed is None or speed.low is None or speed.high is None:
        return 0.0
    axis.errorbar(
        index,
        speed.value,
        [[max(0.0, speed.value - speed.low)], [max(0.0, speed.high - speed.value)]],
        fmt="none",
        ecolor="#222222",
        capsize=3,
        linewidth=1,
    )
    return speed.high


def _bar_width(bars: int) -> float:
    return float(min(10.0, max(4.5, 1.6 + 0.95 * bars)))


def _bar_axis(axis: Axes, labels: list[str], title: str, inches: float) -> None:
    many = len(labels) > 6
    room = max(7, int((inches - 0.7) / max(2, len(labels)) * 72 / 5.6) - 1)  # characters of 9-point type
    axis.set_xticks(range(len(labels)), [_wrapped(label, room) for label in labels], rotation=30 if many else 0)
    if many:
        for tick in axis.get_xticklabels():
            tick.set_horizontalalignment("right")
    axis.set_ylabel(title)
    axis.grid(axis="x", visible=False)
    axis.set_xlim(-0.6, max(len(labels) - 0.4, 1.6))


def accuracy_bar(rows: list[Row]) -> Picture | None:
    """Grouped bars: AO, SR0.50 and SR0.75 of each run."""
    own = [row for row in rows if row.accuracy]
    if not own:
        return None
    look = styles([row.job for row in rows])
    width = 0.8 / len(own)
    with _drawing():
        figure, axis = _figure(3.6, _bar_width(3 * max(2, len(own)) - 1))
        for place, row in enumerate(own):
            style = look[row.job.folder]
            values = [row.accuracy[name].value for name in statistics.ACCURACY if name in row.accuracy]
            spots = np.arange(len(values)) + (place - (len(own) - 1) / 2) * width
            axis.bar(
                spots, values, width * 0.9, color=style.color, hatch=style.hatch, edgecolor="white", linewidth=0,
                label=row.shown,
            )  # fmt: skip
            for spot, value in zip(spots, values, strict=True):
                axis.text(spot, value + 0.01, f"{value:.3f}", ha="center", va="bottom", fontsize=8 if len(own) < 5 else 6)
        axis.set_xticks(range(3), ["AO", "SR0.50", "SR0.75"])
        axis.set_ylim(0, 1.05)
        axis.set_ylabel("score (0 to 1)")
        axis.grid(axis="x", visible=False)
        _legend_below(figure, axis, len(own))
    caption = (
        "Height: average overlap (AO) and the share of frames with overlap above 0.5 and 0.75 (SR), all scored frames "
        "pooled, 0 to 1, higher is better."
    )
    return Picture("accuracy_bar", "Accuracy", caption, figure)


def _legend_below(figure: Figure, axis: Axes, count: int) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, max(1, count)))


# --------------------------------------------------------------------------------- accuracy and speed


def accuracy_speed(rows: list[Row]) -> Picture | None:
    """Accuracy against speed, a mark a run, with both intervals."""
    own = [row for row in rows if "ao" in row.accuracy and row.speed is not None]
    if len(own) < 2 or len({row.speed_metric for row in own}) > 1:
        return None
    look = styles([row.job for row in rows])
    with _drawing():
        figure, axis = _figure(4.0, 7.5)
        for row in own:
            assert row.speed is not None
            style, ao = look[row.job.folder], row.accuracy["ao"]
            axis.errorbar(
                row.speed.value, ao.value, yerr=_arms(ao), xerr=_arms(row.speed), fmt=style.marker, color=style.color,
                markersize=9, capsize=3, linewidth=1.2, label=row.shown,
            )  # fmt: skip
        axis.set_xlabel(f"speed ({'frames' if own[0].speed_metric != SPEED_APP else 'inferences'}/s)")
        axis.set_ylabel("AO (0 to 1)")
        axis.set_xlim(left=0)
        axis.margins(x=0.12)
        _at_least(axis, LEAST_SPAN)
        axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    caption = (
        "Each mark is a run: to the right is faster, upwards is more accurate. Whiskers: 95 % intervals; the vertical ones "
        "come from resampling sequences and are shared by all runs of the same sequences, so overlapping whiskers do not "
        "mean equal accuracy: the paired differences in the verdicts do."
    )
    return Picture("accuracy_speed", "Accuracy against speed", caption, figure)


def _at_least(axis: Axes, span: float) -> None:
    """Widens the vertical axis to ``span``: what differs by less is the same, and shall look so."""
    low, high = axis.get_ylim()
    if high - low < span:
        centre = (low + high) / 2
        axis.set_ylim(centre - span / 2, centre + span / 2)
    axis.ticklabel_format(axis="y", useOffset=False)


SPEED_APP = "benchmark_app/throughput_fps"


def _arms(interval: statistics.Interval) -> npt.NDArray[np.float64] | None:
    if interval.low is None or interval.high is None:
        return None
    return np.array([[max(0.0, interval.value - interval.low)], [max(0.0, interval.high - interval.value)]])


def success_curves(jobs: list[Job]) -> Picture | None:
    """Share of frames above each overlap threshold."""
    curves = [(job, curve) for job in jobs if (curve := _curve(job)) is not None]
    if not curves:
        return None
    look = styles(jobs)
    with _drawing():
        figure, axis = _figure(4.0, 7.5 if len(jobs) > 1 else 6.0)
        for index, (job, curve) in enumerate(curves):
            style = look[job.folder]
            width = max(1.4, 3.6 - 0.8 * index)  # the later are thinner, so that equal curves are all seen
            axis.plot(
                metrics.THRESHOLDS, curve, color=style.color, linestyle=style.line, linewidth=width,
                label=f"{job.shown} (AO {job.metrics['ao']:.3f})",
            )  # fmt: skip
        axis.set_xlabel("overlap threshold (IoU)")
        axis.set_ylabel("share of frames above it")
        axis.set_xlim(0, 1)
        axis.set_ylim(0, 1.02)
        axis.legend(loc="lower left")
    caption = (
        "For each overlap threshold the share of scored frames whose box overlaps the truth by more; higher is better. "
        "AO is (nearly) the area under the curve, SR0.50 and SR0.75 are its heights at 0.5 and 0.75."
    )
    return Picture("success_curve", "Success curves", caption, figure)


def _curve(job: Job) -> npt.NDArray[np.float64] | None:
    if job.random_weights or "ao" not in job.metrics or job.tracked is None:
        return None
    return statistics.success(job.tracked)


# ------------------------------------------------------------------------------------------ latency


def latency_histograms(jobs: list[Job]) -> Picture | None:
    """A histogram of milliseconds a frame for each run, on one scale."""
    own = [(job, job.timed["seconds"].to_numpy(float) * 1e3) for job in jobs if job.timed is not None]
    if not own:
        return None
    look = styles(jobs)
    edge = max(float(np.percentile(values, 99.5)) for _, values in own) * 1.05
    least = min(float(values.min()) for _, values in own) * 0.9
    medians = [float(np.median(values)) for _, values in own]
    logarithmic = max(medians) > FAR_APART * min(medians)
    bins = np.geomspace(least, edge, 91) if logarithmic else np.linspace(0.0, edge, 91)
    with _drawing():
        figure, axes = _figure(0.6 + 1.25 * len(own) + (1.2 if len(own) == 1 else 0), nrows=len(own), sharex=True, squeeze=False)
        for axis, (job, values) in zip(axes[:, 0], own, strict=True):
            style = look[job.folder]
            share = np.full(len(values), 100.0 / len(values))
            axis.hist(np.clip(values, least, edge), bins=list(bins), weights=share, color=style.color)
            words = []
            for percent, line in ((50, "-"), (90, "--"), (99, ":")):
                spot = float(np.percentile(values, percent))
                words.append(f"p{percent} {spot:.1f}")
                if spot <= edge:
                    axis.axvline(spot, color="#222222", linestyle=line, linewidth=1)
            axis.set_title(job.shown)
            axis.set_title(", ".join(words) + " ms", loc="right", fontsize=8.5, fontweight="normal")
            axis.set_ylabel("frames (%)")
        axes[-1, 0].set_xlabel(f"time a frame (ms{', logarithmic' if logarithmic else ''})")
        if logarithmic:
            axes[-1, 0].set_xscale("log")
            axes[-1, 0].xaxis.set_major_formatter(lambda value, _place: f"{value:g}")
        axes[-1, 0].set_xlim(bins[0], edge)
    caption = (
        "How long frames took (crop, inference, postprocessing, no decoding), in milliseconds; further left is better. Lines: "
        "median (solid), 90th (dashed) and 99th (dotted) percentile; frames beyond the right edge are counted in the last bar."
    )
    return Picture("latency_histogram", "Latency", caption, figure)


def latency_traces(jobs: list[Job]) -> Picture | None:
    """Milliseconds of every frame in the order they ran."""
    own = [(job, job.timed) for job in jobs if job.timed is not None]
    if not own:
        return None
    look = styles(jobs)
    with _drawing():
        figure, axes = _figure(0.6 + 1.25 * len(own) + (0.8 if len(own) == 1 else 0), nrows=len(own), squeeze=False)
        for axis, (job, timed) in zip(axes[:, 0], own, strict=True):
            assert timed is not None
            values = timed["seconds"].to_numpy(float) * 1e3
            _trace(axis, values, _starts(timed), look[job.folder])
            axis.set_title(job.shown)
            axis.set_ylabel("ms")
        axes[-1, 0].set_xlabel("frame, in the order measured (grey lines: a new sequence or round)")
    caption = (
        "Every frame's time in milliseconds, left to right as measured; lower and flatter is better. Steps and slopes are the "
        "machine's doing (other load, heat), not the tracker's. The dark line is a running median over 25 frames. The axis "
        "ends at 1.5 times the 99.5th percentile; what lies above is drawn at its edge."
    )
    return Picture("latency_trace", "Latency over time", caption, figure)


def _starts(timed: Any) -> npt.NDArray[np.int64]:
    keys = timed[["sequence", "repetition", "round"]]
    return np.flatnonzero((keys != keys.shift()).any(axis=1).to_numpy())[1:]


def _trace(axis: Axes, values: npt.NDArray[np.float64], starts: npt.NDArray[np.int64], style: Style) -> None:
    import pandas as pd

    top = float(np.percentile(values, 99.5)) * 1.5
    if len(starts) <= MOST_SEQUENCES * 3:
        for start in starts:
            axis.axvline(start, color="#CCCCCC", linewidth=0.6, zorder=1)
    axis.plot(np.minimum(values, top), color=style.color, linewidth=0.7, alpha=0.8, rasterized=True)
    running = pd.Series(values).rolling(25, center=True, min_periods=1).median()
    axis.plot(running.to_numpy(), color="#222222", linewidth=1, rasterized=True)
    axis.set_ylim(0, top * 1.02)
    axis.set_xlim(0, max(1, len(values)))
    axis.grid(axis="x", visible=False)


def stage_breakdown(jobs: list[Job]) -> Picture | None:
    """Stacked bars: the median milliseconds of each stage of a frame."""
    own = [job for job in jobs if any(f"stage_ms/{stage}" in job.metrics for stage in STAGES)]
    if not own:
        return None
    with _drawing():
        figure, axis = _figure(1.2 + 0.5 * len(own))
        for index, job in enumerate(own):
            left = 0.0
            for stage, color in STAGES.items():
                value = job.metrics.get(f"stage_ms/{stage}", 0.0)
                axis.barh(index, value, 0.62, left=left, color=color, label=stage if index == 0 else None)
                left += value
                job_total = sum(job.metrics.get(f"stage_ms/{name}", 0.0) for name in STAGES)
                if value > 0.07 * max(job_total, _longest(own) * 0.6):
                    dark = stage == "inference"
                    axis.text(left - value / 2, index, f"{value:.1f}", ha="center", va="center", fontsize=8,
                              color="white" if dark else "#222222")  # fmt: skip
            axis.text(left, index, f" {left:.1f} ms", va="center", fontsize=9)
        axis.set_yticks(range(len(own)), [_wrapped(job.shown, 26) for job in own])
        axis.invert_yaxis()
        axis.set_xlabel("median time a frame (ms)")
        axis.margins(x=0.1)
        axis.grid(axis="y", visible=False)
        _legend_below(figure, axis, 4)
    caption = (
        "Where a frame's time goes: reading and decoding the image, cropping and preparing the input, the network, and what "
        "follows it. Medians in milliseconds, shorter is better; decoding is not part of fps."
    )
    return Picture("stages", "Stages of a frame", caption, figure)


def _longest(jobs: list[Job]) -> float:
    return max(sum(job.metrics.get(f"stage_ms/{stage}", 0.0) for stage in STAGES) for job in jobs)


# ---------------------------------------------------------------------------------------- sequences


def sequence_map(jobs: list[Job]) -> Picture | None:
    """Heat map: AO of each sequence (row) and run (column)."""
    own = [job for job in jobs if not job.random_weights and any("ao" in row for row in job.results.sequences.values())]
    names = list(dict.fromkeys(name for job in own for name in job.results.sequences))
    if not names:
        return None
    values = np.array([[job.results.sequences.get(name, {}).get("ao", np.nan) for job in own] for name in names], float)
    known = np.isfinite(values).any(axis=1)  # a sequence without a scored frame has no AO
    names, values = [name for name, there in zip(names, known, strict=True) if there], values[known]
    total = len(names)
    names, values = _most_telling(names, values)
    with _drawing():
        figure, axis = _figure(1.1 + 0.24 * len(names), min(12.0, 3.4 + 1.1 * len(own)))
        image = axis.imshow(values, vmin=0, vmax=1, cmap="cividis", aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7.5,
                          color="white" if value < 0.55 else "black")  # fmt: skip
        axis.set_yticks(range(len(names)), names, fontsize=8)
        axis.set_xticks(range(len(own)), [_wrapped(job.shown, 14) for job in own], fontsize=8)
        axis.grid(visible=False)
        axis.tick_params(length=0)
        figure.colorbar(image, ax=axis, label="AO (0 to 1)", fraction=0.05, pad=0.02)
    which = "every sequence" if len(names) == total else f"the {len(names)} of {total} sequences whose AO differs most"
    caption = f"AO of {which} (rows) in each run (columns), hardest first; brighter is better, grey numbers are the values."
    return Picture("sequences", "Accuracy by sequence", caption.replace("grey numbers", "the numbers"), figure)


def _most_telling(names: list[str], values: npt.NDArray[np.float64]) -> tuple[list[str], npt.NDArray[np.float64]]:
    """At most MOST_SEQUENCES rows, those in which the runs differ most, ordered by mean AO."""
    spread = np.nan_to_num(np.nanmax(values, axis=1) - np.nanmin(values, axis=1))
    mean = np.nan_to_num(np.nanmean(values, axis=1))
    keep = np.lexsort((mean, -spread))[:MOST_SEQUENCES]
    order = keep[np.argsort(mean[keep], kind="stable")]
    return [names[index] for index in order], values[order]


def parting(found: Comparison) -> Picture | None:
    """Overlap of each run's boxes with the baseline's over the frames of the sequences where they part most."""
    rows = [row for row in found.rows if row.agreement is not None and row.agreement.identical < 1.0]
    if not rows or found.base is None:
        return None
    rows = rows[:MOST_PARTING]
    with _drawing():
        figure, axes = _figure(0.5 + 2.1 * len(rows), nrows=len(rows), squeeze=False)
        for axis, row in zip(axes[:, 0], rows, strict=True):
            assert row.agreement is not None
            _parting_panel(axis, row.agreement)
            axis.set_title(f"{row.shown} against {found.base.shown}")
        axes[-1, 0].set_xlabel("frame of the sequence")
    caption = (
        "Overlap (IoU) of the run's boxes with the baseline's, frame by frame: 1 means the same box. Thick grey: mean over "
        "all sequences that last so long (while a tenth of them do); thin: the three sequences that agree least. Once an overlap falls it often "
        "stays low, since a tracker follows its own last box."
    )
    return Picture("parting", "Where runs part", caption, figure)


def _parting_panel(axis: Axes, agreed: statistics.Agreement) -> None:
    longest = max(len(values) for values in agreed.overlaps.values())
    total, count = np.zeros(longest), np.zeros(longest)
    for values in agreed.overlaps.values():
        total[: len(values)] += np.nan_to_num(values)
        count[: len(values)] += 1
    steady = int((count >= max(1, 0.1 * len(agreed.overlaps))).sum())  # a mean of very few says nothing of all
    axis.plot(np.arange(1, steady + 1), (total / count)[:steady], color="#888888", linewidth=2.6,
              label="mean of all sequences")  # fmt: skip
    worst = [name for name in agreed.table["sequence"].head(3) if np.nanmin(agreed.overlaps[name]) < 1.0]
    for name, color, line in zip(worst, ("#D55E00", "#0072B2", "#009E73"), ("-", "--", ":"), strict=False):
        values = agreed.overlaps[name]
        axis.plot(np.arange(1, len(values) + 1), values, color=color, linestyle=line, linewidth=1.2, label=name)
    for threshold in statistics.PARTING:
        axis.axhline(threshold, color="#222222", linewidth=0.6, linestyle=(0, (1, 3)))
    axis.set_ylim(0, 1.04)
    axis.set_xlim(1, max(2, steady, *(len(agreed.overlaps[name]) for name in worst)))
    axis.set_ylabel("IoU with baseline")
    axis.legend(loc="lower left", fontsize=8, bbox_to_anchor=(1.0, 0.2))


