"""Makes a job's results from the outcomes of its measuring processes."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from harness.core.catalog import SPEEDS
from harness.core.files import plain, read_json
from harness.core.results import Results
from harness.jobs.experiment import Experiment
from harness.jobs.worker import outcome_file

NOISE_SPREAD = 0.10
OTHER_LOAD_CORES = 0.25


def complete(results: Results, folder: Path, rounds: int, experiment: Experiment | None = None) -> None:
    """Fills ``results`` from the outcomes of ``rounds`` rounds, with medians of values measured more than once."""
    outcomes = [read_json(folder / outcome_file(number)) for number in range(1, rounds + 1)]
    first = outcomes[0]
    results.metrics = merged([outcome["metrics"] for outcome in outcomes])
    results.sequences = first["sequences"]
    results.effective, results.artifact, results.dataset = first["effective"], first["artifact"], first["dataset"]
    results.details = dict(first["details"])
    results.scoring = results.details.pop("scoring", {})
    results.files = list(first["files"])
    results.warnings = list(dict.fromkeys(warning for outcome in outcomes for warning in outcome["warnings"]))
    if "cluster" not in first["details"]:  # a cluster's workers are expected
        results.warnings += load_warnings([outcome["details"].get("other_load_cores", 0.0) for outcome in outcomes])
    if rounds > 1:
        results.details["rounds"] = [outcome["metrics"] for outcome in outcomes]
        results.metrics |= spreads(results.details["rounds"])
        results.warnings += spread_warnings(results.details["rounds"])
    if experiment is not None:
        results.config = plain({**results.config, "threads": experiment.threads})


def merged(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Returns each metric's median over the rounds that have it."""
    names = dict.fromkeys(name for metrics in rounds for name in metrics)
    values = {name: [item[name] for item in rounds if item.get(name) is not None] for name in names}
    return {name: median(found) for name, found in values.items() if found and all(map(math.isfinite, found))}


def load_warnings(loads: list[float]) -> list[str]:
    """Returns a warning if other processes used the machine."""
    worst = max(loads, default=0.0)
    if worst <= OTHER_LOAD_CORES:
        return []
    return [f"Other processes used {worst:.1f} cores on average while this was measured: its times are too long."]


def spreads(rounds: list[dict[str, float]]) -> dict[str, float]:
    """``spread/<speed>``: (largest - smallest) / median over the rounds, of each speed that several rounds have."""
    found = {}
    for name in SPEEDS:
        values = [metrics[name] for metrics in rounds if metrics.get(name)]
        if len(values) > 1:
            found[f"spread/{name}"] = (max(values) - min(values)) / median(values)
    return found


def spread_warnings(rounds: list[dict[str, float]]) -> list[str]:
    """Returns a warning if the spread of the rounds' speeds is over 10 % of their median."""
    return [
        f"{name.removeprefix('spread/')} spread over {share:.0%} of its median in {len(rounds)} rounds: this is noise."
        for name, share in spreads(rounds).items()
        if share > NOISE_SPREAD
    ]


def mark_failed(results: Results, status: str, kind: str, message: str, tail: list[str], code: int) -> None:
    """Marks a result as failed or skipped, with the message for the user and the exit code of a single run."""
    results.status = status
    results.error = {"kind": kind, "message": message, "tail": tail, "exit_code": code}


def now() -> str:
    """Returns the current time in the format of results: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
