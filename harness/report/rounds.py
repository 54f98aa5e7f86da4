"""The rounds of ``task.repeats`` side by side: every round's speed, their median and their spread. Nothing is left out."""

from __future__ import annotations

from statistics import median
from typing import Any

from harness.core.catalog import SPEEDS
from harness.present.section import Section
from harness.scoring.compared import Comparison

NOISE = 0.10


def sections(found: Comparison) -> list[Section]:
    """Returns a row per job and speed, a column per round; nothing if no job has several rounds."""
    rows: list[tuple[str, str, list[float | None]]] = []
    for row in found.well:
        rounds: list[dict[str, Any]] = row.job.results.details.get("rounds") or []
        for name in SPEEDS:
            values = [item.get(name) for item in rounds]
            if sum(value is not None for value in values) > 1:
                rows.append((row.shown, name, values))
    if not rows:
        return []
    most = max(len(values) for _, _, values in rows)
    head = ["run", "speed", *(f"round {number}" for number in range(1, most + 1)), "median", "spread", ""]
    body = [_line(label, name, values, most) for label, name, values in rows]
    notes = [
        "Whole rounds, in rotated order across the jobs. Spread: (largest - smallest) / median; over "
        f"{NOISE:.0%} it is called noise, and differences of that size say nothing."
    ]
    return [Section("rounds", "Rounds", head, body, notes, order=30)]


def _line(label: str, name: str, values: list[float | None], most: int) -> list[str]:
    known = [value for value in values if value is not None]
    spread = (max(known) - min(known)) / median(known)
    cells = ["-" if value is None else f"{value:.2f}" for value in values] + ["-"] * (most - len(values))
    return [label, name, *cells, f"{median(known):.2f}", f"{spread:.1%}", "noise" if spread > NOISE else ""]
