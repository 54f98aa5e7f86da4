"""The columns of a comparison's tables: catalogue entries of the runs' metrics, with values from their rows."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.catalog import SPEEDS, catalog
from harness.core.interfaces import Metric, Place
from harness.scoring.compared import Comparison, Row
from harness.scoring.intervals import ACCURACY, Interval, bracket

SPEED_UP, DIFFERENCE = "speed_up", "ao_difference"
"""Metrics that the comparison calculates; they are entries of the catalogue like all others."""
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
        """Returns the stored number of the cell; None if the run has none."""
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
    """Returns a metric of results.json or of the comparison; None for the accuracy of random weights."""
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
    """Returns the interval of ``value_of``, if there is one."""
    if name == SPEED_UP:
        return row.ratio
    if name == DIFFERENCE:
        return row.difference.get("ao")
    if name == row.speed_metric and name == SPEEDS[0]:
        return row.speed
    return row.accuracy.get(name)


def columns(comparison: Comparison, *places: Place) -> list[Column]:
    """Returns the columns to show at ``places`` (all of a page's tables if none is named), in the catalogue's order.

    Empty columns are left out, except accuracy that is missing because weights are random: it is shown
    empty, so that readers do not look for it elsewhere.
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
    """Returns the metrics for which a row has a value (for the speed-up, more than the baseline's own 1)."""
    names = [name for name in row.job.metrics if value_of(row, name) is not None]
    names += row.agreement.metrics() | row.sureness if row.agreement else ()
    names += [SPEED_UP] if row.ratio is not None else []
    return names + ([DIFFERENCE] if "ao" in row.difference else [])


def _only_speed(entry: Metric, rows: list[Row]) -> bool:
    """Whether ``entry`` is a speed that the page shows instead of a better one that some run lacks."""
    if entry.name not in SPEEDS or not {"main", "figures"} & set(entry.places):
        return False
    better = SPEEDS[: SPEEDS.index(entry.name)]
    return any(not any(name in row.job.metrics for name in better) for row in rows)


def subject(comparison: Comparison) -> str:
    """Returns the title of the first column: the only key that the sweep varies, else ``run``."""
    return comparison.varied[0] if len(comparison.varied) == 1 else "run"


def by_machine(comparison: Comparison) -> list[Row]:
    """Returns the rows grouped by machine; if there are several machines, jobs without results come last."""
    letters = list(comparison.machines)
    if len(letters) < 2:
        return list(comparison.rows)
    return sorted(comparison.rows, key=lambda row: letters.index(row.job.machine) if row.job.ok else len(letters))
