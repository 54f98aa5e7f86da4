"""summary.csv: a line per job, everything in full precision."""

from __future__ import annotations

import csv
import io

from harness.core.catalog import MEASURED_GROUPS, catalog
from harness.report.columns import DIFFERENCE, SPEED_UP, interval_of, value_of
from harness.scoring.compared import Comparison, Row


def csv_text(comparison: Comparison) -> str:
    """Returns identity, choices, status, every metric by its name, values of the comparison, and intervals."""
    names = sorted({name for row in comparison.rows for name in row.job.metrics})
    made = [f"{name}{end}" for name in (SPEED_UP, DIFFERENCE) for end in ("", "_low", "_high")]
    agreed = _agreement(comparison)
    head = ["job", "id", "run", "status", "error", "baseline", "random_weights", "machine", *MEASURED_GROUPS, "threads"]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*head, *names, *made, *agreed, "verdict"])
    for row in comparison.rows:
        writer.writerow(_line(row, names, agreed))
    return buffer.getvalue()


def _agreement(comparison: Comparison) -> list[str]:
    """Returns the agreement's columns: always those of the boxes, others if a run has them."""
    always = ["agreement/mean_iou", "agreement/identical_boxes", "agreement/first_divergent_frame"]
    found = {name for row in comparison.rows if row.agreement for name in row.agreement.metrics() | row.sureness}
    return catalog().order({*always, *found})


def _line(row: Row, names: list[str], agreed: list[str]) -> list[object]:
    results = row.job.results
    own = [row.job.number, results.id, row.label, results.status, row.job.failure(), int(row.baseline)]
    own += [int(row.job.random_weights), row.job.machine, *(results.choice(group) for group in MEASURED_GROUPS)]
    values: list[object] = [results.metrics.get(name, "") for name in names]
    for name in (SPEED_UP, DIFFERENCE):
        found = interval_of(row, name)
        parts = (found.value, found.low, found.high) if found else (None, None, None)
        values += ["" if part is None else part for part in parts]
    values += ["" if (value := value_of(row, name)) is None else value for name in agreed]
    return [_cell(value) for value in [*own, results.config.get("threads", ""), *values, row.verdict]]


def _cell(value: object) -> object:
    """Puts an apostrophe before text that a spreadsheet would read as a formula."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return "'" + value
    return value
