"""The tracking loop: one tracker, one sequence, the clock where it belongs.

``seconds`` covers crop, inference and postprocessing of one update; decoding is timed apart. Stage times need no help
from a tracker: its sessions are wrapped, and what lies before the first run is ``preprocess``, what lies within
runs is ``inference``, the rest is ``postprocess``. A tracker that times itself (``Tracker.seconds``) has one stage, ``tracker``.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from harness.core.errors import BackendError, ConfigError, HarnessError, TrackingError, told
from harness.core.interfaces import (
    Array,
    Arrays,
    Boxes,
    GraphSpec,
    Image,
    Sequence,
    Session,
    Track,
    Tracker,
    TrackerSpec,
)
from harness.core.results import OWN_STAGE, STAGES
from harness.imaging.decoding import read_image


class StageClock:
    """Collects when the sessions of one tracker ran during one update."""

    def __init__(self) -> None:
        self.begin = self.first = self.inside = 0.0

    def start(self) -> float:
        self.first = self.inside = 0.0
        self.begin = perf_counter()
        return self.begin

    def stages(self, end: float) -> tuple[float, float, float]:
        """(preprocess, inference, postprocess) in seconds of an update that ended at ``end``."""
        if not self.first:
            return end - self.begin, 0.0, 0.0
        before = self.first - self.begin
        return before, self.inside, end - self.begin - before - self.inside


class TimedSession:
    """A session whose runs are entered in a clock."""

    def __init__(self, session: Session, clock: StageClock) -> None:
        self._session, self._clock, self.spec = session, clock, session.spec

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        clock = self._clock
        start = perf_counter()
        outputs = self._session.run(inputs)
        end = perf_counter()
        if not clock.first:
            clock.first = start
        clock.inside += end - start
        return outputs

    spec: GraphSpec


@dataclass
class Runner:
    """A tracker specification over one set of sessions; tracks sequences one after the other."""

    spec: TrackerSpec
    sessions: Mapping[str, Session]
    clock: StageClock = field(default_factory=StageClock)

    def start(self) -> Tracker:
        """A tracker over timed sessions. Raises ConfigError if the specification starts none."""
        what = f"{type(self.spec).__module__}.{type(self.spec).__qualname__}.start"
        try:
            tracker = self.spec.start({name: TimedSession(item, self.clock) for name, item in self.sessions.items()})
        except HarnessError:
            raise
        except Exception as error:  # whatever a user's own code raises
            raise ConfigError(f"{what} failed: {told(error)}; it gets the sessions of {', '.join(self.sessions)}.") from error
        if not isinstance(tracker, Tracker):
            raise ConfigError(f"{what} returned a {type(tracker).__name__}; accepted: an object of a class that derives from Tracker.")
        return tracker

    def process(self, tracker: Tracker, image: Image, first_box: Boxes | None = None) -> tuple[Boxes, float]:
        """One frame: the box and the seconds that it took, by the tracker's own clock if it has one.

        With ``first_box`` the tracker is initialised. Raises TrackingError.
        """
        begin = self.clock.start()
        if first_box is None:
            found: object = ask(tracker.update, image)
        else:
            ask(tracker.init, image, first_box)
            found = first_box
        seconds = perf_counter() - begin
        return box_of(found), seconds if tracker.seconds is None else tracker.seconds

    def track(
        self,
        sequence: Sequence,
        *,
        feedback: Boxes | None = None,
        repetition: int = 1,
        frames: Iterable[tuple[Image, float]] | None = None,
        on_frame: Callable[[float], None] | None = None,
        limit: int | None = None,
    ) -> Track:
        """Tracks ``sequence`` from its first box.

        ``feedback`` ``[T, 4]``: before frame t the tracker is put at ``feedback[t - 1]`` (truth feedback, teacher
        forcing). ``frames`` yields (image, seconds of decoding) where someone else decodes. ``on_frame`` gets the
        seconds of each update, outside the clock. ``limit`` stops after so many frames.
        """
        count = len(sequence) if limit is None else min(limit, len(sequence))
        boxes = np.empty((count, 4))
        seconds = np.zeros(count)
        confidence = np.full(count, np.nan)
        stages = {name: np.zeros(count) for name in STAGES}
        tracker = self.start()
        source = iter(decoded(sequence, self.spec.color) if frames is None else frames)
        clock = self.clock
        collecting = gc.isenabled()
        gc.disable()  # a collection inside a timed frame would be charged to the tracker
        try:
            for index in range(count):
                image, stages["decode"][index] = next(source)
                if index and feedback is not None and feedback[index - 1][2:].min() > 0:  # absent: stay where it was
                    ask(tracker.place, feedback[index - 1])
                begin = clock.start()
                if index:
                    found: object = ask(tracker.update, image)
                else:
                    ask(tracker.init, image, sequence.init_box)
                    found = sequence.init_box
                end = perf_counter()
                boxes[index] = box_of(found)
                if index and tracker.confidence is not None:
                    confidence[index] = ask(as_number, tracker.confidence)
                seconds[index] = end - begin if tracker.seconds is None else tracker.seconds
                stages["preprocess"][index], stages["inference"][index], stages["postprocess"][index] = clock.stages(
                    end
                )
                if on_frame is not None:
                    on_frame(seconds[index])
        except TrackingError as error:
            raise TrackingError(f"{sequence.name}, frame {index + 1}: {error}") from error
        except BackendError as error:
            raise BackendError(f"{sequence.name}, frame {index + 1}: {error}") from error
        finally:
            if collecting:
                gc.enable()
        if tracker.seconds is not None:
            stages = {"decode": stages["decode"], OWN_STAGE: seconds.copy()}
        sure = confidence if np.isfinite(confidence).any() else None
        return Track(sequence.name, boxes, seconds, stages, repetition, sure)


def as_number(value: Any) -> float:
    """A tracker's confidence as a number, whatever kind of scalar it is."""
    return float(value)


def ask(call: Callable[..., object], *arguments: object) -> object:
    """The answer of a tracker's own code. Raises TrackingError, with the place, for whatever that raises."""
    try:
        return call(*arguments)
    except (HarnessError, MemoryError):
        raise
    except Exception as error:
        raise TrackingError(f"the tracker failed with {told(error)}.") from error


def box_of(found: object) -> Boxes:
    """What a tracker returned, as a box ``[4]``. Raises TrackingError if it is not one, or not finite."""
    try:
        box = np.asarray(found, np.float64)
    except (TypeError, ValueError):
        box = np.empty(0)
    if box.shape != (4,):
        raise TrackingError(f"the tracker returned {found!r}; accepted: a box [x, y, w, h] in pixels.")
    if not np.isfinite(box).all():
        raise TrackingError("the tracker's box is not finite.")
    return box


def decoded(sequence: Sequence, color: str) -> Iterator[tuple[Image, float]]:
    """(image, seconds of reading and decoding) for every frame, one at a time."""
    for path in sequence.frames:
        begin = perf_counter()
        image = read_image(Path(path), color)  # type: ignore[arg-type]
        yield image, perf_counter() - begin
