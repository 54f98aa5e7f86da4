"""The loop over live frames."""

from __future__ import annotations

import gc
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from harness.core.errors import ConfigError, DataError, TrackingError
from harness.core.interfaces import Boxes, Image, Tracker
from harness.imaging.boxes import check_box
from harness.tracking.camera.meter import Meter
from harness.tracking.camera.sinks import Followed, NobodyReads, Sink
from harness.tracking.camera.sources import Frame, Source
from harness.tracking.camera.window import AGAIN, QUIT, Screen
from harness.tracking.loop import Runner, as_number, ask

COLLECT_EVERY = 500
"""The number of frames between garbage collections, which are not timed."""


@dataclass
class Follower:
    """Follows one target from a box given by the user.

    Attributes:
        runner: The tracker over its sessions.
        source: The source of frames; already started.
        sinks: Get every frame.
        box: The first box; None if the user draws it in ``screen``.
        screen: The window in which boxes are drawn with the mouse, if there is one.
        showing: Whether frames are shown in ``screen``.
        most: The number of frames after which it ends; None for no limit.
        stop: Set from outside to end.
        meter: The measured times.
    """

    runner: Runner
    source: Source
    sinks: Sequence[Sink]
    box: Boxes | None
    screen: Screen | None = None
    showing: bool = False
    most: int | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    meter: Meter = field(default_factory=Meter)

    def run(self) -> str:
        """Follows the target to the end; returns the reason for the end as text.

        Raises:
            ConfigError: The box is invalid, or lies outside the image.
            DataError: The source cannot be opened, or has no frames.
            SourceStalled: The source sends no more frames.
            TrackingError: The tracker could not continue, and there is no window to draw a new box in.
        """
        first = self.source.take(self.stop)
        if first is None:
            if self.stop.is_set():
                return "stopped"
            raise DataError(f"{self.source.title} has no frames.")
        self._began = first.arrived
        collecting = gc.isenabled()
        gc.collect()
        gc.freeze()
        gc.disable()  # a garbage collection inside an update would count as time of the tracker
        try:
            box = self.box if self.box is not None else self._drawn(first.image)
            if box is None:
                return "no box was drawn"
            check_box("--box", [float(value) for value in box], (first.image.shape[1], first.image.shape[0]))
            return self._follow(first, box)
        except NobodyReads:
            return "nobody reads the boxes any more"
        finally:
            gc.unfreeze()
            if collecting:
                gc.enable()

    def _follow(self, first: Frame, box: Boxes) -> str:
        tracker: Tracker | None = self._start(first, box)
        word = self._show_start(first, box)
        frame = first
        while word != QUIT:
            if word == AGAIN and (again := self._drawn(frame.image)) is not None:
                tracker = self._start(frame, again)
                word = self._show_start(frame, again)
                continue
            if self.most is not None and self.meter.frames >= self.most:
                return f"{self.most} frames were asked for"
            began = perf_counter()
            taken = self.source.take(self.stop)
            if taken is None:
                return "stopped" if self.stop.is_set() else "the source ended"
            there, frame = perf_counter(), taken
            seconds, found, sure = 0.0, None, None
            if tracker is not None:
                try:
                    found, seconds = self.runner.process(tracker, frame.image)
                    sure = None if tracker.confidence is None else ask(as_number, tracker.confidence)
                except TrackingError as error:
                    if not self.showing:
                        raise TrackingError(f"frame {frame.number}: {error}") from error
                    tracker = None  # lost: the user may draw a new box
            self.meter.frame(seconds if found is not None else None)
            word = self._hand_on(frame, found, sure, 1e3 * seconds if found is not None else None, False)
            self._tidy()
            self.meter.round(there - began, perf_counter() - there - seconds)
        return "quit"

    def _start(self, frame: Frame, box: Boxes) -> Tracker:
        tracker = self.runner.start()
        self.runner.process(tracker, frame.image, np.asarray(box, float))
        return tracker

    def _show_start(self, frame: Frame, box: Boxes) -> str:
        self.meter.frame(None)
        return self._hand_on(frame, np.asarray(box, float), None, None, True)

    def _hand_on(self, frame: Frame, box: Boxes | None, sure: object, ms: float | None, started: bool) -> str:
        """Passes the frame to all sinks and the window; returns the user's request in the window."""
        followed = Followed(
            frame.image, self.runner.spec.color, frame.number, frame.arrived - self._began, box, _finite(sure), ms,
            self.meter.fps, self.meter.p99_ms, self.source.dropped, started,
        )  # fmt: skip
        for sink in self.sinks:
            sink.add(followed)
        return self.screen.show(followed) if self.showing and self.screen is not None else ""

    def _drawn(self, image: Image) -> Boxes | None:
        if self.screen is None:
            raise ConfigError("there is no window to draw a box in; give it by --box x,y,w,h.")
        return self.screen.choose(image if self.runner.spec.color == "bgr" else np.ascontiguousarray(image[:, :, ::-1]))

    def _tidy(self) -> None:
        if self.meter.frames % COLLECT_EVERY == 0:
            gc.collect(0)

    _began: float = 0.0


def _finite(value: object) -> float | None:
    return value if isinstance(value, float) and np.isfinite(value) else None
