"""The table of frames (frames.parquet): made from tracks and scores, and read back into boxes and tracks."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from harness.core.errors import DataError
from harness.core.interfaces import Array, Boxes, Track
from harness.core.results import OWN_STAGE, STAGES
from harness.scoring.agreement import Agreement, agreement
from harness.scoring.got10k import Scores
from harness.scoring.overlap import success_curve

if TYPE_CHECKING:
    import pandas as pd

BOX = ("x", "y", "w", "h")
Floats = npt.NDArray[np.float64]


def frames_table(
    tracks: Iterable[Track], scores: Scores | None, round_: int = 1, contended: Container[str] = ()
) -> dict[str, Array]:
    """One row per frame, a column per key (docs/architecture.md lists them).

    Args:
        tracks: The tracks.
        scores: Their scores; None if there is no accuracy.
        round_: The round of the measurement.
        contended: Names of the sequences that ran in parallel with others, so that their times are not latencies.
    """
    parts: dict[str, list[Array]] = {}
    tracks = list(tracks)
    sure = any(track.confidence is not None for track in tracks)
    for track in tracks:
        count = len(track.boxes)
        key = (track.sequence, track.repetition)
        columns: dict[str, Any] = {
            "sequence": np.full(count, track.sequence),
            "repetition": np.full(count, track.repetition),
            "round": np.full(count, round_),
            "frame": np.arange(count),
            **{name: track.boxes[:, index] for index, name in enumerate(BOX)},
            "iou": scores.ious[key] if scores else np.full(count, np.nan),
            "scored": scores.scored[key] if scores else np.zeros(count, bool),
            "contended": np.full(count, track.sequence in contended),
            "seconds": track.seconds,
            **{stage: track.stages.get(stage, np.full(count, np.nan)) for stage in STAGES},
            **({"confidence": confidence_of(track)} if sure else {}),
            **({OWN_STAGE: track.stages[OWN_STAGE]} if OWN_STAGE in track.stages else {}),
        }
        for name, values in columns.items():
            parts.setdefault(name, []).append(np.asarray(values))
    return {name: np.concatenate(values) for name, values in parts.items()}


def confidence_of(track: Track) -> Floats:
    """A track's confidence ``[T]``, NaN if it has none."""
    return np.full(len(track.boxes), np.nan) if track.confidence is None else track.confidence


def tracks_of(frames: pd.DataFrame) -> list[Track]:
    """Returns the tracks in a table of frames: the first round of each sequence (later rounds repeat the boxes).

    Raises:
        DataError: Frames are missing or duplicated.
    """
    tracks = []
    for (sequence, repetition), rows in frames.groupby(["sequence", "repetition"], sort=False):
        rows = rows[rows["round"] == rows["round"].min()].sort_values("frame")
        if not np.array_equal(rows["frame"].to_numpy(), np.arange(len(rows))):
            raise DataError(f"{sequence}: frames are missing or doubled.")
        boxes = rows[list(BOX)].to_numpy(float)
        tracks.append(Track(str(sequence), boxes, rows["seconds"].to_numpy(float), {}, int(str(repetition))))
    return tracks


def boxes_of(tracked: pd.DataFrame) -> dict[str, Boxes]:
    """Boxes ``[T, 4]`` of each sequence (by name) in the order of frames, of the first repetition."""
    rows = tracked[tracked["repetition"] == tracked["repetition"].min()].sort_values(["sequence", "frame"])
    return {str(name): group[list(BOX)].to_numpy(float) for name, group in rows.groupby("sequence", sort=True)}


def frames_agreement(own: pd.DataFrame, base: pd.DataFrame) -> Agreement | None:
    """Returns the agreement of two runs' tables of frames; None if they share no frames or lengths differ."""
    if not {"sequence", "frame", *BOX} <= set(own.columns) & set(base.columns):
        return None
    try:
        found = agreement(boxes_of(own), boxes_of(base))
    except DataError:
        return None
    return found if found.frames else None


def success(tracked: pd.DataFrame) -> Floats | None:
    """Returns the share of scored frames with IoU above each of the 101 thresholds ``[101]``; None without truth."""
    if "iou" not in tracked:
        return None
    rows = tracked[tracked["scored"].astype(bool)] if "scored" in tracked else tracked
    values = rows["iou"].to_numpy(float)
    values = values[np.isfinite(values)]
    return success_curve(values) if len(values) else None
