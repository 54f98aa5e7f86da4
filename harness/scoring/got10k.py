"""Scores and summaries: pure functions over boxes and seconds.

The protocol is that of the GOT-10k toolkit (L. Huang, X. Zhao, K. Huang: GOT-10k, IEEE TPAMI 2021, section 4,
and the package ``got10k`` 0.1.3, against which the tests compare to 1e-9):

- all frames of all sequences (and repetitions) are pooled, each sequence's first frame is dropped, and so are
  the frames whose target is fully covered (``cover`` 0);
- boxes and truth are clipped to the resolution: the corner into ``[0, width]``, then the width into
  ``[0, width - x]`` (a box that starts left of the image keeps its width), likewise for the height;
- overlap is intersection over union of areas ``w * h``, without the older ``+ 1`` convention;
- success is strict: ``iou > 0.5``; the curve has 101 thresholds from 0 to 1.

Two errors of the toolkit are deliberately not repeated: a box that is not finite overlaps nothing (the toolkit's AO
becomes NaN), and a sequence without times has no speed (the toolkit reuses another sequence's).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from harness.core.errors import DataError
from harness.core.interfaces import Metrics, Sequence, Track
from harness.core.results import shipped
from harness.core.words import listed
from harness.scoring.bootstrap import bootstrap_interval
from harness.scoring.overlap import ao, iou, sr, success_curve
from harness.scoring.speed import fps, fps_got10k, usable_times

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

UNKNOWN_CLASSES = ("", "unknown")
"""Values of ``object_class`` that mean no class."""


@dataclass(frozen=True)
class Scores:
    """The result of scoring.

    ``metrics`` holds ``ao sr50 sr75 mao fps fps_got10k`` as far as they exist; ``sequences`` the same per
    sequence with ``frames`` and ``scored_frames``; ``ious`` and ``scored`` are ``[T]`` by (sequence, repetition),
    NaN and False at frame 0 and without truth (a covered frame has an overlap but is not scored);
    ``curve`` is the success curve ``[101]``, None without truth; ``intervals`` the 95 % bootstrap intervals
    over sequences by metric; ``mask`` and ``bounds`` are True if every sequence had labels and a resolution.
    """

    metrics: Metrics
    sequences: dict[str, Metrics]
    ious: dict[tuple[str, int], Floats]
    scored: dict[tuple[str, int], Mask]
    curve: Floats | None
    intervals: dict[str, tuple[float, float]]
    scored_frames: int
    mask: bool
    bounds: bool
    warnings: list[str] = field(default_factory=list)


def score_tracks(
    tracks: Iterable[Track],
    sequences: Iterable[Sequence],
    *,
    as_shipped: bool = True,
    drop_first_time: bool = False,
    seed: int = 0,
) -> Scores:
    """Scores ``tracks`` (any repetitions) by the GOT-10k protocol against the truth in ``sequences``.

    With ``as_shipped`` the boxes are rounded as in the box file, so that the boxes scored are those that would be
    uploaded; without it they are used as read. ``drop_first_time`` leaves line 1 of the times (that of ``init``) out of
    ``fps_got10k``; the toolkit keeps it. Raises DataError for a track without a sequence, or of another length.
    """
    known = {sequence.name: sequence for sequence in sequences}
    grouped: dict[str, list[Track]] = {}
    for track in tracks:
        if track.sequence not in known:
            raise DataError(f"There is a track of {track.sequence}, which is not among the sequences to score.")
        grouped.setdefault(track.sequence, []).append(track)
    tally = _Tally()
    for name, repetitions in grouped.items():
        tally.add(known[name], repetitions, as_shipped, drop_first_time)
    return tally.scores({name: known[name] for name in grouped}, seed)


class _Tally:
    """Collects per-sequence results and pools them."""

    def __init__(self) -> None:
        self.sequences: dict[str, Metrics] = {}
        self.ious: dict[tuple[str, int], Floats] = {}
        self.scored: dict[tuple[str, int], Mask] = {}
        self.pool: list[Floats] = []
        self.updates: list[Floats] = []
        self.times: list[Floats] = []
        self.warnings: list[str] = []

    def add(self, sequence: Sequence, tracks: list[Track], as_shipped: bool, drop_first_time: bool) -> None:
        """Scores the repetitions of one sequence."""
        pooled, updates = [], []
        for track in sorted(tracks, key=lambda item: item.repetition):
            overlaps, scored = self._overlaps(sequence, track, as_shipped)
            self.ious[sequence.name, track.repetition] = overlaps
            self.scored[sequence.name, track.repetition] = scored
            pooled.append(overlaps[scored])
            updates.append(usable_times(track.seconds[1:]))
            self._check_times(sequence.name, track.seconds[1:])
            self.times.append(usable_times(track.seconds[1:] if drop_first_time else track.seconds))
        ious, seconds = np.concatenate(pooled), np.concatenate(updates)
        self.pool.append(ious)
        self.updates.append(seconds)
        found = {"frames": float(len(tracks[0].boxes)), "scored_frames": float(len(ious))}
        found |= {"ao": ao(ious), "sr50": sr(ious, 0.5), "sr75": sr(ious, 0.75), "fps": fps(seconds)}
        self.sequences[sequence.name] = _finite(found)

    def _check_times(self, name: str, seconds: Floats) -> None:
        """Reports impossible times; NaN means a time that was not measured."""
        odd = int((np.asarray(seconds) <= 0).sum())
        if odd:
            self.warnings.append(f"{name}: {odd} times are zero or negative; speed and latency leave them out.")

    def _overlaps(self, sequence: Sequence, track: Track, as_shipped: bool) -> tuple[Floats, Mask]:
        """Returns overlaps ``[T]`` of one track, and which of them count."""
        total = len(track.boxes)
        overlaps, scored = np.full(total, np.nan), np.zeros(total, bool)
        finite = np.isfinite(track.boxes).all(axis=1)
        if not finite.all():
            frame = int(np.flatnonzero(~finite)[0])
            self.warnings.append(
                f"{sequence.name}: {int((~finite).sum())} boxes are not finite (the first on line {frame + 1}); "
                "they count as overlap 0."
            )
        flat = finite & (track.boxes[:, 2:] <= 0).any(axis=1)
        if flat.any():
            self.warnings.append(
                f"{sequence.name}: {int(flat.sum())} boxes have no area (the first on line {int(np.argmax(flat)) + 1}); they "
                "overlap nothing, and an evaluation server would refuse them."
            )
        if sequence.truth is None:
            return overlaps, scored
        if len(sequence.truth) != total:
            raise DataError(
                f"{sequence.name}: the track has {total} boxes, the ground truth {len(sequence.truth)} lines; "
                "they must be equal."
            )
        boxes = shipped(track.boxes) if as_shipped else np.asarray(track.boxes, float)
        overlaps[1:] = iou(boxes[1:], sequence.truth[1:], sequence.size)
        scored[1:] = True if sequence.visible is None else sequence.visible[1:]
        return overlaps, scored

    def scores(self, sequences: Mapping[str, Sequence], seed: int) -> Scores:
        """Pools everything added."""
        ious = np.concatenate(self.pool) if self.pool else np.empty(0)
        updates = np.concatenate(self.updates) if self.updates else np.empty(0)
        times = np.concatenate(self.times) if self.times else np.empty(0)
        metrics = {"ao": ao(ious), "sr50": sr(ious, 0.5), "sr75": sr(ious, 0.75)}
        metrics |= {"mao": class_balanced(self.sequences, sequences)}
        metrics |= {"fps": fps(updates), "fps_got10k": fps_got10k(times)}
        truth = [sequence for sequence in sequences.values() if sequence.truth is not None]
        return Scores(
            metrics=_finite(metrics),
            sequences=self.sequences,
            ious=self.ious,
            scored=self.scored,
            curve=success_curve(ious) if len(ious) else None,
            intervals=self._intervals(seed),
            scored_frames=len(ious),
            mask=bool(truth) and all(sequence.visible is not None for sequence in truth),
            bounds=bool(truth) and all(sequence.size is not None for sequence in truth),
            warnings=[*self.warnings, *self._doubts(truth)],
        )

    def _doubts(self, truth: list[Sequence]) -> list[str]:
        """Returns warnings for readers of the scores: sequences that count only partly or not at all."""
        found = []
        nothing = [item.name for item in truth if not self.sequences[item.name]["scored_frames"]]
        if nothing:
            found.append(f"No frame of {listed(nothing)} is scored: one frame alone, or all others covered or absent.")
        found += [doubt for item in truth for doubt in truth_doubts(item)]
        without = [item.name for item in truth if item.visible is None]
        if without and len(without) < len(truth):
            found.append(
                f"{listed(without)} {'has' if len(without) == 1 else 'have'} no cover labels, so that all frames of "
                f"{'it' if len(without) == 1 else 'them'} count; covered frames of the other sequences do not."
            )
        return found

    def _intervals(self, seed: int) -> dict[str, tuple[float, float]]:
        """Returns 95 % intervals of the frame-pooled scores, over sequences."""
        rows = list(self.sequences.values())
        weights = np.array([row["scored_frames"] for row in rows])
        found = {}
        for key in ("ao", "sr50", "sr75"):
            low, high = bootstrap_interval(np.array([row.get(key, np.nan) for row in rows]), weights, seed)
            if np.isfinite(low):
                found[key] = (low, high)
        return found


def truth_doubts(sequence: Sequence) -> list[str]:
    """Returns sentences on truth boxes without an area: failures, or not counted if the target is absent."""
    if sequence.truth is None:
        return []
    empty = (sequence.truth[1:, 2:] <= 0).any(axis=1)
    counted = empty if sequence.visible is None else empty & sequence.visible[1:]
    found = []
    if counted.any():
        found.append(
            f"{sequence.name}: {int(counted.sum())} truth boxes have no area (the first on line {int(np.argmax(counted)) + 2}) and "
            "count as failures; if the target is absent there, write nan,nan,nan,nan."
        )
    if (empty & ~counted).any():
        found.append(f"{sequence.name}: {int((empty & ~counted).sum())} frames without a target are not scored.")
    return found


def class_balanced(scores: Mapping[str, Metrics], sequences: Mapping[str, Sequence]) -> float:
    """Returns mAO: the mean over object classes of the mean AO of a class's sequences.

    The class is ``object_class`` of ``meta_info.ini``. NaN unless every sequence has a score and a class.
    """
    classes: dict[str, list[float]] = {}
    for name, row in scores.items():
        kind = sequences[name].meta.get("object_class", "").strip().lower()
        if kind in UNKNOWN_CLASSES or "ao" not in row:
            return float("nan")
        classes.setdefault(kind, []).append(row["ao"])
    return float(np.mean([np.mean(values) for values in classes.values()])) if classes else float("nan")


def _finite(metrics: Metrics) -> Metrics:
    """Keeps only finite numbers: an absent metric has no key."""
    return {key: float(value) for key, value in metrics.items() if np.isfinite(value)}
