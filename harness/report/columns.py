"""The columns of a comparison's tables: what the catalogue says of the metrics that the runs have, read from their rows."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.catalog import SPEEDS, catalog
from harness.core.interfaces import Metric, Place
from harness.scoring.compared import Comparison, Row
from harness.scoring.intervals import ACCURACY, Interval, bracket

SPEED_UP, DIFFERENCE = "speed_up", "ao_difference"
"""Metrics that the comparison makes, as far as they need a name: entries of the catalogue like all others."""
INTERVAL_DIGITS = 3


@dataclass(frozen=True)
class Column:
    """A metric as a column."""

    metric: Metric

    @property
    def key(self) -> str:
        """The metric's name."""
        return self.metric.name

    def value(self, row: Row) -> float | None:
        """The number of the cell, as stored; None if the run has none to show."""
        return value_of(row, self.key)

    def text(self, row: Row) -> str:
        """The cell as plain text."""
        return self.metric.text(self.value(row))

    def interval(self, row: Row) -> str:
        """The interval of a cell in brackets, or nothing."""
        found = interval_of(row, self.key)
        if found is None or not found.known:
            return ""
        return bracket(found, min(self.metric.digits, INTERVAL_DIGITS), self.metric.signed).split(" ", 1)[1]


def value_of(row: Row, name: str) -> float | None:
    """A metric of results.json, or one that only the comparison knows; accuracy of random weights does not exist."""
    if name == SPEED_UP:
        return 1.0 if row.baseline else row.ratio.value if row.ratio else None
    if name == DIFFERENCE:
        return row.difference["ao"].value if "ao" in row.difference else None
    if name.startswith("agreement/"):
        return (row.agreement.metrics() | row.sureness).get(name) if row.agreement else None
    if row.job.random_weights and catalog().needing("truth", [name]):
        return None
    return row.job.metrics.get(name)


def interval_of(row: Row, name: str) -> Interval | None:
    """The interval that goes with ``value_of``, where one was made."""
    if name == SPEED_UP:
        return row.ratio
    if name == DIFFERENCE:
        return row.difference.get("ao")
    if name == row.speed_metric and name == SPEEDS[0]:
        return row.speed
    return row.accuracy.get(name)


def columns(comparison: Comparison, *places: Place) -> list[Column]:
    """The columns worth showing at ``places`` (all of a page's tables if none is named), in the catalogue's order.

    Columns that hold nothing are left out, but for accuracy that is missing since weights are random: it is shown
    empty, so that nobody looks for it elsewhere.
    """
    known = catalog()
    rows = comparison.well
    names = {name for row in rows for name in _names(row)}
    missed = set(ACCURACY) if any(row.job.random_weights for row in rows) else set()
    wanted = set(places or ("main", "figures"))
    found = [known.get(name) for name in known.order(names | missed)]
    return [
        Column(entry) for entry in found if wanted & set(entry.places) or ("terminal" in wanted and _only_speed(entry, rows))
    ]


def _names(row: Row) -> list[str]:
    """The metrics that a row has something to show for (of the speed-up: more than the baseline's own 1)."""
    names = [name for name in row.job.metrics if value_of(row, name) is not None]
    names += row.agreement.metrics() | row.sureness if row.agreement else ()
    names += [SPEED_UP] if row.ratio is not None else []
    return names + ([DIFFERENCE] if "ao" in row.difference else [])


def _only_speed(entry: Metric, rows: list[Row]) -> bool:
    """Whether ``entry`` is a speed of the page's tables that is shown instead of a better one, which some run lacks."""
    if entry.name not in SPEEDS or not {"main", "figures"} & set(entry.places):
        return False
    better = SPEEDS[: SPEEDS.index(entry.name)]
    return any(not any(name in row.job.metrics for name in better) for row in rows)


def subject(comparison: Comparison) -> str:
    """What the first column holds: the one thing that the sweep varies, else ``run``."""
    return comparison.varied[0] if len(comparison.varied) == 1 else "run"


def by_machine(comparison: Comparison) -> list[Row]:
    """The rows, those of one machine together; jobs without results last where there are several machines."""
    letters = list(comparison.machines)
    if len(letters) < 2:
        return list(comparison.rows)
    return sorted(comparison.rows, key=lambda row: letters.index(row.job.machine) if row.job.ok else len(letters))
