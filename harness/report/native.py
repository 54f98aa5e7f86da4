"""A job's data in the forms that MLflow draws itself: tables (``log_table``) and metrics with steps (line charts).

Steps are thresholds, percentiles or positions of sequences, never frames: a run logs a few hundred points, not one per
frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.core.catalog import catalog
from harness.core.results import OWN_STAGE, STAGES
from harness.report import ope
from harness.report.sources import load
from harness.scoring.compared import Job
from harness.scoring.frames import success
from harness.scoring.overlap import THRESHOLDS

Series = dict[str, list[tuple[int, float]]]

COUNTED = ("mean_overlap", "invalid_truth")
"""OPE's values of a sequence that are not scores."""


def tables(source: Job | Path) -> dict[str, pd.DataFrame]:
    """Tables of a job (or of the job in a folder) by name, every column of plain numbers or text.

    ``sequences`` (a row a sequence: sequence, frames, ao, sr50, sr75, fps as far as known), ``success_curve``
    (threshold, share of frames above it), ``latency_percentiles`` (percentile, ms), ``stages`` (stage, p50 in ms),
    ``ope_success``, ``ope_precision``, ``ope_norm_precision`` (threshold, share), ``attributes`` (attribute, sequences, scores).
    """
    job = _job(source)
    found = {
        "sequences": _sequences(job),
        "success_curve": _curve(job),
        "latency_percentiles": _percentiles(job),
        "stages": _stages(job),
        **ope.curve_tables(job),
        "attributes": ope.attribute_table(job),
    }
    return {name: table for name, table in found.items() if len(table)}


def series(source: Job | Path) -> Series:
    """Metrics with steps of a job (or of the job in a folder): name -> [(step, value)].

    ``success_curve`` (step: overlap threshold in percent, 0 to 100), ``sequence/ao``, ``sequence/auc`` and ``sequence/fps``
    (step: place of the sequence in the order of names, the same for all runs over the same data), ``latency_ms/by_percentile``
    (step: percentile, 1 to 100), ``ope/success``, ``ope/norm_precision`` (step: threshold in percent) and ``ope/precision``
    (step: threshold in pixels). Without what they need (truth, latency) they are absent.
    """
    job = _job(source)
    found: Series = {}
    curve = _curve(job)
    if len(curve):
        found["success_curve"] = [(round(100 * t), float(v)) for t, v in curve.itertuples(index=False)]
    rows = _sequences(job)
    for name, table in ope.curve_tables(job).items():
        scale = 1 if name == "ope_precision" else 100
        found[name.replace("_", "/", 1)] = [(round(scale * t), float(v)) for t, v in table.itertuples(index=False)]
    for column in ("ao", "auc", "fps"):
        if column in rows:
            values = [(place, float(value)) for place, value in enumerate(rows[column]) if np.isfinite(value)]
            found[f"sequence/{column}"] = values
    percentiles = _percentiles(job)
    if len(percentiles):
        found["latency_ms/by_percentile"] = [(int(p), float(v)) for p, v in percentiles.itertuples(index=False)]
    return {name: values for name, values in found.items() if values}


def _job(source: Job | Path) -> Job:
    return load(source) if isinstance(source, Path) else source


def columns_and_data(table: pd.DataFrame) -> dict[str, list[Any]]:
    """The table as MLflow stores tables: ``{"columns": [...], "data": [[...], ...]}``; NaN becomes None."""
    data = [[None if isinstance(v, float) and not np.isfinite(v) else v for v in row] for row in table.to_numpy(object)]
    return {"columns": [str(name) for name in table.columns], "data": data}


def _sequences(job: Job) -> pd.DataFrame:
    rows = []
    shown = _shown(job)
    for name in sorted(job.results.sequences):
        own = job.results.sequences[name]
        rows.append({"sequence": name, **{key: float(own[key]) for key in shown if key in own}})
    return pd.DataFrame(rows)


def _shown(job: Job) -> list[str]:
    """Returns the columns of a sequence's row: frames, accuracy and its counts (not with random weights), speed."""
    names = {name for row in job.results.sequences.values() for name in row}
    kinds = {name: entry.kind for name in names if (entry := catalog().find(name)) is not None}
    accuracy = [name for name in catalog().order(names) if kinds.get(name) == "accuracy"]
    speed = [name for name in catalog().order(names) if kinds.get(name) == "speed"]
    return ["frames", *([] if job.random_weights else [*accuracy, *COUNTED]), *speed]


def _curve(job: Job) -> pd.DataFrame:
    curve = None
    if job.tracked is not None and "ao" in job.metrics and not job.random_weights:
        curve = success(job.tracked)
    if curve is None:
        return pd.DataFrame()
    return pd.DataFrame({"threshold": THRESHOLDS, "success": curve})


def _percentiles(job: Job) -> pd.DataFrame:
    if job.timed is None:
        return pd.DataFrame()
    steps = np.arange(1, 101)
    return pd.DataFrame({"percentile": steps, "ms": 1e3 * np.percentile(job.timed["seconds"].to_numpy(float), steps)})


def _stages(job: Job) -> pd.DataFrame:
    values = {stage: job.metrics.get(f"stage_ms/{stage}") for stage in (*STAGES, OWN_STAGE)}
    rows = [{"stage": stage, "p50_ms": value} for stage, value in values.items() if value is not None]
    return pd.DataFrame(rows)
