"""Outputs of boxes: JSON lines, a video, a data set. A thread does slow work, so that the next frame need not wait."""

from __future__ import annotations

import json
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np

from harness.core.errors import StoreError, in_words
from harness.core.files import file_mode, put_in_place, temporary_beside, write_bytes, write_text
from harness.core.interfaces import Boxes, Image
from harness.imaging.decoding import Color

WAITING = 16
"""The most frames that wait for a writing thread."""
GREEN = (60, 220, 60)
QUICK_PNG = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY),
    *((cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP) if hasattr(cv2, "IMWRITE_PNG_FILTER") else ()),
)
"""Without loss in less than half of the time of level 1 as it is, and a fifth larger: a recording is to keep up with a camera."""
USUAL_FPS = 25.0
"""Frames per second of a video whose source states no rate."""


class NobodyReads(Exception):
    """The reader of the JSON lines has gone, so there is no need to continue."""


@dataclass(frozen=True)
class Followed:
    """One frame with its tracking result.

    Attributes:
        image: uint8 ``[H, W, 3]``.
        color: The order of its channels.
        number: The frame's number among all frames of the source, from 0.
        seconds: Seconds since the first frame.
        box: ``[4]``; None if the target is lost.
        confidence: The tracker's confidence; None if it reports none.
        ms: Milliseconds of the update; None if the tracker was started on the box.
        fps: Frames per second.
        p99_ms: The 99th percentile of the last updates.
        dropped: The number of frames not tracked so far.
        started: Whether the tracker was started on this box by the user.
    """

    image: Image
    color: Color
    number: int
    seconds: float
    box: Boxes | None
    confidence: float | None
    ms: float | None
    fps: float
    p99_ms: float
    dropped: int
    started: bool

    def bgr(self) -> Image:
        """The image in BGR; a copy."""
        if self.color == "bgr":
            return self.image.copy()
        return np.asarray(cv2.cvtColor(self.image, cv2.COLOR_RGB2BGR), np.uint8)

    def line(self) -> str:
        """Returns the frame's result as one line of JSON."""
        found = {
            "frame": self.number,
            "seconds": round(self.seconds, 6),
            "box": None if self.box is None else [float(value) for value in self.box],
            "confidence": self.confidence,
            "ms": None if self.ms is None else round(self.ms, 4),
            "fps": round(self.fps, 2),
            "p99_ms": round(self.p99_ms, 4),
            "dropped": self.dropped,
            "started": self.started,
        }
        return json.dumps(found) + "\n"

    def words(self) -> str:
        """Returns rate, p99, confidence and dropped frames as text."""
        sure = "" if self.confidence is None else f"  confidence {self.confidence:.2f}"
        return f"{self.fps:.0f} fps  p99 {self.p99_ms:.1f} ms{sure}  dropped {self.dropped}"


def drawn(frame: Followed) -> Image:
    """Returns the frame in BGR with its box and the text."""
    canvas = frame.bgr()
    if frame.box is not None:
        x, y, w, h = (round(float(value)) for value in np.clip(frame.box, -30000, 30000))
        cv2.rectangle(canvas, (x, y), (x + w, y + h), GREEN, 2)
    words = frame.words() if frame.box is not None else "lost"
    cv2.putText(canvas, words, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(canvas, words, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, GREEN, 1, cv2.LINE_AA)
    return canvas


class Sink(ABC):
    """Receives frames in order."""

    @abstractmethod
    def add(self, frame: Followed) -> None:
        """Takes a frame. Raises NobodyReads, StoreError."""

    @abstractmethod
    def close(self) -> str:
        """Ends the output; returns a text on what was written. Raises StoreError."""


class JsonLines(Sink):
    """Writes a line of JSON for each frame immediately."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def add(self, frame: Followed) -> None:
        try:
            self._stream.write(frame.line())
            self._stream.flush()
        except (BrokenPipeError, OSError, ValueError) as error:
            raise NobodyReads from error

    def close(self) -> str:
        return ""


class _Behind(Sink):
    """A sink whose thread does the work in order; if it falls behind, frames have to wait."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Followed | None] = queue.Queue(WAITING)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name=type(self).__name__)
        self._thread.start()

    def add(self, frame: Followed) -> None:
        if self._error is not None:
            raise self._error
        self._queue.put(frame)

    def close(self) -> str:
        self._queue.put(None)
        self._thread.join()
        if self._error is not None:
            self.abandon()
            raise self._error
        return self.finish()

    def _run(self) -> None:
        while (frame := self._queue.get()) is not None:
            if self._error is None:
                try:
                    self.write(frame)
                except StoreError as error:
                    self._error = error
                except OSError as error:
                    self._error = StoreError(f"a frame cannot be written: {in_words(error)}")
                except Exception as error:  # an encoder may raise anything
                    self._error = StoreError(f"a frame cannot be written ({type(error).__name__}: {error}).")

    @abstractmethod
    def write(self, frame: Followed) -> None:
        """Writes one frame, in the thread."""

    @abstractmethod
    def finish(self) -> str:
        """Called after all frames are written."""

    def abandon(self) -> None:
        """Called if a frame could not be written."""


class Film(_Behind):
    """An MP4 of the frames with their boxes; it gets its name when it is complete."""

    def __init__(self, path: Path, fps: Callable[[], float]) -> None:
        self._path, self._fps, self._writer, self._count = path, fps, None, 0
        self._size = (0, 0)
        self._temporary = temporary_beside(path, ".mp4")
        super().__init__()

    _writer: Any

    def write(self, frame: Followed) -> None:
        canvas = drawn(frame)
        size = canvas.shape[1] // 2 * 2, canvas.shape[0] // 2 * 2
        if self._writer is None:
            self._size = size
            self._writer = cv2.VideoWriter(str(self._temporary), cv2.VideoWriter.fourcc(*"mp4v"), self._fps() or USUAL_FPS, size)
            if not self._writer.isOpened():
                raise StoreError(f"{self._path}: OpenCV has no MP4 encoder here; take the boxes by --json instead.")
        if size != self._size:  # the stream has changed its size
            canvas = np.asarray(cv2.resize(canvas, self._size), np.uint8)
        self._writer.write(canvas[: self._size[1], : self._size[0]])
        self._count += 1

    def finish(self) -> str:
        if self._writer is None:
            self._temporary.unlink(missing_ok=True)
            return ""
        self._writer.release()
        self._temporary.chmod(file_mode())
        put_in_place(self._temporary, self._path)
        return f"{self._path}: {self._count} frames"

    def abandon(self) -> None:
        if self._writer is not None:
            self._writer.release()
        self._temporary.unlink(missing_ok=True)


class Recording(_Behind):
    """A data set in the GOT-10k layout: lossless images, and the tracker's boxes as ``groundtruth.txt``.

    Each start of the tracker on a box begins a sequence, and the loss of the target ends one; ``list.txt`` is written last.

    Args:
        folder: New or empty.
        note: The origin of the boxes, for ``meta_info.ini``.
    """

    def __init__(self, folder: Path, note: str) -> None:
        self._folder, self._note = folder, note
        self._names: list[str] = []
        self._boxes: list[Boxes] = []
        self._size = (0, 0)
        super().__init__()

    def write(self, frame: Followed) -> None:
        if frame.started or frame.box is None:
            self._end_sequence()
        if frame.box is None:
            return
        if not self._boxes:
            self._names.append(f"clip_{len(self._names) + 1:03d}")
            self._size = frame.image.shape[1], frame.image.shape[0]
        done, data = cv2.imencode(".png", frame.bgr(), QUICK_PNG)
        if not done:
            raise StoreError("a frame cannot be encoded as PNG.")
        path = self._folder / self._names[-1] / f"{len(self._boxes) + 1:08d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.tobytes())
        self._boxes.append(np.array(frame.box, float))

    def finish(self) -> str:
        self._end_sequence()
        if not self._names:
            return ""
        write_text(self._folder / "list.txt", "".join(f"{name}\n" for name in self._names))
        return f"{self._folder}: {len(self._names)} sequence{'s' if len(self._names) > 1 else ''}; python -m harness dataset=folder dataset.root={self._folder}"

    def _end_sequence(self) -> None:
        if not self._boxes:
            return
        place = self._folder / self._names[-1]
        lines = (",".join(repr(float(value)) for value in box) for box in self._boxes)
        write_bytes(place / "groundtruth.txt", "".join(f"{line}\n" for line in lines).encode())
        meta = f"resolution: ({self._size[0]}, {self._size[1]})\nboxes: {self._note}\n"
        write_text(place / "meta_info.ini", f"[METAINFO]\n{meta}")
        self._boxes = []
