"""Computes a run's scores again from its boxes and the truth in the bundle, and compares them with the stated ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.catalog import catalog
from harness.core.errors import DataError
from harness.core.interfaces import Sequence
from harness.core.results import FRAMES_FILE, Results, read_frames
from harness.scoring.frames import tracks_of
from harness.scoring.ope import METRICS
from harness.scoring.protocols import GOT10K, score_by

TOLERANCE = 1e-9
"""The tolerance: scores are sums of the same numbers in the same order; it is far below the last digit shown."""


@dataclass
class Check:
    """The result of a check: ``same``, ``differs`` (with sentences why) or ``not checked`` (with the reason)."""

    name: str
    outcome: str
    notes: list[str] = field(default_factory=list)


def check_scores(folder: Path, truth: list[Sequence] | None) -> Check:
    """Recomputes the scores of the job in ``folder``."""
    results = Results.load(folder)
    name = results.name
    stated = {key: value for key, value in results.metrics.items() if _checked(key)}
    if not stated:
        return Check(name, "not checked", ["it states no accuracy"])
    if truth is None:
        return Check(name, "not checked", ["the bundle has no truth for it"])
    if not (folder / FRAMES_FILE).is_file():
        return Check(name, "not checked", ["it has no boxes per frame"])
    try:
        tracks = tracks_of(read_frames(folder))
        known = {sequence.name: sequence for sequence in truth}
        scores = score_by(
            str(results.scoring.get("protocol") or "got10k").split(", "),
            str(results.scoring.get("truth_rule") or "exclude"),
            tracks,
            [known[item] for item in dict.fromkeys(t.sequence for t in tracks)],
            as_shipped=False,
        )
    except (DataError, KeyError, ValueError, TypeError) as error:
        return Check(name, "differs", [f"its boxes do not fit the truth ({error})"])
    notes = _differences("", stated, scores.metrics)
    for sequence, row in results.sequences.items():
        own = {key: value for key, value in row.items() if _checked(key)}
        notes += _differences(f"{sequence}: ", own, scores.sequences.get(sequence, {}))
    return Check(name, "differs" if notes else "same", notes)


def _checked(name: str) -> bool:
    """Whether a metric is an accuracy that can be computed again from the boxes and the truth in a bundle."""
    entry = catalog().find(name)
    return name in (*GOT10K, *METRICS) and entry is not None and entry.kind == "accuracy"


def _differences(where: str, stated: Mapping[str, float], found: Mapping[str, float]) -> list[str]:
    notes = []
    for key, value in stated.items():
        again = found.get(key)
        if again is None or not abs(float(value) - again) <= TOLERANCE:
            shown = "none" if again is None else f"{again:.6f}"
            notes.append(f"{where}{key} is stated as {float(value):.6f}, the boxes give {shown}")
    return notes
