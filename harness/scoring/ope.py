"""OPE, one-pass evaluation: success, precision and normalised precision as the benchmarks' own code counts them.

The curves are those of Y. Wu, J. Lim, M.-H. Yang: Object Tracking Benchmark, IEEE TPAMI 2015, section 4, and of M. Mueller et
al.: TrackingNet, ECCV 2018 (normalised precision):

- success: the share of frames whose overlap is strictly above each of 21 thresholds from 0 to 1; ``auc`` is the curve's mean;
- precision: the share of frames whose centres are at most 0, 1, ..., 50 pixels apart; ``precision20`` is read at 20;
- normalised precision: the same with the distance divided by the truth's width and height, at most 0, 0.01, ..., 0.5;
  ``norm_precision20`` is read at 0.2.

A sequence's first box is the given one, so its first frame counts as found. A data set's score is the mean over sequences.
A result that is not a valid box (not finite, or without a size) is replaced by the box before it, as the benchmarks' code does.

The benchmarks count a frame whose truth is not a valid box in different ways: see ``TRUTH_RULES``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence as Seq
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from harness.core.errors import DataError
from harness.core.interfaces import Boxes, Metrics, Sequence, Track
from harness.core.results import shipped
from harness.core.words import listed
from harness.scoring.bootstrap import bootstrap_interval
from harness.scoring.overlap import iou

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

OVERLAPS: Floats = np.linspace(0, 1, 21)
"""Thresholds of the success curve."""
PIXELS: Floats = np.arange(51, dtype=float)
"""Thresholds of the precision curve, in pixels."""
SHARES: Floats = np.arange(51) / 100
"""Thresholds of the normalised precision curve, as shares of the target's size."""

TRUTH_RULES = {
    "otb": "a frame without a valid truth (four numbers above zero in the annotation's own coordinates) fails every overlap "
    "threshold and passes every distance threshold, as in the toolkits of OTB and UAV123",
    "lasot": "a frame whose target is absent fails every threshold; another without a valid truth counts as with rule otb",
    "exclude": "a frame without a valid truth (finite, with a size) or whose target is absent is not counted",
}
"""How a frame without a valid truth counts."""

METRICS = ("auc", "op50", "op75", "precision20", "norm_precision20")
"""Names of the OPE scores."""


@dataclass(frozen=True)
class FrameErrors:
    """Per frame ``[T]``: overlap, distance of centres in pixels, and that distance by the truth's size.

    ``counted`` marks the frames that enter the shares. If the truth is not a valid box, the errors follow the rule.
    """

    overlap: Floats
    pixels: Floats
    shares: Floats
    valid: Mask
    counted: Mask


@dataclass(frozen=True)
class Curves:
    """The three curves of a sequence, an attribute or a data set."""

    success: Floats
    precision: Floats
    norm_precision: Floats

    def scores(self) -> Metrics:
        """Returns the numbers read from the curves, by their names in ``METRICS``."""
        return {
            "auc": float(np.mean(self.success)),
            "op50": float(self.success[10]),
            "op75": float(self.success[15]),
            "precision20": float(self.precision[20]),
            "norm_precision20": float(self.norm_precision[20]),
        }

    def plain(self) -> dict[str, list[float]]:
        """The curves as lists, for a record."""
        return {
            "success": self.success.tolist(),
            "precision": self.precision.tolist(),
            "norm_precision": self.norm_precision.tolist(),
        }


def mean_curves(curves: Seq[Curves]) -> Curves:
    """The mean of several curves, each with the same weight."""
    return Curves(
        np.mean([item.success for item in curves], axis=0),
        np.mean([item.precision for item in curves], axis=0),
        np.mean([item.norm_precision for item in curves], axis=0),
    )


# ------------------------------------------------------------------------------------------- frames


def repaired(boxes: Boxes, truth: Boxes, first_given: bool = True) -> tuple[Boxes, int]:
    """Replaces each invalid box (not finite, or without a positive width and height) by the box before it.

    Args:
        boxes: Results ``[T, 4]``.
        truth: The truth ``[T, 4]``; if it is not a number, a result stays as it is.
        first_given: Whether the first result is the given box, which is then replaced by that of the truth.

    Returns:
        The boxes ``[T, 4]``, and how many were replaced.
    """
    found = np.array(boxes, float)
    if first_given:
        found[0] = truth[0]
    broken: Mask = np.asarray(~np.isfinite(found).all(axis=1) | (found[:, 2:] <= 0).any(axis=1))
    known: Mask = np.asarray(~np.isnan(truth).any(axis=1))
    bad: Mask = np.asarray(broken & known)
    bad[0] = False
    for frame in np.flatnonzero(bad):
        found[frame] = found[frame - 1]
    return found, int(bad.sum())


def valid_truth(truth: Boxes, rule: str, first_pixel: float = 0.0) -> Mask:
    """Returns which rows of ``truth`` ``[T, 4]`` are valid boxes under ``rule``.

    ``first_pixel`` is the coordinate that the annotation gives to an image's first pixel (1 in MATLAB's way): the benchmarks
    test the numbers in their file, while ``truth`` here counts from 0.
    """
    finite: Mask = np.asarray(np.isfinite(truth).all(axis=1))
    sized = finite & (np.where(finite[:, None], truth, 0.0)[:, 2:] > 0).all(axis=1)
    if rule == "exclude":
        return np.asarray(sized)
    corner = np.where(finite[:, None], truth, -1.0)[:, :2] + first_pixel
    return np.asarray(sized & (corner > 0).all(axis=1))


def frame_errors(
    boxes: Boxes, truth: Boxes, rule: str = "otb", visible: Mask | None = None, first_pixel: float = 0.0
) -> FrameErrors:
    """Errors of results against the truth, frame by frame.

    Args:
        boxes: Results ``[T, 4]`` in pixels.
        truth: The truth ``[T, 4]`` in pixels.
        rule: How a frame without a valid truth counts, one of ``TRUTH_RULES``.
        visible: ``[T]``, False for frames in which the target is absent; None if it is always visible.
        first_pixel: The coordinate of an image's first pixel in the annotation, 0 or 1.

    Returns:
        The errors.

    Raises:
        ValueError: The rule is unknown, or the lengths differ.
    """
    if rule not in TRUTH_RULES:
        raise ValueError(f"unknown rule {rule!r}; known: {', '.join(TRUTH_RULES)}")
    truth = np.asarray(truth, float)
    if np.shape(boxes) != truth.shape:
        raise ValueError(f"{len(boxes)} boxes cannot be compared with {len(truth)}")
    seen = np.ones(len(truth), bool) if visible is None else np.asarray(visible, bool)
    valid = valid_truth(truth, rule, first_pixel) & seen
    safe = np.where(valid[:, None], truth, (0.0, 0.0, 1.0, 1.0))
    overlap = np.where(valid, iou(boxes, safe), -1.0)
    centre, true_centre = _centres(boxes), _centres(safe)
    pixels = np.sqrt(np.sum(np.power(centre - true_centre, 2), axis=1))
    shares = np.sqrt(np.sum(np.power(centre / safe[:, 2:] - true_centre / safe[:, 2:], 2), axis=1))
    # an error of -1 is below every threshold: the toolkits mark a frame without a valid truth in this way
    missed = np.where(seen, -1.0, np.inf) if rule == "lasot" else np.full(len(truth), -1.0)
    counted = valid if rule == "exclude" else np.ones(len(truth), bool)
    return FrameErrors(overlap, np.where(valid, pixels, missed), np.where(valid, shares, missed), valid, counted)


def _centres(boxes: Boxes) -> Floats:
    centres: Floats = boxes[:, :2] + (boxes[:, 2:] - 1) / 2
    return centres


def curves(errors: FrameErrors) -> Curves:
    """Returns the three curves; NaN if no frame is counted."""
    counted = errors.counted
    if not counted.any():
        return Curves(np.full(21, np.nan), np.full(51, np.nan), np.full(51, np.nan))
    with np.errstate(invalid="ignore"):
        return Curves(
            np.mean(errors.overlap[counted, None] > OVERLAPS, axis=0),
            np.mean(errors.pixels[counted, None] <= PIXELS, axis=0),
            np.mean(errors.shares[counted, None] <= SHARES, axis=0),
        )


# ------------------------------------------------------------------------------------------ scoring


@dataclass(frozen=True)
class OpeScores:
    """The result of scoring by OPE.

    ``metrics`` holds ``METRICS``, means over sequences; ``sequences`` the same by sequence, with ``mean_overlap`` (over frames
    with a valid truth), ``frames`` and ``invalid_truth``; ``curves`` the data set's, ``sequence_curves`` each sequence's;
    ``attributes`` curves by attribute with the sequences that they are of; ``invalid_truth`` the number of frames without a
    valid truth; ``rule`` how these count; ``intervals`` 95 % bootstrap intervals over sequences; ``overlaps`` ``[T]`` by
    (sequence, repetition).
    """

    metrics: Metrics
    sequences: dict[str, Metrics]
    curves: Curves | None
    sequence_curves: dict[str, Curves]
    attributes: dict[str, tuple[Curves, list[str]]]
    rule: str
    frames: int
    invalid_truth: int
    intervals: dict[str, tuple[float, float]]
    overlaps: dict[tuple[str, int], Floats] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def record(self) -> dict[str, object]:
        """Returns everything as plain values, for a job's record."""
        return {
            "rule": self.rule,
            "frames": self.frames,
            "invalid_truth": self.invalid_truth,
            "curves": None if self.curves is None else self.curves.plain(),
            "attributes": {
                name: {"sequences": len(names), **found.scores(), "curves": found.plain()}
                for name, (found, names) in self.attributes.items()
            },
            "intervals": {key: list(value) for key, value in self.intervals.items()},
        }


def score_ope(
    tracks: Iterable[Track],
    sequences: Iterable[Sequence],
    *,
    rule: str = "exclude",
    as_shipped: bool = True,
    seed: int = 0,
) -> OpeScores:
    """Scores tracks by OPE.

    Args:
        tracks: The tracks; the curves of a sequence's repetitions are averaged.
        sequences: The truth; sequences without one are left out.
        rule: How a frame without a valid truth counts, one of ``TRUTH_RULES``.
        as_shipped: Whether boxes are rounded as the box file has them.
        seed: The seed of the bootstrap draws.

    Returns:
        The scores, means over sequences.

    Raises:
        DataError: A track has no sequence, or another length than its truth.
    """
    known = {sequence.name: sequence for sequence in sequences}
    grouped: dict[str, list[Track]] = {}
    for track in tracks:
        if track.sequence not in known:
            raise DataError(f"There is a track of {track.sequence}, which is not among the sequences to score.")
        grouped.setdefault(track.sequence, []).append(track)
    tally = _Tally(rule)
    for name, repetitions in grouped.items():
        if known[name].truth is not None:
            tally.add(known[name], repetitions, as_shipped)
    return tally.scores({name: known[name] for name in tally.rows}, seed)


class _Tally:
    """Collects results sequence by sequence."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        self.rows: dict[str, Metrics] = {}
        self.found: dict[str, Curves] = {}
        self.overlaps: dict[tuple[str, int], Floats] = {}
        self.repaired: dict[str, int] = {}

    def add(self, sequence: Sequence, tracks: list[Track], as_shipped: bool) -> None:
        """Scores the repetitions of one sequence."""
        truth = sequence.truth
        assert truth is not None
        parts, means = [], []
        for track in sorted(tracks, key=lambda item: item.repetition):
            if len(truth) != len(track.boxes):
                raise DataError(
                    f"{sequence.name}: the track has {len(track.boxes)} boxes, the ground truth {len(truth)} lines; "
                    "they must be equal."
                )
            given = shipped(track.boxes) if as_shipped else np.asarray(track.boxes, float)
            boxes, bad = repaired(given, truth, sequence.meta.get("first_given") != "no")
            errors = frame_errors(boxes, truth, self.rule, sequence.visible, first_pixel(sequence))
            parts.append(curves(errors))
            means.append(float(errors.overlap[errors.valid].mean()) if errors.valid.any() else float("nan"))
            self.overlaps[sequence.name, track.repetition] = np.where(errors.valid, errors.overlap, np.nan)
            self.repaired[sequence.name] = self.repaired.get(sequence.name, 0) + bad
        self.found[sequence.name] = mean_curves(parts)
        row = {**self.found[sequence.name].scores(), "mean_overlap": float(np.mean(means))}
        row = {key: value for key, value in row.items() if np.isfinite(value)}
        self.rows[sequence.name] = {
            **row,
            "frames": float(len(truth)),
            "invalid_truth": float((~errors.valid).sum()),
        }

    def scores(self, sequences: Mapping[str, Sequence], seed: int) -> OpeScores:
        """Averages everything added."""
        usable = {name: item for name, item in self.found.items() if np.isfinite(item.success).all()}
        total = mean_curves(list(usable.values())) if usable else None
        return OpeScores(
            metrics={} if total is None else total.scores(),
            sequences=self.rows,
            curves=total,
            sequence_curves=self.found,
            attributes=self._attributes(usable, sequences),
            rule=self.rule,
            frames=int(sum(row["frames"] for row in self.rows.values())),
            invalid_truth=int(sum(row["invalid_truth"] for row in self.rows.values())),
            intervals=self._intervals(usable, seed),
            overlaps=self.overlaps,
            warnings=self._warnings(usable),
        )

    def _attributes(
        self, usable: Mapping[str, Curves], sequences: Mapping[str, Sequence]
    ) -> dict[str, tuple[Curves, list[str]]]:
        """Returns curves by attribute, in the order in which attributes first occur."""
        members: dict[str, list[str]] = {}
        for name in usable:
            for attribute in sequences[name].attributes:
                members.setdefault(attribute, []).append(name)
        return {
            attribute: (mean_curves([usable[name] for name in names]), names) for attribute, names in members.items()
        }

    def _intervals(self, usable: Mapping[str, Curves], seed: int) -> dict[str, tuple[float, float]]:
        intervals = {}
        for key in METRICS:
            low, high = bootstrap_interval(np.array([item.scores()[key] for item in usable.values()]), None, seed)
            if np.isfinite(low):
                intervals[key] = (low, high)
        return intervals

    def _warnings(self, usable: Mapping[str, Curves]) -> list[str]:
        found = []
        bad = {name: count for name, count in self.repaired.items() if count}
        if bad:
            found.append(
                f"{sum(bad.values())} results of {listed(list(bad))} are not valid boxes (not finite, or without a size); under OPE the "
                "box before each is used instead."
            )
        invalid = {name: int(row["invalid_truth"]) for name, row in self.rows.items() if row["invalid_truth"]}
        if invalid:
            found.append(
                f"{sum(invalid.values())} frames of {listed(list(invalid))} have no valid truth; under OPE (rule {self.rule}) "
                f"{TRUTH_RULES[self.rule]}."
            )
        empty = [name for name in self.rows if name not in usable]
        if empty:
            found.append(f"No frame of {listed(empty)} is counted under OPE: none has a valid truth.")
        return found


def first_pixel(sequence: Sequence) -> float:
    """Returns the coordinate of an image's first pixel in the sequence's annotation: 0, or 1 as in MATLAB."""
    return float(sequence.meta.get("first_pixel", 0))
