"""The part of the report that shows the task's metric."""

from __future__ import annotations

from typing import Any


def sections(found: Any) -> list[Any]:
    """A table of the scores, where jobs have one."""
    from harness.present.section import Section

    scores = [row.job.results.metrics.get("example/score") for row in found.well]
    body = [[str(number), f"{score:g}"] for number, score in enumerate(scores) if score is not None]
    return [Section("example", "Scores of the example", ["job", "score"], body)] if body else []
