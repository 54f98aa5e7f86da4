"""A loaded tracker that waits for its turn; it tracks the same short video clips again and again."""

from __future__ import annotations

import math
from dataclasses import replace
from time import perf_counter

import numpy as np
import numpy.typing as npt

from harness.core.interfaces import Boxes, Context, Image, Sequence
from harness.imaging.decoding import read_image
from harness.tracking.loop import Runner

PIECE = 20
"""Updates of a clip; with the first frame, its images take about 20 MB at 640x360."""
WARM = 2
"""Updates at the beginning of a clip that are not counted."""
SHORT_SECONDS = 0.25
"""A turn that is to be shorter runs only the beginning of a clip if the whole clip takes longer than the turn."""
LEAST_UPDATES = 8
"""The fewest updates of such a beginning, and those whose boxes are told: other arithmetic shows from the first one on."""


class SerialStand:
    """Tracks a clip of a sequence repeatedly, one frame at a time; images are decoded before the clock starts."""

    def __init__(self, context: Context, truthful: bool) -> None:
        self._runner = Runner(context.tracker, context.backend.open(context.artifact))
        self._sequences = [item for item in context.dataset if len(item) > WARM + 1]
        self._truthful = truthful
        self._color = context.tracker.color
        self._pace = 0.0

    def turn(self, number: int, seconds: float) -> npt.NDArray[np.float64]:
        """Runs one turn; the same ``number`` means the same clip for every job."""
        piece, images, feedback = self._piece(number, self._updates(seconds))
        found: list[npt.NDArray[np.float64]] = []
        end = perf_counter() + seconds
        while not found or perf_counter() < end:
            track = self._runner.track(piece, feedback=feedback, frames=images, limit=len(images))
            found.append(track.seconds[1 + WARM :])
        times = np.concatenate(found)
        self._pace = float(times.mean())
        return times

    def boxes(self, number: int) -> Boxes:
        """Returns the boxes of the beginning of turn ``number``'s clip."""
        piece, images, feedback = self._piece(number, LEAST_UPDATES)
        return self._runner.track(piece, feedback=feedback, frames=images, limit=len(images)).boxes

    def _updates(self, seconds: float) -> int:
        """Returns the number of updates of a clip for a turn of ``seconds``, by the pace of the turn before."""
        if not 0 < seconds < SHORT_SECONDS or not self._pace:
            return PIECE
        return max(LEAST_UPDATES, min(PIECE, math.ceil(seconds / self._pace)))

    def _piece(self, number: int, updates: int) -> tuple[Sequence, list[tuple[Image, float]], Boxes | None]:
        """Returns a clip with the decoded images of its first updates, and the boxes that its crops follow."""
        piece = piece_of(self._sequences, number)
        frames = piece.frames[: updates + 1]
        return piece, [(read_image(path, self._color), 0.0) for path in frames], piece.truth if self._truthful else None


def piece_of(sequences: list[Sequence], number: int) -> Sequence:
    """Returns the clip of turn ``number``: sequences in order, each time at a later part.

    It begins with a frame whose box is known: anywhere in a sequence with truth, else at the beginning.
    """
    sequence = sequences[number % len(sequences)]
    last = max(0, len(sequence) - PIECE - 1)
    start = (number // len(sequences) * PIECE) % (last + 1)
    truth = sequence.truth
    if truth is None or not _usable(sequence, start):
        start = 0
    stop = start + PIECE + 1
    return replace(
        sequence,
        frames=sequence.frames[start:stop],
        init_box=sequence.init_box if start == 0 or truth is None else truth[start],
        truth=None if truth is None else truth[start:stop],
        visible=None,
    )


def _usable(sequence: Sequence, start: int) -> bool:
    """Whether a tracker can begin at frame ``start``, because the target is present."""
    assert sequence.truth is not None
    there = sequence.visible is None or bool(sequence.visible[start])
    box = sequence.truth[start]
    return there and bool(np.isfinite(box).all() and (box[2:] > 0).all()) and not replace(sequence, init_box=box).first_box_fault()
