"""One-pass evaluation in a report: scores by attribute, and success, precision and normalised precision plots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.present.charts import one_legend
from harness.present.picture import Picture, drawing, new_figure
from harness.present.section import Section
from harness.report.looks import styles
from harness.scoring.compared import Comparison, Job
from harness.scoring.ope import METRICS, OVERLAPS, PIXELS, SHARES, TRUTH_RULES

MOST_NOTED = 8
PANELS = 4
"""Attributes side by side."""


@dataclass(frozen=True)
class Kind:
    """One of the three plots: its curve's key, thresholds, axis, and the score in its legend."""

    key: str
    title: str
    thresholds: np.ndarray
    axis: str
    share: str
    score: str
    label: str
    caption: str


KINDS = (
    Kind("success", "Success plot (OPE)", OVERLAPS, "overlap threshold (IoU)", "share of frames above it", "auc", "AUC",
         "For each of 21 overlap thresholds the share of frames whose box overlaps the truth by more, a sequence's first frame "
         "included, mean over sequences; the legend is sorted by AUC, the curve's mean."),
    Kind("precision", "Precision plot (OPE)", PIXELS, "location error threshold (pixels)", "share of frames within it",
         "precision20", "P20",
         "For each distance the share of frames whose box centre lies at most so far from the truth's, mean over sequences; the "
         "legend is sorted by precision at 20 pixels."),
    Kind("norm_precision", "Normalised precision plot (OPE)", SHARES, "location error by the target's size",
         "share of frames within it", "norm_precision20", "P0.2 norm.",
         "As the precision plot, the distance divided by the truth's width and height; the legend is sorted by the share at 0.2."),
)  # fmt: skip


def sections(found: Comparison) -> list[Section]:
    """Returns a section for the jobs that were scored by OPE; nothing if there are none."""
    jobs = [row.job for row in found.well if _record(row.job) and not row.job.random_weights]
    if not jobs:
        return []
    attributes = list(dict.fromkeys(name for job in jobs for name in _attributes(job)))
    head = ["attribute", "sequences", *(f"{job.shown}: AUC / P20" for job in jobs)]
    body = [_line(name, jobs) for name in attributes]
    overall = [_scores(job.metrics) for job in jobs]
    body.insert(0, ["all", str(max(len(job.results.sequences) for job in jobs)), *overall])
    pictures = [picture for kind in KINDS if (picture := plot(jobs, kind)) is not None]
    pictures += [picture for picture in (attribute_plots(jobs, attributes),) if picture is not None]
    job = jobs[0].id if len(found.rows) == 1 else ""
    return [Section("ope", "One-pass evaluation (OPE)", head, body, _notes(jobs), pictures, order=20, job=job)]


def _record(job: Job) -> Mapping[str, Any]:
    found = job.results.details.get("ope")
    return found if isinstance(found, Mapping) and found.get("curves") else {}


def _attributes(job: Job) -> Mapping[str, Any]:
    found = _record(job).get("attributes")
    return found if isinstance(found, Mapping) else {}


def _scores(values: Mapping[str, float]) -> str:
    if "auc" not in values:
        return "-"
    return f"{values['auc']:.3f} / {values['precision20']:.3f}"


def _line(attribute: str, jobs: list[Job]) -> list[str]:
    found = [_attributes(job).get(attribute, {}) for job in jobs]
    count = max((int(item.get("sequences", 0)) for item in found), default=0)
    return [attribute, str(count), *(_scores(item) for item in found)]


def _notes(jobs: list[Job]) -> list[str]:
    """Returns how frames without a valid truth were counted, and their number."""
    told: dict[str, list[str]] = {}
    for job in jobs:
        record = _record(job)
        count, rule = int(record.get("invalid_truth", 0)), str(record.get("rule", ""))
        if count:
            sentence = f"{count} of {record.get('frames')} frames have no valid truth: {TRUTH_RULES.get(rule, rule)}."
            told.setdefault(sentence, []).append(job.shown)
    if len(told) == 1:
        return list(told)
    return [f"{', '.join(names)}: {sentence}" for sentence, names in list(told.items())[:MOST_NOTED]]


# ------------------------------------------------------------------------------------------- tables


def curve_tables(job: Job) -> dict[str, pd.DataFrame]:
    """The job's three curves as tables (threshold, share), by the key of their picture; empty without OPE."""
    if job.random_weights:
        return {}
    found = {f"ope_{kind.key}": (kind, _curve(_record(job).get("curves"), kind)) for kind in KINDS}
    return {
        key: pd.DataFrame({"threshold": kind.thresholds, "share": curve})
        for key, (kind, curve) in found.items()
        if curve is not None
    }


def attribute_table(job: Job) -> pd.DataFrame:
    """Returns a row per attribute with its sequences and scores; empty without attributes."""
    if job.random_weights:
        return pd.DataFrame()
    rows = [
        {"attribute": name, "sequences": int(found["sequences"]), **{key: found[key] for key in METRICS if key in found}}
        for name, found in _attributes(job).items()
    ]
    return pd.DataFrame(rows)


# ----------------------------------------------------------------------------------------- pictures


def plot(jobs: list[Job], kind: Kind) -> Picture | None:
    """The curves of all jobs, the legend sorted by the plot's score."""
    curves = [(job, _curve(_record(job).get("curves"), kind)) for job in jobs]
    drawn = sorted(
        ((job, curve) for job, curve in curves if curve is not None),
        key=lambda pair: (-pair[0].metrics.get(kind.score, 0.0), pair[0].shown),
    )
    if not drawn:
        return None
    look = styles(jobs)
    with drawing():
        figure, axis = new_figure(4.2, 7.5 if len(jobs) > 1 else 6.0)
        for place, (job, curve) in enumerate(drawn):
            style = look[job.folder]
            axis.plot(
                kind.thresholds, curve, color=style.color, linestyle=style.line,
                linewidth=max(1.4, 3.2 - 0.5 * place),  # later ones are thinner, so that equal curves all stay visible
                label=f"[{job.metrics.get(kind.score, float('nan')):.3f}] {job.shown}",
            )  # fmt: skip
        axis.set_xlabel(kind.axis)
        axis.set_ylabel(kind.share)
        axis.set_xlim(0, float(kind.thresholds[-1]))
        axis.set_ylim(0, 1.02)
        axis.legend(loc="lower left" if kind.key == "success" else "lower right", title=kind.label)
    return Picture(f"ope_{kind.key}", kind.title, kind.caption, figure)


def _curve(curves: Any, kind: Kind) -> np.ndarray | None:
    values = curves.get(kind.key) if isinstance(curves, Mapping) else None
    return np.array(values, float) if values is not None and len(values) == len(kind.thresholds) else None


def attribute_plots(jobs: list[Job], attributes: list[str]) -> Picture | None:
    """A success plot for each attribute, runs sorted by their AUC in it."""
    if not attributes:
        return None
    kind, look = KINDS[0], styles(jobs)
    rows = -(-len(attributes) // PANELS)
    with drawing():
        figure, axes = new_figure(0.6 + 2.15 * rows, 10.0, nrows=rows, ncols=PANELS, squeeze=False, sharex=True, sharey=True)
        panels = list(axes.ravel())
        for axis, attribute in zip(panels, attributes, strict=False):
            _panel(axis, jobs, attribute, kind, look)
        for axis in panels[len(attributes) :]:
            axis.set_axis_off()
        for axis in axes[:, 0]:
            axis.set_ylabel("success")
        one_legend(figure, panels[: len(attributes)], min(4, len(jobs)))
    caption = (
        "Success plots over the sequences that have an attribute (their number in brackets). The figures in a panel are the runs' AUC, "
        "best first, in the runs' colours; an attribute with few sequences says little."
    )
    return Picture("ope_attributes", "Success by attribute (OPE)", caption, figure)


def _panel(axis: Any, jobs: list[Job], attribute: str, kind: Kind, look: Mapping[Any, Any]) -> None:
    found = [(job, _attributes(job).get(attribute, {})) for job in jobs]
    ranked = sorted((pair for pair in found if pair[1]), key=lambda pair: -float(pair[1].get("auc", 0.0)))
    for place, (job, record) in enumerate(ranked):
        curve, style = _curve(record.get("curves"), kind), look[job.folder]
        if curve is None:
            continue
        axis.plot(kind.thresholds, curve, color=style.color, linestyle=style.line, linewidth=1.4, label=job.shown)
        if place < 5:
            axis.text(0.04, 0.07 + 0.1 * (min(5, len(ranked)) - 1 - place), f"{record['auc']:.3f}", color=style.color,
                      transform=axis.transAxes, fontsize=8)  # fmt: skip
    count = max((int(record.get("sequences", 0)) for _, record in ranked), default=0)
    axis.set_title(f"{attribute} ({count})")
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1.02)
