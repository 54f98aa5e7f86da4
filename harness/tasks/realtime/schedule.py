"""A camera that does not wait: which frame is processed when, and which result is scored for which frame.

Time is simulated: it advances by the duration of each update, so that a machine slower than the camera finishes too.
All times are exact fractions of a second; a schedule can be calculated by hand and is the same on every machine.

Frame k arrives at k / fps. Two conventions define the effect of a late result:

- ``latency``: a tracker that is free takes the newest frame that has arrived and was not processed yet; the frames in between
  are dropped. Frame t is scored with the newest result that was finished when t arrived (M. Li, Y.-X. Wang,
  D. Ramanan: Towards Streaming Perception, ECCV 2020). Until the first result, this is the given box.
- ``vot``: the rule of the VOT challenge's real-time experiment (M. Kristan et al.: The Visual Object Tracking VOT2017
  challenge results; ``RealtimeTrackerRuntime`` of vot-toolkit 0.9). A result is scored for the frame that it was made
  from, even if it was late. But an update longer than a frame time skips the frames that arrived meanwhile, for which
  the old result is used. The first ``grace`` such updates (initialisation counts) skip none. The toolkit ignores a
  remaining delay of one frame time or less, so that an update of up to two frame times skips no frame; this
  implementation does the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from harness.core.errors import ConfigError

CONVENTIONS = ("latency", "vot")


def exact(value: float) -> Fraction:
    """Returns the decimal number as which ``value`` is written: 0.1 is one tenth, not the nearest binary fraction."""
    return Fraction(repr(value))


@dataclass(frozen=True)
class Step:
    """One frame that the tracker processed: ``taken`` and ``finished`` in seconds since frame 0 arrived."""

    frame: int
    taken: Fraction
    finished: Fraction


@dataclass(frozen=True)
class Schedule:
    """The processing of the frames of one sequence.

    ``steps`` are the processed frames in order, frame 0 (initialisation) first. ``source[t]`` is the frame whose result is
    scored for frame t; 0 means the given box.
    """

    fps: Fraction
    steps: tuple[Step, ...]
    source: tuple[int, ...]

    @property
    def processed(self) -> tuple[int, ...]:
        """The frames that the tracker saw, frame 0 first."""
        return tuple(step.frame for step in self.steps)

    @property
    def dropped(self) -> int:
        """The number of frames that the tracker never saw."""
        return len(self.source) - len(self.steps)

    @property
    def late(self) -> int:
        """The number of updates that were finished more than a frame time after their frame had arrived."""
        period = 1 / self.fps
        return sum(step.finished - step.frame * period > period for step in self.steps[1:])

    @property
    def ages(self) -> tuple[Fraction, ...]:
        """For each frame from 1 on, the seconds between its arrival and that of the frame whose result is scored for it."""
        return tuple((frame - source) / self.fps for frame, source in enumerate(self.source) if frame)


class Camera(ABC):
    """Frames arriving at a fixed rate before one tracker; driven by the duration of each of its updates.

    Call ``begin`` with the duration of initialisation. While ``next`` returns a frame, call ``done`` with the duration
    of the update on it. ``schedule`` returns the result.

    Args:
        frames: How many frames the sequence has, 1 or more.
        fps: Frames a second, above 0.
    """

    def __init__(self, frames: int, fps: Fraction) -> None:
        if frames < 1:
            raise ValueError(f"a sequence has at least one frame, not {frames}")
        if fps <= 0:
            raise ValueError(f"a camera's rate is positive, not {fps}")
        self._frames, self._fps, self._period = frames, fps, 1 / fps
        self._steps: list[Step] = []

    @abstractmethod
    def begin(self, duration: Fraction) -> None:
        """Records that initialisation on frame 0 took ``duration`` seconds."""

    @abstractmethod
    def next(self) -> int | None:
        """Returns the frame to process now, or None at the end of the sequence."""

    @abstractmethod
    def done(self, duration: Fraction) -> None:
        """Records that the update on the frame from ``next`` took ``duration`` seconds."""

    @abstractmethod
    def schedule(self) -> Schedule:
        """Returns the result after ``next`` has returned None."""


class LatencyCamera(Camera):
    """Convention ``latency``: a free tracker takes the newest frame; the newest finished result is scored."""

    def begin(self, duration: Fraction) -> None:
        self._steps = [Step(0, Fraction(0), duration)]

    def next(self) -> int | None:
        last = self._steps[-1]
        if last.frame == self._frames - 1:
            return None
        newest = min(last.finished // self._period, self._frames - 1)
        return max(newest, last.frame + 1)

    def done(self, duration: Fraction) -> None:
        frame = self.next()
        assert frame is not None
        taken = max(self._steps[-1].finished, frame * self._period)
        self._steps.append(Step(frame, taken, taken + duration))

    def schedule(self) -> Schedule:
        source, newest = [], 0
        for frame in range(self._frames):
            arrival = frame * self._period
            while newest + 1 < len(self._steps) and self._steps[newest + 1].finished <= arrival:
                newest += 1
            source.append(self._steps[newest].frame)
        return Schedule(self._fps, tuple(self._steps), tuple(source))


class VotCamera(Camera):
    """Convention ``vot``: a result counts for its own frame, and a slow update skips the frames after it.

    Args:
        frames: As of every camera.
        fps: As of every camera.
        grace: How many updates longer than a frame time skip no frames, 0 or more.
    """

    def __init__(self, frames: int, fps: Fraction, grace: int = 3) -> None:
        super().__init__(frames, fps)
        if grace < 0:
            raise ValueError(f"grace frames are 0 or more, not {grace}")
        self._grace, self._debt, self._source = grace, Fraction(0), [0]

    def begin(self, duration: Fraction) -> None:
        self._steps, self._source = [], []
        self._enter(0, duration)

    def next(self) -> int | None:
        frame = len(self._source)
        while frame < self._frames and self._debt > self._period:
            self._debt -= self._period
            self._source.append(self._steps[-1].frame)
            frame += 1
        return frame if frame < self._frames else None

    def done(self, duration: Fraction) -> None:
        frame = self.next()
        assert frame is not None
        self._enter(frame, duration)

    def _enter(self, frame: int, duration: Fraction) -> None:
        arrival = frame * self._period
        self._steps.append(Step(frame, arrival, arrival + duration))
        self._source.append(frame)
        self._debt = max(Fraction(0), duration - self._period)
        if self._debt and self._grace:
            self._grace, self._debt = self._grace - 1, Fraction(0)

    def schedule(self) -> Schedule:
        return Schedule(self._fps, tuple(self._steps), tuple(self._source))


def camera(convention: str, frames: int, fps: Fraction, grace: int) -> Camera:
    """Makes the camera of a convention. Raises ConfigError."""
    if convention == "latency":
        return LatencyCamera(frames, fps)
    if convention == "vot":
        return VotCamera(frames, fps, grace)
    raise ConfigError(f"task.convention is {convention!r}; accepted: {', '.join(CONVENTIONS)}.")


def simulate(over: Camera, duration: Callable[[int], Fraction]) -> Schedule:
    """Runs ``over`` to its end; ``duration(frame)`` is the seconds that processing the frame takes (0: initialisation)."""
    over.begin(duration(0))
    while (frame := over.next()) is not None:
        over.done(duration(frame))
    return over.schedule()
