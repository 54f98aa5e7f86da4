"""Simulated cameras that repeat the data set's sequences, and the trackers that follow them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence as Seq
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.errors import TrackingError
from harness.core.interfaces import Array, Arrays, GraphSpec, Image, Sequence, Session, Tracker, TrackerSpec
from harness.imaging.decoding import Color, read_image
from harness.machine.environment import pin_thread
from harness.tracking.feedback import true_box
from harness.tracking.loop import ask, box_of


@dataclass(frozen=True)
class Clip:
    """The first ``frames`` of a sequence; ``images`` are decoded already, or None if decoding is part of the work."""

    sequence: Sequence
    frames: int
    images: tuple[Image, ...] | None
    color: Color

    def image(self, index: int) -> Image:
        """The frame at ``index``."""
        return self.images[index] if self.images is not None else read_image(Path(self.sequence.frames[index]), self.color)


def load_clips(sequences: Seq[Sequence], color: Color, megabytes: float | None) -> list[Clip]:
    """Makes a clip of each sequence with two or more frames; with ``megabytes``, decodes them within that much memory.

    Each clip gets an equal share, but at least two frames.
    """
    usable = [item for item in sequences if len(item) > 1]
    clips = []
    for sequence in usable:
        if megabytes is None:
            clips.append(Clip(sequence, len(sequence), None, color))
            continue
        first = read_image(Path(sequence.frames[0]), color)
        share = int(megabytes * 2**20 / len(usable) / first.nbytes)
        count = max(2, min(len(sequence), share))
        images = (first, *(read_image(Path(path), color) for path in sequence.frames[1:count]))
        clips.append(Clip(sequence, count, images, color))
    return clips


class WorkersSession:
    """A session that uses the calling worker's own: trackers move between workers, sessions stay with their thread."""

    def __init__(self, spec: GraphSpec, own: threading.local) -> None:
        self.spec, self._own = spec, own

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        session: Session = self._own.sessions[self.spec.name]
        return session.run(inputs)


@dataclass
class Stream:
    """A camera and its tracker. At the end of the clip the tracker is reset to the first box without a new template."""

    clip: Clip
    tracker: Tracker
    truthful: bool
    index: int = 0

    def begin(self) -> None:
        """Initialises the tracker on the first frame. Raises TrackingError."""
        ask(self.tracker.init, self.clip.image(0), self.clip.sequence.init_box)
        self.index = 0

    def step(self) -> None:
        """Processes the next frame. Raises TrackingError with the sequence and the frame."""
        try:
            self._step()
        except TrackingError as error:
            raise TrackingError(f"{self.clip.sequence.name}, frame {self.index + 1}: {error}") from error

    def _step(self) -> None:
        sequence, before = self.clip.sequence, self.index
        self.index += 1
        if self.index >= self.clip.frames:
            before, self.index = 0, 1
            ask(self.tracker.place, sequence.init_box)
        image = self.clip.image(self.index)
        if self.truthful and (box := true_box(sequence, before)) is not None:
            ask(self.tracker.place, box)
        box_of(ask(self.tracker.update, image))


@dataclass
class Streams:
    """The requested number of cameras, over the sessions of each worker.

    Args:
        spec: The tracker's settings.
        sessions: The sessions of each worker, by graph.
        clips: What the cameras show: each camera shows the clip at its number, starting again after the last one.
        truthful: Whether crops follow the ground truth.
        cores: The cores of each worker; empty if the system chooses them.
    """

    spec: TrackerSpec
    sessions: Seq[Mapping[str, Session]]
    clips: Seq[Clip]
    truthful: bool
    cores: Seq[Seq[int]] = ()
    _own: threading.local = field(default_factory=threading.local)
    _streams: list[Stream] = field(default_factory=list)

    def prepare(self, count: int) -> None:
        """Makes ``count`` cameras and initialises all of them, existing ones again."""
        self._own.sessions = self.sessions[0]
        while len(self._streams) < count:
            handed = {name: WorkersSession(item.spec, self._own) for name, item in self.sessions[0].items()}
            clip = self.clips[len(self._streams) % len(self.clips)]
            self._streams.append(Stream(clip, self.spec.start(handed), self.truthful))
        for stream in self._streams[:count]:
            stream.begin()

    def step(self, stream: int, worker: int) -> None:
        """Processes the next frame of a camera in the calling thread, with the sessions of ``worker``."""
        self._own.sessions = self.sessions[worker]
        self._streams[stream].step()

    def serve(self, stream: int, worker: int) -> None:
        """Does the same in a thread of ``worker``, on that worker's cores."""
        if self.cores and not getattr(self._own, "pinned", False):
            pin_thread(list(self.cores[worker]))
            self._own.pinned = True
        self.step(stream, worker)
