"""Writes docs/metrics.md from the catalogue of metrics: python tools/metric_table.py."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from harness.core.catalog import KINDS, METRICS  # noqa: E402
from harness.core.metric import Metric  # noqa: E402

PAGE = ROOT / "docs" / "metrics.md"
HEAD = """# Metrics

Each metric is defined once, in `harness/core/catalog.py`; this page is made from it (`python tools/metric_table.py`).
Names are those of `results.json`, MLflow, `summary.csv` and `--fail-if`; `*` matches one part of a name, such as a camera's
rate or a stage. Of several rounds (`task.repeats`) the median is reported. `speed_up` and `ao_difference` and those of the
kind agreement are made by a comparison, so that they are in `summary.csv`, not in `results.json`.
"""
COLUMNS = "| name | shown as | unit | better | over sequences | meaning |\n| --- | --- | --- | --- | --- | --- |\n"


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for kind, title in KINDS.items():
        rows = [_row(entry) for entry in METRICS if entry.kind == kind]
        parts.append(f"## {title}\n\n" + COLUMNS + "".join(rows))
    return "\n".join(parts)


def _row(entry: Metric) -> str:
    title, meaning = (text.replace("{}", "\\*") for text in (entry.title, entry.meaning))
    cells = [f"`{entry.name}`", title, entry.unit, entry.better, entry.sequences, meaning]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
