"""Pictures of frame times: histograms, traces, stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from harness.present import theme
from harness.present.charts import legend_below, wrapped
from harness.present.picture import Picture, drawing, new_figure, new_panels
from harness.present.theme import Style
from harness.report.looks import styles
from harness.scoring.compared import Job

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_STARTS = 120
"""The most starts of sequences that are marked."""
FAR_APART = 8.0
"""The ratio of latencies from which histograms have a logarithmic axis."""


def latency_histograms(jobs: list[Job]) -> Picture | None:
    """Draws a histogram of milliseconds per frame for each run, on one scale."""
    own = [(job, job.timed["seconds"].to_numpy(float) * 1e3) for job in jobs if job.timed is not None]
    if not own:
        return None
    look = styles(jobs)
    edge = max(float(np.percentile(values, 99.5)) for _, values in own) * 1.05
    least = min(float(values.min()) for _, values in own) * 0.9
    medians = [float(np.median(values)) for _, values in own]
    logarithmic = max(medians) > FAR_APART * min(medians)
    bins = np.geomspace(least, edge, 91) if logarithmic else np.linspace(0.0, edge, 91)
    with drawing():
        figure, axes = new_panels(len(own), 0.6 + 1.25 * len(own) + (1.2 if len(own) == 1 else 0), sharex=True)
        for axis, (job, values) in zip(axes, own, strict=True):
            style = look[job.folder]
            share = np.full(len(values), 100.0 / len(values))
            axis.hist(np.clip(values, least, edge), bins=list(bins), weights=share, color=style.color, histtype="stepfilled")
            words = []
            for percent, line in ((50, "-"), (90, "--"), (99, ":")):
                spot = float(np.percentile(values, percent))
                words.append(f"p{percent} {spot:.1f}")
                if spot <= edge:
                    axis.axvline(spot, color="#222222", linestyle=line, linewidth=1)
            axis.set_title(job.shown)
            axis.set_title(", ".join(words) + " ms", loc="right", fontsize=8.5, fontweight="normal")
            axis.set_ylabel("frames (%)")
        axes[-1].set_xlabel(f"time a frame (ms{', logarithmic' if logarithmic else ''})")
        if logarithmic:
            axes[-1].set_xscale("log")
            axes[-1].xaxis.set_major_formatter(lambda value, _place: f"{value:g}")
        axes[-1].set_xlim(bins[0], edge)
    caption = (
        "How long frames took (crop, inference, postprocessing, no decoding), in milliseconds; further left is better. Lines: "
        "median (solid), 90th (dashed) and 99th (dotted) percentile; frames beyond the right edge are counted in the last bar."
    )
    return Picture("latency_histogram", "Latency", caption, figure)


def latency_traces(jobs: list[Job]) -> Picture | None:
    """Draws milliseconds of every frame in the order in which they ran."""
    own = [(job, job.timed) for job in jobs if job.timed is not None]
    if not own:
        return None
    look = styles(jobs)
    with drawing():
        figure, axes = new_panels(len(own), 0.6 + 1.25 * len(own) + (0.8 if len(own) == 1 else 0))
        for axis, (job, timed) in zip(axes, own, strict=True):
            assert timed is not None
            values = timed["seconds"].to_numpy(float) * 1e3
            _trace(axis, values, _starts(timed), look[job.folder])
            axis.set_title(job.shown)
            axis.set_ylabel("ms")
        axes[-1].set_xlabel("frame, in the order measured (grey lines: a new sequence or round)")
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
    if len(starts) <= MOST_STARTS:
        for start in starts:
            axis.axvline(start, color="#CCCCCC", linewidth=0.6, zorder=1)
    axis.plot(np.minimum(values, top), color=style.color, linewidth=0.7, alpha=0.8, rasterized=True)
    running = pd.Series(values).rolling(25, center=True, min_periods=1).median()
    axis.plot(running.to_numpy(), color="#222222", linewidth=1, rasterized=True)
    axis.set_ylim(0, top * 1.02)
    axis.set_xlim(0, max(1, len(values)))
    axis.grid(axis="x", visible=False)


def stage_breakdown(jobs: list[Job]) -> Picture | None:
    """Draws stacked bars: the median milliseconds of each stage of a frame."""
    own = [job for job in jobs if any(f"stage_ms/{stage}" in job.metrics for stage in theme.STAGES)]
    if not own:
        return None
    shown = {stage for stage in theme.STAGES if any(f"stage_ms/{stage}" in job.metrics for job in own)}
    with drawing():
        figure, axis = new_figure(1.2 + 0.5 * len(own))
        for index, job in enumerate(own):
            left = 0.0
            for stage, color in theme.STAGES.items():
                value = job.metrics.get(f"stage_ms/{stage}", 0.0)
                axis.barh(index, value, 0.62, left=left, color=color, label=stage if index == 0 and stage in shown else None)
                left += value
                job_total = sum(job.metrics.get(f"stage_ms/{name}", 0.0) for name in theme.STAGES)
                if value > 0.07 * max(job_total, _longest(own) * 0.6):
                    dark = stage == "inference"
                    axis.text(left - value / 2, index, f"{value:.1f}", ha="center", va="center", fontsize=8,
                              color="white" if dark else "#222222")  # fmt: skip
            axis.text(left, index, f" {left:.1f} ms", va="center", fontsize=9)
        axis.set_yticks(range(len(own)), [wrapped(job.shown, 26) for job in own])
        axis.invert_yaxis()
        axis.set_xlabel("median time a frame (ms)")
        axis.margins(x=0.1)
        axis.grid(axis="y", visible=False)
        legend_below(figure, axis, 4)
    caption = (
        "Where a frame's time goes: reading and decoding the image, cropping and preparing the input, the network, and what "
        "follows it. Medians in milliseconds, shorter is better; decoding is not part of fps."
    )
    return Picture("stages", "Stages of a frame", caption, figure)


def _longest(jobs: list[Job]) -> float:
    return max(sum(job.metrics.get(f"stage_ms/{stage}", 0.0) for stage in theme.STAGES) for job in jobs)
