"""A run's value of a metric with its 95 % interval, from its samples or, if these were pruned, from kept intervals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.catalog import catalog
from harness.core.files import read_record
from harness.scoring import intervals
from harness.scoring.compared import Job
from harness.scoring.intervals import ACCURACY, FEWEST_ROUNDS, LEVEL, Interval
from harness.scoring.means import student

INTERVALS_FILE = "intervals.json"
"""The file of intervals of a run whose samples were pruned: metric -> low, high, basis."""


def interval_of(job: Job, metric: str) -> Interval:
    """Returns the value of a metric that the job has, with an interval if possible."""
    value = job.metrics[metric]
    kept = kept_intervals(job.folder).get(metric)
    if kept is not None:
        return Interval(value, float(kept["low"]), float(kept["high"]), str(kept.get("basis", "")))
    if metric == "fps" and job.timed is not None and intervals.repeats(job):
        return intervals.fps_interval(job.timed, value)
    if metric in ACCURACY and not job.random_weights and job.tracked is not None and (own := intervals.sums_of(job.tracked)):
        found = intervals.accuracy_intervals(own)[metric]
        return Interval(value, found.low, found.high, found.basis)
    return _over_rounds(job, metric)


def all_intervals(job: Job) -> dict[str, dict[str, Any]]:
    """Returns all available intervals of a job, in the form of ``INTERVALS_FILE``."""
    found = {name: interval_of(job, name) for name in job.metrics}
    return {
        name: {"low": item.low, "high": item.high, "basis": item.basis} for name, item in found.items() if item.known
    }


def kept_intervals(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """Returns the intervals kept from pruned samples; empty if nothing was pruned."""
    if not (folder / INTERVALS_FILE).is_file():
        return {}
    return {
        name: item
        for name, item in read_record(folder / INTERVALS_FILE).items()
        if isinstance(item, Mapping) and all(isinstance(item.get(end), (int, float)) for end in ("low", "high"))
    }


def relative(metric: str) -> bool:
    """Whether changes of a metric are relative (times, speeds, memory) and not absolute (accuracies)."""
    entry = catalog().get(metric)
    return "machine" in entry.needs or entry.unit in ("MB", "ms", "s", "J", "W", "frames/s")


def _over_rounds(job: Job, metric: str) -> Interval:
    """Returns Student's interval over the rounds of ``task.repeats`` if there are enough.

    For relative metrics of logarithms.
    """
    value = job.metrics[metric]
    rounds = job.results.details.get("rounds")
    found = [item[metric] for item in rounds if isinstance(item, Mapping) and item.get(metric) is not None] if isinstance(rounds, list) else []
    numbers = np.array(found, float)
    if len(numbers) < FEWEST_ROUNDS or not np.isfinite(numbers).all():
        return Interval(value)
    if relative(metric) and (numbers > 0).all():
        low, high = np.exp(student(np.log(numbers), LEVEL))
    else:
        low, high = student(numbers, LEVEL)
    return Interval(value, float(low), float(high), f"{len(numbers)} rounds")
