"""Sources of frames: every frame of a file or folder, the newest frame of a camera or stream.

A thread reads, so that reading and decoding do not wait for the tracker. For a live source, a waiting frame is replaced
by a newer one and counted as dropped; for files, every frame is used.
"""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import cv2
import numpy as np

from harness.core import secrets
from harness.core.errors import DataError, HarnessError
from harness.core.interfaces import Image
from harness.imaging import clips
from harness.imaging.decoding import Color, read_image

Kind = Literal["file", "folder", "camera", "stream"]
SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtp", "udp", "tcp", "srt")
IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
AHEAD = 4
"""The number of prefetched frames if every frame is used."""
OPENING_S = 2.0
"""Extra seconds before the first frame: opening has its own timeout, whose message is more exact."""
STALLED = 0.9
"""Share of the timeout. A failed read that took longer was a stall: FFmpeg has the same timeout and does not report why a read failed."""
MOST_DIGITS = 4
"""The most digits of a camera's number; OpenCV accepts only 32-bit integers."""
GLANCE_S = 0.2
"""Seconds between checks of a waiting thread for the stop event."""


class SourceStalled(HarnessError):
    """A live source that sends no more frames."""


def _stalled(title: str, seconds: float) -> str:
    return f"{title} sent no frame for {seconds:g} s; see whether it is on and reachable, or wait longer by --timeout."


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        image: uint8 ``[H, W, 3]``, channels in the requested order.
        number: Its number among all frames of the source, from 0.
        arrived: The time of its arrival, by ``perf_counter``.
    """

    image: Image
    number: int
    arrived: float


def kind_of(address: str) -> Kind:
    """Returns the kind of an address: a file, a folder of images, a camera by its number, or a stream.

    Raises:
        DataError: It is none of these.
    """
    path = Path(address).expanduser()
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.\-]*)://", address)
    if scheme is None and path.is_dir():
        return "folder"
    if scheme is None and path.is_file():
        return "file"
    if address.isascii() and address.isdigit() and len(address) <= MOST_DIGITS:
        return "camera"
    if scheme is not None and scheme[1].lower() in SCHEMES:
        return "stream"
    if scheme is not None:
        raise DataError(f"{secrets.masked(address)} has the scheme {scheme[1]}, which is not known; accepted: {', '.join(SCHEMES)}.")
    if path.exists():
        raise DataError(f"{address} is neither a regular file nor a folder (a pipe or a device); give a video file or a folder of images.")
    raise DataError(f"{address} does not exist; give a video file, a folder of images, the number of a camera, or an address (rtsp://, http://).")


class Source(ABC):
    """Frames in order; a thread reads them after ``start`` is called.

    Attributes:
        title: Its name in messages, without a password.
        fps: The frames per second that it states; 0 if none. Known after the first frame has been taken.
        dropped: The number of frames that were replaced by newer ones before they were taken.
    """

    def __init__(self, title: str, color: Color, timeout: float | None) -> None:
        self.title, self.fps, self.dropped = title, 0.0, 0
        self._color, self._timeout = color, timeout
        self._frames: deque[tuple[Image, int, float]] = deque()
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._ended, self._count = False, 0
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="frames")

    def start(self) -> None:
        """Starts reading."""
        self._thread.start()

    def take(self, stop: threading.Event) -> Frame | None:
        """Returns the next frame; None at the end of the source, or if ``stop`` is set.

        Raises:
            DataError: The source cannot be opened or read.
            SourceStalled: No frame has arrived for too long.
        """
        began = perf_counter()
        with self._changed:
            while not self._frames and not self._ended and not stop.is_set():
                self._changed.wait(GLANCE_S)
                patience = self._timeout + (OPENING_S if not self._count else 0.0) if self._timeout is not None else None
                if patience is not None and perf_counter() - began > patience and not (self._frames or self._ended):
                    raise SourceStalled(_stalled(self.title, self._timeout or 0.0))
            if stop.is_set():
                return None
            if not self._frames:
                if self._error is not None:
                    raise self._error
                return None
            image, number, arrived = self._frames.popleft()
            self._changed.notify_all()
        return Frame(self._turned(image), number, arrived)

    def close(self) -> None:
        """Stops reading; frames not taken are discarded."""
        self._stop.set()
        with self._changed:
            self._frames.clear()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(2.0)

    # ------------------------------------------------------------------------------------- the thread

    def _run(self) -> None:
        try:
            for image in self._read():
                self._put(image)
                if self._stop.is_set():
                    break
        except BaseException as error:
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @abstractmethod
    def _read(self) -> Iterator[Image]:
        """Yields the images as they arrive."""

    @abstractmethod
    def _put(self, image: Image) -> None:
        """Adds an image to the waiting ones."""

    def _add(self, image: Image) -> None:
        self._frames.append((image, self._count, perf_counter()))
        self._count += 1
        self._changed.notify_all()

    def _turned(self, image: Image) -> Image:
        return image


class EveryFrame(Source):
    """All frames: prefetched frames wait for the tracker, and so does their sender.

    Args:
        title: Its name in messages.
        color: The requested order of channels.
        read: Yields the images, with channels in the order ``given``.
        given: See ``read``.
        timeout: Seconds without a frame after which the source counts as stalled; None if it cannot stall.
    """

    def __init__(
        self, title: str, color: Color, read: Callable[[EveryFrame], Iterator[Image]], given: Color, timeout: float | None = None
    ) -> None:
        super().__init__(title, color, timeout)
        self._reader, self._swap = read, given != color

    def _read(self) -> Iterator[Image]:
        return self._reader(self)

    def _put(self, image: Image) -> None:
        if self._swap:
            image = _swapped(image)
        with self._changed:
            while len(self._frames) >= AHEAD and not self._stop.is_set():
                self._changed.wait(GLANCE_S)
            self._add(image)


class NewestFrame(Source):
    """Only the newest frame. ``read`` yields images in BGR."""

    def __init__(self, title: str, color: Color, read: Callable[[NewestFrame], Iterator[Image]], timeout: float | None) -> None:
        super().__init__(title, color, timeout)
        self._reader = read

    def _read(self) -> Iterator[Image]:
        return self._reader(self)

    def _put(self, image: Image) -> None:
        with self._changed:
            self.dropped += len(self._frames)
            self._frames.clear()
            self._add(image)

    def _turned(self, image: Image) -> Image:
        return _swapped(image) if self._color == "rgb" else image  # only for frames that are taken


def _swapped(image: Image) -> Image:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


# ------------------------------------------------------------------------------------------ making one


def source_of(address: str, color: Color, *, every_frame: bool = False, timeout: float = 10.0) -> Source:
    """Returns the source of an address; ``start`` begins to read.

    Args:
        address: A file, a folder of images, a camera's number, or the address of a stream, perhaps without its password
            (``core.secrets`` knows it).
        color: The order of the channels.
        every_frame: Whether every frame of a live source is used too; the source then waits for the tracker.
        timeout: Seconds without a frame after which a live source counts as stalled.

    Raises:
        DataError: The address is not a possible source.
    """
    kind = kind_of(address)
    title = f"camera {address}" if kind == "camera" else secrets.masked(address)
    if kind == "folder":
        return EveryFrame(title, color, lambda source: _images(Path(address).expanduser(), color), color)
    if kind == "file":
        return EveryFrame(title, color, lambda source: _clip(source, Path(address).expanduser()), "bgr")
    if every_frame:
        return EveryFrame(title, color, lambda source: _live(source, kind, address, timeout), "bgr", timeout)
    return NewestFrame(title, color, lambda source: _live(source, kind, address, timeout), timeout)


def _clip(source: Source, path: Path) -> Iterator[Image]:
    source.fps = clips.announced(path)[1]
    return clips.frames_of(path)


def _images(folder: Path, color: Color) -> Iterator[Image]:
    paths = [path for path in folder.iterdir() if path.suffix.lower() in IMAGES and not path.name.startswith(".")]
    if not paths:
        raise DataError(f"{folder} holds no images ({', '.join(IMAGES)}); give a folder of images, in the order of their names.")
    for path in sorted(paths, key=lambda path: _natural(path.name)):
        yield read_image(path, color)


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Returns a sort key with which 2 comes before 10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"[0-9]+|[^0-9]+", name)]


def _live(source: Source, kind: Kind, address: str, timeout: float) -> Iterator[Image]:
    capture = _opened(kind, address, timeout)
    try:
        if not capture.isOpened():
            what = "see the list of cameras of your system" if kind == "camera" else "see whether it is reachable, and its user and password"
            raise DataError(f"{source.title} cannot be opened; {what}.")
        fps = capture.get(cv2.CAP_PROP_FPS)
        source.fps = float(fps) if np.isfinite(fps) and 1 <= fps <= 240 else 0.0
        while True:
            began = perf_counter()
            there, image = capture.read()
            if not there and perf_counter() - began > STALLED * timeout:
                raise SourceStalled(_stalled(source.title, timeout))
            if not there:
                return
            yield np.asarray(image, np.uint8)
    finally:
        capture.release()


def _opened(kind: Kind, address: str, timeout: float) -> Any:
    if kind == "camera":
        return cv2.VideoCapture(int(address))
    milliseconds = int(1000 * timeout)
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds, cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]
    return cv2.VideoCapture(secrets.whole(address), cv2.CAP_FFMPEG, limits)
