"""The agreement of two runs' boxes, computed only here, with NumPy alone.

Frame 0 (the given box) is left out everywhere; frames are counted from 0; overlaps are not clipped to the image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.core.errors import DataError
from harness.core.interfaces import Boxes, Metrics
from harness.scoring.overlap import ao, iou

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

PARTING = (0.9, 0.5)
"""Overlaps below which two runs' boxes count as diverged: visibly apart, and on different objects."""


@dataclass(frozen=True)
class SequenceAgreement:
    """One sequence: overlaps with the baseline's boxes, and which boxes are equal.

    Attributes:
        sequence: Its name.
        overlaps: IoU of frames 1, 2, ... ``[T - 1]``.
        same: Whether the boxes of these frames are equal in all four numbers ``[T - 1]``.
    """

    sequence: str
    overlaps: Floats
    same: Mask

    @property
    def frames(self) -> int:
        """Frames compared."""
        return len(self.overlaps)

    @property
    def mean_iou(self) -> float:
        """Mean overlap; NaN if no frame is compared."""
        return ao(self.overlaps)

    @property
    def identical(self) -> float:
        """Share of equal boxes; NaN if no frame is compared."""
        return ao(self.same.astype(float))

    @property
    def first_different(self) -> int | None:
        """The first frame whose boxes are not equal, or None."""
        return _first(~self.same)

    def first_below(self, threshold: float) -> int | None:
        """The first frame whose boxes overlap less than ``threshold``, or None."""
        return _first(self.overlaps < threshold)


@dataclass(frozen=True)
class Agreement:
    """All sequences that two runs share.

    Attributes:
        mean_iou: Mean overlap over all frames of all sequences; NaN if no frame is compared.
        identical: Share of boxes equal in all four numbers; NaN if no frame is compared.
        sequences: The sequences, least agreement first.
    """

    mean_iou: float
    identical: float
    sequences: tuple[SequenceAgreement, ...]

    @property
    def frames(self) -> int:
        """Frames compared."""
        return sum(item.frames for item in self.sequences)

    @property
    def first_divergent(self) -> int | None:
        """The first frame at which any sequence's boxes are not equal, or None."""
        return _least(item.first_different for item in self.sequences)

    def first_below(self, threshold: float) -> int | None:
        """The first frame at which any sequence's boxes overlap less than ``threshold``, or None."""
        return _least(item.first_below(threshold) for item in self.sequences)

    def metrics(self) -> Metrics:
        """Returns ``agreement/*``.

        Without a first divergent frame if all boxes are equal, empty if no frame is compared.
        """
        if not self.frames:
            return {}
        values = {"agreement/mean_iou": self.mean_iou, "agreement/identical_boxes": self.identical}
        if self.first_divergent is not None:
            values["agreement/first_divergent_frame"] = float(self.first_divergent)
        return values


def agreement(boxes: Mapping[str, Boxes], baseline: Mapping[str, Boxes]) -> Agreement:
    """Compares the boxes ``[T, 4]`` of the sequences that are in both.

    Args:
        boxes: A run's boxes by sequence.
        baseline: The baseline's boxes by sequence.

    Returns:
        The agreement, frames pooled over sequences in the baseline's order.

    Raises:
        DataError: The runs share no sequence, or a sequence's lengths differ.
    """
    names = [name for name in baseline if name in boxes]
    if not names:
        raise DataError("The two runs share no sequence, so their boxes cannot be compared.")
    found = [sequence_agreement(name, boxes[name], baseline[name]) for name in names]
    return Agreement(
        mean_iou=ao(np.concatenate([item.overlaps for item in found])),
        identical=ao(np.concatenate([item.same for item in found]).astype(float)),
        sequences=tuple(sorted(found, key=lambda item: (not item.frames, item.mean_iou if item.frames else 0.0))),
    )


def sequence_agreement(name: str, boxes: Boxes, baseline: Boxes) -> SequenceAgreement:
    """Compares one sequence. Raises DataError if the lengths differ."""
    mine, theirs = np.asarray(boxes, float), np.asarray(baseline, float)
    if mine.shape != theirs.shape:
        raise DataError(f"{name}: {len(mine)} boxes in one run, {len(theirs)} in the other; they must be equal.")
    mine, theirs = mine[1:], theirs[1:]
    # a lost target written equally by both (zeros, NaN) is agreement, although boxes without area overlap nothing
    same = ((mine == theirs) | (np.isnan(mine) & np.isnan(theirs))).all(axis=1)
    return SequenceAgreement(name, np.where(same, 1.0, iou(mine, theirs)), same)


def _first(hits: Mask) -> int | None:
    """Returns the frame of the first hit; hits begin at frame 1."""
    return int(np.argmax(hits)) + 1 if hits.any() else None


def _least(frames: Iterable[int | None]) -> int | None:
    """Returns the smallest of the frames that are not None."""
    return min((frame for frame in frames if frame is not None), default=None)
