"""Scores and summaries: pure functions over boxes and seconds.

The protocol is that of the GOT-10k toolkit (L. Huang, X. Zhao, K. Huang: GOT-10k, IEEE TPAMI 2021, section 4,
and the package ``got10k`` 0.1.3, against which the tests compare to 1e-9):

- all frames of all sequences (and repetitions) are pooled, each sequence's first frame is dropped, and so are
  the frames whose target is wholly covered (``cover`` 0);
- boxes and truth are clipped to the resolution: the corner into ``[0, width]``, then the width into
  ``[0, width - x]`` (a box that starts left of the image keeps its width), likewise for the height;
- overlap is intersection over union of areas ``w * h``, without the older ``+ 1`` convention;
- success is strict: ``iou > 0.5``; the curve has 101 thresholds from 0 to 1.

Where the toolkit errs we differ, on purpose: a box that is not finite overlaps nothing (the toolkit's AO
becomes NaN), and a sequence without times has no speed (the toolkit reuses another sequence's).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from harness.core.errors import DataError
from harness.core.interfaces import Boxes, Metrics, Sequence, Track
from harness.core.results import shipped

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

THRESHOLDS: Floats = np.linspace(0, 1, 101)
"""The success curve's overlap thresholds."""
UNKNOWN_CLASSES = ("", "unknown")
"""Values of ``object_class`` that stand for none."""

# ------------------------------------------------------------------------------------------ overlap


def clip_boxes(boxes: Boxes, size: tuple[int, int]) -> Boxes:
    """Boxes ``[T, 4]`` clipped to an image of ``size`` (width, height), as the GOT-10k toolkit does it."""
    clipped = np.array(boxes, float)
    for axis in (0, 1):
        clipped[:, axis] = np.clip(clipped[:, axis], 0, size[axis])
        clipped[:, axis + 2] = np.clip(clipped[:, axis + 2], 0, size[axis] - clipped[:, axis])
    return clipped


def iou(boxes: Boxes, truth: Boxes, size: tuple[int, int] | None = None) -> Floats:
    """Intersection over union ``[T]`` in [0, 1] of ``boxes`` and ``truth``, both ``[T, 4]``.

    With ``size`` (width, height) both are clipped to the image first. A pair that is not finite gives 0.
    """
    first, second = np.asarray(boxes, float).reshape(-1, 4), np.asarray(truth, float).reshape(-1, 4)
    if first.shape != second.shape:
        raise ValueError(f"{len(first)} boxes cannot be compared with {len(second)}")
    finite = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1)
    first, second = np.where(finite[:, None], first, 0.0), np.where(finite[:, None], second, 0.0)
    if size is not None:
        first, second = clip_boxes(first, size), clip_boxes(second, size)
    start = np.maximum(first[:, :2], second[:, :2])
    end = np.minimum(first[:, :2] + first[:, 2:], second[:, :2] + second[:, 2:])
    shared = np.prod(np.maximum(end - start, 0.0), axis=1)
    union = np.prod(first[:, 2:], axis=1) + np.prod(second[:, 2:], axis=1) - shared
    return np.asarray(np.clip(shared / (union + np.finfo(float).eps), 0.0, 1.0), float)


def ao(ious: Floats) -> float:
    """Average overlap: the mean of ``ious`` ``[N]``; NaN where there are none."""
    return float(np.mean(ious)) if len(ious) else float("nan")


def sr(ious: Floats, threshold: float) -> float:
    """Success rate: the share of ``ious`` strictly above ``threshold``; NaN where there are none."""
    return float(np.mean(ious > threshold)) if len(ious) else float("nan")


def success_curve(ious: Floats) -> Floats:
    """The share of ``ious`` ``[N]`` strictly above each of the 101 ``THRESHOLDS``; NaN where there are none."""
    if not len(ious):
        return np.full(len(THRESHOLDS), np.nan)
    ordered = np.sort(np.asarray(ious, float))
    above = len(ordered) - np.searchsorted(ordered, THRESHOLDS, side="right")
    curve: Floats = above / len(ordered)
    return curve


# -------------------------------------------------------------------------------------------- speed


def fps(seconds: Floats) -> float:
    """Frames over seconds, of the updates' ``seconds``; NaN where there are none."""
    usable = usable_times(seconds)
    return float(len(usable) / usable.sum()) if len(usable) else float("nan")


def fps_got10k(seconds: Floats) -> float:
    """Mean of 1 / t, GOT-10k's speed; times that are NaN or not positive are left out, as the toolkit does."""
    usable = usable_times(seconds)
    return float(np.mean(1.0 / usable)) if len(usable) else float("nan")


def usable_times(seconds: Floats) -> Floats:
    """The positive, finite values of ``seconds``, flattened."""
    flat = np.asarray(seconds, float).ravel()
    usable: Floats = flat[np.isfinite(flat) & (flat > 0)]
    return usable


def latency_summary(seconds: Floats, first: float | None = None) -> Metrics:
    """``latency_ms/{mean,p50,p90,p99,max}`` of the updates' ``seconds`` ``[N]``; ``latency_ms/first`` if given.

    Percentiles interpolate linearly between samples. Times that are not positive and finite are left out, as in ``fps``;
    empty where none is left.
    """
    samples = usable_times(seconds) * 1e3
    if not len(samples):
        return {}
    p50, p90, p99 = np.percentile(samples, [50, 90, 99])
    summary = {"mean": samples.mean(), "p50": p50, "p90": p90, "p99": p99, "max": samples.max()}
    if first is not None:
        summary["first"] = first * 1e3
    return {f"latency_ms/{key}": float(value) for key, value in summary.items()}


# ---------------------------------------------------------------------------------------- intervals


def bootstrap_interval(
    values: Floats, weights: Floats | None = None, seed: int = 0, resamples: int = 2000, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of the weighted mean ``sum(w v) / sum(w)``, drawn over sequences.

    ``values`` ``[S]`` is one number a sequence (its AO, or a paired difference of AOs), ``weights`` ``[S]`` its
    frames, so that the mean is the frame-pooled one; both are resampled together (B. Efron, R. Tibshirani: An
    Introduction to the Bootstrap, 1993, chapter 13). Sequences that are not finite or have no weight are left
    out. NaN, NaN with fewer than two sequences.
    """
    numbers = np.asarray(values, float)
    counts = np.ones(len(numbers)) if weights is None else np.asarray(weights, float)
    keep = np.isfinite(numbers) & (counts > 0)
    numbers, counts = numbers[keep], counts[keep]
    if len(numbers) < 2:
        return float("nan"), float("nan")
    draws = np.random.default_rng(seed).integers(0, len(numbers), size=(resamples, len(numbers)))
    means = (numbers * counts)[draws].sum(axis=1) / counts[draws].sum(axis=1)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return float(low), float(high)


# ------------------------------------------------------------------------------------------ scoring


@dataclass(frozen=True)
class Scores:
    """What scoring found.

    ``metrics`` holds ``ao sr50 sr75 mao fps fps_got10k`` as far as they exist; ``sequences`` the same per
    sequence with ``frames`` and ``scored_frames``; ``ious`` and ``scored`` are ``[T]`` by (sequence, repetition),
    NaN and False at frame 0 and without truth (a covered frame has an overlap but is not scored);
    ``curve`` is the success curve ``[101]``, None without truth; ``intervals`` the 95 % bootstrap intervals
    over sequences by metric; ``mask`` and ``bounds`` tell whether every sequence had labels and a resolution.
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

    With ``as_shipped`` the boxes are rounded as the box file has them, so that what is scored is what would be
    uploaded; without it they are taken as read. ``drop_first_time`` leaves line 1 of the times (``init``'s) out of
    ``fps_got10k``, which the toolkit keeps. Raises DataError for a track without a sequence, or of another length.
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
        """Tells of times that no clock gives; NaN stands for a time that was never taken."""
        odd = int((np.asarray(seconds) <= 0).sum())
        if odd:
            self.warnings.append(f"{name}: {odd} times are zero or negative; speed and latency leave them out.")

    def _overlaps(self, sequence: Sequence, track: Track, as_shipped: bool) -> tuple[Floats, Mask]:
        """Overlaps ``[T]`` of one track, and which of them count."""
        total = len(track.boxes)
        overlaps, scored = np.full(total, np.nan), np.zeros(total, bool)
        finite = np.isfinite(track.boxes).all(axis=1)
        if not finite.all():
            frame = int(np.flatnonzero(~finite)[0])
            self.warnings.append(
                f"{sequence.name}: {int((~finite).sum())} boxes are not finite (the first at frame {frame}); "
                "they count as overlap 0."
            )
        flat = finite & (track.boxes[:, 2:] <= 0).any(axis=1)
        if flat.any():
            self.warnings.append(
                f"{sequence.name}: {int(flat.sum())} boxes have no area (the first at frame {int(np.argmax(flat))}); they "
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
        """What a reader of the scores should know of the data: sequences that count in part or not at all."""
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
        """95 % intervals of the frame-pooled scores, over sequences."""
        rows = list(self.sequences.values())
        weights = np.array([row["scored_frames"] for row in rows])
        found = {}
        for key in ("ao", "sr50", "sr75"):
            low, high = bootstrap_interval(np.array([row.get(key, np.nan) for row in rows]), weights, seed)
            if np.isfinite(low):
                found[key] = (low, high)
        return found


def truth_doubts(sequence: Sequence) -> list[str]:
    """Sentences on truth boxes without an area: counted as failures, or, where the target is absent, not counted."""
    if sequence.truth is None:
        return []
    empty = (sequence.truth[1:, 2:] <= 0).any(axis=1)
    counted = empty if sequence.visible is None else empty & sequence.visible[1:]
    found = []
    if counted.any():
        found.append(
            f"{sequence.name}: {int(counted.sum())} truth boxes have no area (the first at frame {int(np.argmax(counted)) + 1}) and "
            "count as failures; if the target is absent there, write nan,nan,nan,nan."
        )
    if (empty & ~counted).any():
        found.append(f"{sequence.name}: {int((empty & ~counted).sum())} frames without a target are not scored.")
    return found


def class_balanced(scores: Mapping[str, Metrics], sequences: Mapping[str, Sequence]) -> float:
    """mAO: the mean over object classes of the mean AO of a class's sequences.

    The class is ``object_class`` of ``meta_info.ini``. NaN unless every sequence has a score and a class.
    """
    classes: dict[str, list[float]] = {}
    for name, row in scores.items():
        kind = sequences[name].meta.get("object_class", "").strip().lower()
        if kind in UNKNOWN_CLASSES or "ao" not in row:
            return float("nan")
        classes.setdefault(kind, []).append(row["ao"])
    return float(np.mean([np.mean(values) for values in classes.values()])) if classes else float("nan")


def agreement(boxes: Mapping[str, Boxes], baseline: Mapping[str, Boxes]) -> Metrics:
    """How far two runs give the same boxes: frame 0 dropped, frames pooled over the sequences of both.

    ``agreement/mean_iou`` in [0, 1] (no clipping), ``agreement/identical_boxes`` the share equal in all four numbers,
    ``agreement/first_divergent_frame`` the smallest 0-based frame at which any sequence's boxes differ (absent
    where none does). Raises DataError where they share no sequence or a sequence's lengths differ.
    """
    names = [name for name in baseline if name in boxes]
    if not names:
        raise DataError("The two runs share no sequence, so their boxes cannot be compared.")
    overlaps, same, first = [], [], []
    for name in names:
        mine, theirs = np.asarray(boxes[name], float), np.asarray(baseline[name], float)
        if mine.shape != theirs.shape:
            raise DataError(f"{name}: {len(mine)} boxes in one run, {len(theirs)} in the other; they must be equal.")
        overlaps.append(iou(mine[1:], theirs[1:]))
        same.append((mine[1:] == theirs[1:]).all(axis=1))
        parted = first_divergent_frame(mine, theirs)
        first += [] if parted is None else [parted]
    found = {"agreement/mean_iou": ao(np.concatenate(overlaps)), "agreement/identical_boxes": 0.0}
    found["agreement/identical_boxes"] = ao(np.concatenate(same).astype(float))
    if first:
        found["agreement/first_divergent_frame"] = float(min(first))
    return _finite(found)


def first_divergent_frame(boxes: Boxes, baseline: Boxes, below: float | None = None) -> int | None:
    """The first 0-based frame from 1 on whose boxes differ, or whose overlap is under ``below`` if given; else None."""
    mine, theirs = np.asarray(boxes, float)[1:], np.asarray(baseline, float)[1:]
    parted = (mine != theirs).any(axis=1) if below is None else iou(mine, theirs) < below
    return int(np.argmax(parted)) + 1 if parted.any() else None


def listed(names: list[str], most: int = 3) -> str:
    """``a, b, c and 4 more``."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _finite(metrics: Metrics) -> Metrics:
    """Only what is a number: an absent metric has no key."""
    return {key: float(value) for key, value in metrics.items() if np.isfinite(value)}
