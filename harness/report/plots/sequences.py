"""Pictures over sequences and frames: success curves, a map of sequences, and where runs diverge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.present.charts import wrapped
from harness.present.picture import Picture, drawing, new_figure, new_panels
from harness.report.looks import styles
from harness.scoring.agreement import PARTING, Agreement
from harness.scoring.compared import Comparison, Job
from harness.scoring.frames import success
from harness.scoring.overlap import THRESHOLDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_SEQUENCES = 40
MOST_PARTING = 6


def success_curves(jobs: list[Job]) -> Picture | None:
    """Draws the share of frames above each overlap threshold."""
    curves = [(job, curve) for job in jobs if (curve := _curve(job)) is not None]
    if not curves:
        return None
    look = styles(jobs)
    with drawing():
        figure, (axis,) = new_panels(1, 4.0, 7.5 if len(jobs) > 1 else 6.0)
        for index, (job, curve) in enumerate(curves):
            style = look[job.folder]
            width = max(1.4, 3.6 - 0.8 * index)  # later ones are thinner, so that equal curves all stay visible
            axis.plot(
                THRESHOLDS, curve, color=style.color, linestyle=style.line, linewidth=width,
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
    return success(job.tracked)


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
    with drawing():
        figure, axis = new_figure(1.1 + 0.24 * len(names), min(12.0, 3.4 + 1.1 * len(own)))
        image = axis.imshow(values, vmin=0, vmax=1, cmap="cividis", aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7.5,
                          color="white" if value < 0.55 else "black")  # fmt: skip
        axis.set_yticks(range(len(names)), names, fontsize=8)
        axis.set_xticks(range(len(own)), [wrapped(job.shown, 14) for job in own], fontsize=8)
        axis.grid(visible=False)
        axis.tick_params(length=0)
        figure.colorbar(image, ax=axis, label="AO (0 to 1)", fraction=0.05, pad=0.02)
    which = "every sequence" if len(names) == total else f"the {len(names)} of {total} sequences whose AO differs most"
    caption = f"AO of {which} (rows) in each run (columns), hardest first; brighter is better, grey numbers are the values."
    return Picture("sequences", "Accuracy by sequence", caption.replace("grey numbers", "the numbers"), figure)


def _most_telling(names: list[str], values: npt.NDArray[np.float64]) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Returns at most MOST_SEQUENCES rows, those in which the runs differ most, ordered by mean AO."""
    spread = np.nan_to_num(np.nanmax(values, axis=1) - np.nanmin(values, axis=1))
    mean = np.nan_to_num(np.nanmean(values, axis=1))
    keep = np.lexsort((mean, -spread))[:MOST_SEQUENCES]
    order = keep[np.argsort(mean[keep], kind="stable")]
    return [names[index] for index in order], values[order]


def parting(found: Comparison) -> Picture | None:
    """Draws the overlap of each run's boxes with the baseline's for the sequences in which they diverge most."""
    rows = [row for row in found.rows if row.agreement is not None and row.agreement.identical < 1.0]
    if not rows or found.base is None:
        return None
    rows = rows[:MOST_PARTING]
    with drawing():
        figure, axes = new_figure(0.5 + 2.1 * len(rows), nrows=len(rows), squeeze=False)
        for axis, row in zip(axes[:, 0], rows, strict=True):
            assert row.agreement is not None
            _parting_panel(axis, row.agreement)
            axis.set_title(f"{row.shown} against {found.base.shown}")
        axes[-1, 0].set_xlabel("frame of the sequence")
    caption = (
        "Overlap (IoU) of the run's boxes with the baseline's, frame by frame: 1 means the same box. Thick grey: mean over "
        "all sequences that are this long (while a tenth of them do); thin: the three sequences that agree least. Once an overlap falls it often "
        "stays low, since a tracker follows its own last box."
    )
    return Picture("parting", "Where runs part", caption, figure)


def _parting_panel(axis: Axes, agreed: Agreement) -> None:
    own = [item for item in agreed.sequences if item.frames]
    longest = max(item.frames for item in own)
    total, count = np.zeros(longest), np.zeros(longest)
    for item in sorted(own, key=lambda item: item.sequence):
        total[: item.frames] += np.nan_to_num(item.overlaps)
        count[: item.frames] += 1
    steady = int((count >= max(1, 0.1 * len(own))).sum())  # a mean of very few is not typical
    axis.plot(np.arange(1, steady + 1), (total / count)[:steady], color="#888888", linewidth=2.6,
              label="mean of all sequences")  # fmt: skip
    worst = [item for item in own[:3] if np.nanmin(item.overlaps) < 1.0]
    for item, color, line in zip(worst, ("#D55E00", "#0072B2", "#009E73"), ("-", "--", ":"), strict=False):
        axis.plot(np.arange(1, item.frames + 1), item.overlaps, color=color, linestyle=line, linewidth=1.2,
                  label=item.sequence)  # fmt: skip
    for threshold in PARTING:
        axis.axhline(threshold, color="#222222", linewidth=0.6, linestyle=(0, (1, 3)))
    axis.set_ylim(0, 1.04)
    axis.set_xlim(1, max(2, steady, *(item.frames for item in worst)))
    axis.set_ylabel("IoU with baseline")
    axis.legend(loc="lower left", fontsize=8, bbox_to_anchor=(1.0, 0.2))
