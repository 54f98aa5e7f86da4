"""What the ways of tracking a data set (serial, parallel, on a cluster) are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.core.interfaces import Boxes, Context, Sequence
from harness.tracking.store import Done


@dataclass(frozen=True)
class Assignment:
    """Sequences to track, and how.

    ``feedback`` gives the boxes ``[T, 4]`` that a sequence's crops follow, None where they follow the tracker's own. ``keep`` is called
    with each finished sequence, one at a time, ``started`` when the first frame is tracked.
    """

    context: Context
    sequences: list[Sequence]
    repetitions: int
    feedback: Callable[[Sequence], Boxes | None]
    keep: Callable[[Sequence, Done], None]
    started: Callable[[], None]

    @property
    def frames(self) -> int:
        """Frames to track, repetitions counted."""
        return sum(len(item) for item in self.sequences) * self.repetitions
