"""One tracker at a simulated camera: real updates, simulated time."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from time import perf_counter
from typing import Protocol

import numpy as np

from harness.core.errors import TrackingError
from harness.core.interfaces import Boxes, Sequence, Track
from harness.imaging.decoding import read_image
from harness.tasks.realtime.schedule import Camera, Schedule, exact
from harness.tracking.feedback import true_box
from harness.tracking.loop import Runner, ask


class Durations(Protocol):
    """The time that processing a frame takes in simulated time."""

    def __call__(self, sequence: str, frame: int, measured: float) -> Fraction:
        """Returns seconds for ``frame`` of ``sequence`` (0: initialisation), which took ``measured`` real seconds."""
        ...


@dataclass(frozen=True)
class Measured:
    """Uses the measured time."""

    def __call__(self, sequence: str, frame: int, measured: float) -> Fraction:
        return exact(measured)


@dataclass(frozen=True)
class Fixed:
    """Uses ``update`` seconds for every update and ``init`` seconds for initialisation."""

    update: Fraction
    init: Fraction

    def __call__(self, sequence: str, frame: int, measured: float) -> Fraction:
        return self.update if frame else self.init


@dataclass(frozen=True)
class Live:
    """The result of one sequence: the schedule, and the box and the measured seconds of each processed frame."""

    schedule: Schedule
    boxes: Boxes
    seconds: list[float]
    decode: list[float]

    def scored(self, sequence: str) -> Track:
        """Returns for each frame the box that counts for it, and the seconds of the update that made it."""
        row = {frame: index for index, frame in enumerate(self.schedule.processed)}
        rows = [row[source] for source in self.schedule.source]
        return Track(sequence, self.boxes[rows], np.array(self.seconds)[rows])


def track(
    runner: Runner,
    sequence: Sequence,
    camera: Camera,
    durations: Durations,
    *,
    count_decoding: bool = False,
    follow_truth: bool = False,
    on_frame: Callable[[float], None] | None = None,
) -> Live:
    """Tracks the frames of ``sequence`` that ``camera`` lets the tracker see.

    A frame that is dropped is neither decoded nor given to the tracker. With ``count_decoding`` the time of reading and
    decoding a frame is part of its update. With ``follow_truth`` the tracker is set, before each update, to the true
    box of the frame that it processed last. Raises TrackingError, which names the sequence.
    """
    tracker = runner.start()
    boxes: list[Boxes] = []
    seconds: list[float] = []
    decode: list[float] = []

    def process(frame: int, before: int) -> Fraction:
        begin = perf_counter()
        image = read_image(Path(sequence.frames[frame]), runner.spec.color)
        decode.append(perf_counter() - begin)
        if frame and follow_truth and (box := true_box(sequence, before)) is not None:
            ask(tracker.place, box)
        found, spent = runner.process(tracker, image, None if frame else sequence.init_box)
        boxes.append(np.array(found))
        seconds.append(spent)
        if on_frame is not None:
            on_frame(seconds[-1])
        return durations(sequence.name, frame, seconds[-1] + (decode[-1] if count_decoding else 0.0))

    collecting = gc.isenabled()
    gc.disable()  # a garbage collection inside a timed frame would count as time of the tracker
    frame, before = 0, 0
    try:
        camera.begin(process(0, 0))
        while (following := camera.next()) is not None:
            before, frame = frame, following
            camera.done(process(frame, before))
    except TrackingError as error:
        raise TrackingError(f"{sequence.name}, frame {frame + 1}: {error}") from error
    finally:
        if collecting:
            gc.enable()
    return Live(camera.schedule(), np.array(boxes), seconds, decode)

