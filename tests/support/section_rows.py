"""Rows of a comparison made by hand, for tests of what a task adds to a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.core.results import Results
from harness.scoring.compared import Comparison, Job, Row


def row(name: str, folder: Path = Path("."), backend: str = "openvino", config: dict[str, Any] | None = None, **parts: Any) -> Row:
    """A run that ended well; ``parts`` are fields of its results."""
    chosen = {"backend": {"name": backend}, "task": {"name": "evaluate"}, **(config or {})}
    results = Results(id=f"{name:0<32}", name=name, status="ok", config=chosen, **parts)
    return Row(Job(folder, results, label=name))


def compared(*rows: Row) -> Comparison:
    """A comparison of these runs."""
    return Comparison(list(rows))
