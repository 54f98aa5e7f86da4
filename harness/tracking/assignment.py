"""The input of the modes of tracking a data set (serial, parallel, on a cluster)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.core.errors import DataError
from harness.core.interfaces import Boxes, Context, Sequence
from harness.tracking.store import Done


@dataclass(frozen=True)
class Assignment:
    """Sequences to track, and how.

    ``feedback`` returns the boxes ``[T, 4]`` that a sequence's crops follow, None if they follow the tracker's own.
    ``keep`` is called with each finished sequence, one at a time; ``started`` is called when the first frame is
    tracked.
    """

    context: Context
    sequences: list[Sequence]
    repetitions: int
    feedback: Callable[[Sequence], Boxes | None]
    keep: Callable[[Sequence, Done], None]
    started: Callable[[], None]

    @property
    def frames(self) -> int:
        """The number of frames to track, including repetitions."""
        return sum(len(item) for item in self.sequences) * self.repetitions


def check_first_boxes(sequences: list[Sequence]) -> None:
    """Raises DataError if a first box with truth lies outside its image, before hours of tracking.

    A sequence without truth (a test split) is left to the tracker, because its boxes are given and cannot be corrected.
    """
    for sequence in sequences:
        if sequence.truth is not None and (fault := sequence.first_box_fault()):
            raise DataError(f"{fault}; correct its truth, or leave the sequence out by dataset.exclude.")
