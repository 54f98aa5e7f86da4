"""Runs of one configuration on one machine as a series of a metric, and where its level changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from harness.core.catalog import GROUP_NAMES, catalog
from harness.core.config import suggestion
from harness.core.errors import ConfigError, DataError
from harness.core.interfaces import Metric
from harness.report import differences
from harness.report.history.values import interval_of, relative
from harness.scoring.compared import Job
from harness.scoring.intervals import Interval
from harness.scoring.levels import FEWEST_DIFFERENCES, Level, levels

STEERING = ("resume", "objective", "mlflow", "turns", "recipe", "search", "prepare.cache", "task.repeats")
"""Keys that control how a run is kept, compared or repeated; they do not change its measurement."""
PLACES = ("cache", "root", "path")
"""Last parts of keys with places of data; their content is covered by the data set's digest."""
FLOOR_RELATIVE, FLOOR_FEW, LEAST_RELATIVE = 0.005, 0.03, 0.03
"""The least assumed noise of speeds and times between runs (more if runs are few), and the least reported change."""
FLOOR_ABSOLUTE, LEAST_ABSOLUTE = 1e-4, 1e-3
"""The same for accuracies, which the same code repeats exactly on the same data."""


@dataclass(frozen=True)
class Point:
    """One run's value of the metric."""

    job: Job
    interval: Interval

    @property
    def value(self) -> float:
        """The value as stored."""
        return self.interval.value

    @property
    def commit(self) -> str:
        """Seven characters of the commit, with a plus if files had changed since; a dash if it is not known."""
        found = self.job.results.environment
        commit = str(found.get("commit") or "")[:7]
        return f"{commit}{'+' if found.get('dirty') else ''}" if commit else "-"


@dataclass(frozen=True)
class Change:
    """A change of level.

    Attributes:
        before: The last run of the old level.
        after: The first run of the new one.
        old: The old level.
        new: The new level.
        better: 1 if the metric improved, -1 if it got worse, 0 if it has no direction.
        differs: Sentences on differences in the environment of the two runs.
    """

    before: Point
    after: Point
    old: Level
    new: Level
    better: int
    differs: list[str]

    def text(self, metric: Metric) -> str:
        """Returns the change as one sentence."""
        verb = "rose" if self.new.value > self.old.value else "fell"
        share = f" ({self.new.value / self.old.value - 1:+.1%})" if self.old.value > 0 and relative(metric.name) else ""
        word = {1: "better", -1: "worse", 0: "changed"}[self.better]
        sure = "" if self.new.count > 1 else "; one run so far, to be confirmed"
        commits = f"at commit {self.after.commit}"
        if self.before.commit != self.after.commit:
            commits = f"between commits {self.before.commit} and {self.after.commit}"
        cause = f": {'; '.join(self.differs)}" if self.differs else ": nothing else that is recorded differs"
        return (
            f"{moment(self.after.job)}: {metric.title} {verb} from {metric.text(self.old.value)} to {metric.text(self.new.value)}"
            f"{share}, {word}{sure}, {commits}{cause}."
        )


@dataclass
class Series:
    """The runs of one configuration on one machine with one data set, the oldest first.

    Attributes:
        metric: The metric.
        points: The runs.
        title: Its differences from the other series.
        levels: Its levels; only one if it does not change.
        changes: The changes from each level to the next.
    """

    metric: Metric
    points: list[Point]
    title: str = ""
    levels: list[Level] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    @property
    def job(self) -> Job:
        """Its newest run."""
        return self.points[-1].job


def moment(job: Job) -> str:
    """Returns the time when a run ended (UTC), for display."""
    return job.results.ended[:16].replace("T", " ")


# ------------------------------------------------------------------------------------------ grouping


def series_of(jobs: Sequence[Job], metric: str) -> list[Series]:
    """Returns the series of a metric; a series has runs with equal machine, data and settings that affect measurements.

    Args:
        jobs: The runs, the oldest first; those without the metric are left out.
        metric: A metric's name.

    Raises:
        ConfigError: No run has the metric.
    """
    having = [job for job in jobs if metric in job.metrics and not (job.random_weights and catalog().needing("truth", [metric]))]
    if not having:
        known = sorted({name for job in jobs for name in job.metrics})
        raise ConfigError(
            f"no run here has the metric {metric!r}{suggestion(metric, known)}; metrics of these runs: {', '.join(known[:30]) or 'none'}."
        )
    groups: dict[tuple[Any, ...], list[Job]] = {}
    for job in having:
        groups.setdefault(_key(job), []).append(job)
    entry = catalog().get(metric)
    found = [Series(entry, [_point(job, metric) for job in group]) for group in groups.values()]
    for item, title in zip(found, titles([series.job for series in found]), strict=True):
        item.title = title
        find_changes(item)
    return found


def _point(job: Job, metric: str) -> Point:
    """Returns a run's value, without an interval if its samples are damaged."""
    try:
        return Point(job, interval_of(job, metric))
    except DataError:
        return Point(job, Interval(job.metrics[metric], basis="its samples cannot be read"))


def settings_of(job: Job) -> dict[str, Any]:
    """Returns the settings that affect a run's measurement, flat: ``backend`` and ``backend.streams``."""
    flat = differences.flatten(job.results.config)
    found = {}
    for key, value in flat.items():
        if key.rpartition(".")[2] in PLACES or any(key == name or key.startswith(f"{name}.") for name in STEERING):
            continue
        found[key.removesuffix(".name") if key.removesuffix(".name") in GROUP_NAMES else key] = value
    return found


def _key(job: Job) -> tuple[Any, ...]:
    settings = tuple(sorted((key, repr(value)) for key, value in settings_of(job).items()))
    return job.machine, str(job.results.dataset.get("digest", "")), job.random_weights, settings


def titles(jobs: Sequence[Job]) -> list[str]:
    """Returns titles that distinguish configurations: differing groups, else further settings, machine and data."""
    flat = [settings_of(job) for job in jobs]
    chosen = [group for group in GROUP_NAMES if len({repr(item.get(group)) for item in flat}) > 1]
    found = [" ".join(f"{key}={item.get(key)}" for key in chosen) for item in flat]
    tellers: list[Callable[[int, list[int]], str]] = [
        lambda index, same: " ".join(
            f"{key}={flat[index].get(key)}"
            for key in sorted({key for other in same for key in flat[other]})
            if key not in chosen and len({repr(flat[other].get(key)) for other in same}) > 1
        ),
        lambda index, same: f"machine {jobs[index].machine or 'unknown'}" if len({jobs[i].machine for i in same}) > 1 else "",
        lambda index, same: f"data {str(jobs[index].results.dataset.get('digest', 'unknown'))[:7]}",
    ]
    for teller in tellers:
        for title in [title for title in dict.fromkeys(found) if found.count(title) > 1]:
            same = [index for index, other in enumerate(found) if other == title]
            for index in same:
                found[index] = f"{title} {teller(index, same)}".strip()
    return [title or jobs[index].results.name for index, title in enumerate(found)]


def chosen(jobs: Sequence[Job], conditions: Sequence[str]) -> list[Job]:
    """Returns the runs that meet all conditions.

    Args:
        jobs: The runs.
        conditions: ``key=value``: a group's choice, a dotted key, ``machine`` or ``commit`` by its first characters.

    Raises:
        ConfigError: A condition cannot be read, or names a key that no run has.
    """
    for text in conditions:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"{text!r} is not a condition; give key=value, as backend=onnx.")
        known: dict[str, Callable[[Job], Any]] = {
            "machine": lambda job: job.machine,
            "commit": lambda job: job.results.environment.get("commit", ""),
        }
        if key not in known and jobs and not any(key in settings_of(job) for job in jobs):
            names = sorted({name for job in jobs for name in settings_of(job)} | set(known))
            raise ConfigError(f"no run here has the setting {key!r}{suggestion(key, names)}; give one of its configuration, machine or commit.")
        if key in known:
            read = known[key]
            jobs = [job for job in jobs if str(read(job)).startswith(value)]
        else:
            jobs = [job for job in jobs if _same(settings_of(job).get(key), value)]
    return list(jobs)


def _same(own: Any, value: str) -> bool:
    words = {"true": True, "false": False, "null": None}
    return own == words[value.lower()] if value.lower() in words else str(own) == value


# ----------------------------------------------------------------------------------------- changes


def find_changes(series: Series) -> None:
    """Computes the levels of a series and the changes between them."""
    values = np.array([point.value for point in series.points], float)
    halves = np.array([_half(point.interval) for point in series.points], float)
    by_share = relative(series.metric.name) and bool((values > 0).all())
    if by_share:
        few = len(values) - 1 < FEWEST_DIFFERENCES
        found = levels(np.log(values), halves / values, FLOOR_FEW if few else FLOOR_RELATIVE, np.log1p(LEAST_RELATIVE))
        found = [Level(level.first, level.last, float(np.exp(level.value))) for level in found]
    else:
        # an accuracy's interval is over sequences, and does not describe how exactly the same code repeats
        found = levels(values, np.full(len(values), np.nan), FLOOR_ABSOLUTE, LEAST_ABSOLUTE)
    series.levels = found
    series.changes = [_change(series, old, new) for old, new in pairwise(found)]


def _half(interval: Interval) -> float:
    return (interval.high - interval.low) / 2 if interval.low is not None and interval.high is not None else float("nan")


def _change(series: Series, old: Level, new: Level) -> Change:
    before, after = series.points[old.last], series.points[new.first]
    sign = {"higher": 1, "lower": -1}.get(series.metric.better, 0)
    better = sign * (1 if new.value > old.value else -1)
    return Change(before, after, old, new, better, differing(before.job, after.job))


def differing(before: Job, after: Job) -> list[str]:
    """Returns sentences on differences of two runs of one configuration: environment, model, notes on the machine."""
    found = [f"{key.removeprefix('versions.')} {old} -> {new}" for key, old, new in differences.environment_changes(before, after)
             if key not in ("commit", "dirty")]  # fmt: skip
    keys: tuple[Mapping[str, Any], Mapping[str, Any]] = (before.results.artifact, after.results.artifact)
    if keys[0].get("key") != keys[1].get("key"):
        found.append("another prepared model")
    found += [f"then: {line.rstrip('.')}" for line in after.results.warnings if line not in before.results.warnings]
    return found
