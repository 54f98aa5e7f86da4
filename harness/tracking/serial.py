"""Serial tracking: one sequence after the other, one frame at a time, so that times are latencies."""

from __future__ import annotations

from time import perf_counter

from harness.core.errors import DataError, TrackingError
from harness.core.interfaces import Sequence
from harness.tracking.assignment import Assignment
from harness.tracking.loop import Runner, ask, box_of, decoded
from harness.tracking.store import Done


def track_serial(work: Assignment, warmup: int) -> float | None:
    """Tracks after ``warmup`` untimed updates; returns the seconds of the first one, None if there is nothing to do."""
    context = work.context
    runner = Runner(context.tracker, context.backend.open(context.artifact))
    if not work.sequences:
        return None
    first = warm_up(runner, work.sequences[0], warmup)
    work.started()
    context.progress.start("tracking", work.frames)
    speed = SpeedNote()

    def on_frame(seconds: float) -> None:
        context.progress.step(1, speed.add(seconds))

    for sequence in work.sequences:
        began, speed.name, feedback = perf_counter(), sequence.name, work.feedback(sequence)
        tracks = [
            runner.track(sequence, feedback=feedback, repetition=number, on_frame=on_frame)
            for number in range(1, work.repetitions + 1)
        ]
        work.keep(sequence, Done(tracks, perf_counter() - began, contended=False))
    context.progress.close()
    return first


class SpeedNote:
    """``sequence 31.2 fps`` for the progress display; it costs one addition per frame."""

    def __init__(self) -> None:
        self.name, self._seconds, self._frames = "", 0.0, 0

    def add(self, seconds: float) -> str:
        self._seconds += seconds
        self._frames += 1
        return f"{self.name} {self._frames / self._seconds:.1f} fps"


def warm_up(runner: Runner, sequence: Sequence, updates: int) -> float:
    """Runs ``updates`` untimed updates; returns the seconds of the first one, which is reported separately."""
    frames = decoded(sequence, runner.spec.color)
    try:
        image, _ = next(frames)
    except StopIteration as error:
        raise DataError(f"{sequence.name} has no frames.") from error
    tracker, first, frame = runner.start(), 0.0, 1
    try:
        ask(tracker.init, image, sequence.init_box)
        for number in range(updates):
            frame = min(number + 2, len(sequence))  # a shorter sequence repeats its last frame
            image, _ = next(frames, (image, 0.0))
            if runner.spec.placeable:
                ask(tracker.place, sequence.init_box)
            begin = perf_counter()
            box_of(ask(tracker.update, image))
            first = first or (perf_counter() - begin if tracker.seconds is None else tracker.seconds)
    except TrackingError as error:
        raise TrackingError(f"{sequence.name}, frame {frame}: {error}") from error
    return first
