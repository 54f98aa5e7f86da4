"""Scores tracks by the protocols of a data set, and combines the results in one record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence as Seq
from dataclasses import dataclass, field
from typing import Any

from harness.core.interfaces import Metrics, Sequence, Track
from harness.scoring import ope
from harness.scoring.got10k import Scores, score_tracks

SPEED = ("fps", "fps_got10k")
"""Results of GOT-10k's scoring other than accuracy, which are kept under every protocol."""
GOT10K = ("ao", "sr50", "sr75", "mao", "scored_frames")


@dataclass(frozen=True)
class Accuracy:
    """Scores by every requested protocol.

    ``got10k`` always exists, because it has the overlaps of each frame and the speed. ``metrics`` and ``sequences``
    hold the scores of the requested protocols and the speed; ``details`` is the part of a job's record.
    """

    protocols: tuple[str, ...]
    got10k: Scores
    ope: ope.OpeScores | None
    metrics: Metrics
    sequences: dict[str, Metrics]
    scored_frames: int
    warnings: list[str] = field(default_factory=list)

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % intervals over sequences, of the scores by the requested protocols."""
        pooled = self.got10k.intervals if "got10k" in self.protocols else {}
        return {**({} if self.ope is None else self.ope.intervals), **pooled}

    def details(self) -> dict[str, Any]:
        """Curves and intervals, for a job's record."""
        found: dict[str, Any] = {"intervals": self.intervals}
        if "got10k" in self.protocols and self.got10k.curve is not None:
            found["success_curve"] = self.got10k.curve.tolist()
        if self.ope is not None:
            found["ope"] = self.ope.record()
        return found

    def scoring(self) -> dict[str, Any]:
        """Returns how it was scored, for a job's record."""
        how: dict[str, Any] = {"protocol": ", ".join(self.protocols), "mask": self.got10k.mask, "bounds": self.got10k.bounds}
        if self.ope is not None:
            how |= {"truth_rule": self.ope.rule, "invalid_truth": self.ope.invalid_truth}
        return how


def score_by(
    protocols: Seq[str],
    rule: str,
    tracks: Iterable[Track],
    sequences: Iterable[Sequence],
    *,
    as_shipped: bool = True,
    drop_first_time: bool = False,
    seed: int = 0,
) -> Accuracy:
    """Scores ``tracks`` by ``protocols``; under OPE frames without a valid truth count by ``rule``.

    Raises DataError for a track without a sequence, or of another length than its truth.
    """
    tracks, sequences = list(tracks), list(sequences)
    pooled = score_tracks(tracks, sequences, as_shipped=as_shipped, drop_first_time=drop_first_time, seed=seed)
    curves = None
    if "ope" in protocols and any(sequence.truth is not None for sequence in sequences):
        curves = ope.score_ope(tracks, sequences, rule=rule, as_shipped=as_shipped, seed=seed)
    kept = pooled.metrics if "got10k" in protocols else {key: pooled.metrics[key] for key in SPEED if key in pooled.metrics}
    rows = {name: _row(row, "got10k" in protocols) for name, row in pooled.sequences.items()}
    warnings = list(pooled.warnings) if "got10k" in protocols or curves is None else []
    if curves is not None:
        kept = {**curves.metrics, **kept}
        rows = {name: {**rows[name], **curves.sequences.get(name, {})} for name in rows}
        warnings += curves.warnings
    frames = pooled.scored_frames if "got10k" in protocols else 0 if curves is None else curves.frames
    return Accuracy(tuple(protocols), pooled, curves, kept, rows, frames, warnings)


def _row(row: Metrics, pooled: bool) -> Metrics:
    return dict(row) if pooled else {key: value for key, value in row.items() if key not in GOT10K}
