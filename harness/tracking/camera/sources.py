"""Where frames come from: every frame of a file or folder, the newest frame of a camera or stream.

A thread reads, so that reading and decoding do not wait for the tracker. Of a live source the frame that waits is replaced by
a newer one, and counted as dropped; of files every frame is taken.
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
"""Frames that are read ahead of the tracker where every frame is taken."""
OPENING_S = 2.0
"""Seconds that a source gets beyond its timeout before the first frame: opening has a timeout of its own, which says more."""
MOST_DIGITS = 4
"""Of a camera's number; OpenCV does not take what is no 32-bit integer."""
GLANCE_S = 0.2
"""Seconds after which a wait looks whether it has been told to stop."""


class SourceStalled(HarnessError):
    """A live source that sends nothing more."""


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        image: uint8 ``[H, W, 3]``, channels in the order that was asked for.
        number: Its number among all frames that the source gave, from 0.
        arrived: When it was there, by ``perf_counter``.
    """

    image: Image
    number: int
    arrived: float


def kind_of(address: str) -> Kind:
    """What an address names: a file, a folder of images, a camera by its number, or a stream.

    Raises:
        DataError: Nothing of these.
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
    """Frames in their order; a thread reads them as soon as ``start`` is called.

    Attributes:
        title: What a person calls it; without a password.
        fps: The frames a second that it announces; 0 if it says nothing. Known once a frame has been taken.
        dropped: Frames that were replaced by newer ones before anybody took them.
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
        """Begins to read."""
        self._thread.start()

    def take(self, stop: threading.Event) -> Frame | None:
        """The next frame; None at the end of the source, or when ``stop`` is set.

        Raises:
            DataError: The source cannot be opened or read.
            SourceStalled: It has sent nothing for too long.
        """
        began = perf_counter()
        with self._changed:
            while not self._frames and not self._ended and not stop.is_set():
                self._changed.wait(GLANCE_S)
                patience = self._timeout + (OPENING_S if not self._count else 0.0) if self._timeout is not None else None
                if patience is not None and perf_counter() - began > patience and not (self._frames or self._ended):
                    raise SourceStalled(
                        f"{self.title} sent no frame for {self._timeout:g} s; see whether it is on and reachable, or wait longer by --timeout."
                    )
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
        """Ends the reading; what was not taken is forgotten."""
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
        """The images as they come."""

    @abstractmethod
    def _put(self, image: Image) -> None:
        """Adds an image to those that wait."""

    def _add(self, image: Image) -> None:
        self._frames.append((image, self._count, perf_counter()))
        self._count += 1
        self._changed.notify_all()

    def _turned(self, image: Image) -> Image:
        return image


class EveryFrame(Source):
    """All frames: those ahead of the tracker wait, and so does what sends them.

    Args:
        title: For people.
        color: The order of channels that is asked for.
        read: Gives the images, in the order of channels ``given``.
        given: See ``read``.
        timeout: Seconds without a frame after which the source has stalled; None where it cannot.
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
    """The newest frame alone. ``read`` gives images in BGR."""

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
        return _swapped(image) if self._color == "rgb" else image  # of those alone that are taken


def _swapped(image: Image) -> Image:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


# ------------------------------------------------------------------------------------------ making one


def source_of(address: str, color: Color, *, every_frame: bool = False, timeout: float = 10.0) -> Source:
    """The source that an address names; ``start`` begins to read.

    Args:
        address: A file, a folder of images, a camera's number, or the address of a stream, perhaps without its password
            (``core.secrets`` knows it).
        color: The order of the channels.
        every_frame: Whether every frame of a live source is wanted too: it then waits for the tracker.
        timeout: Seconds without a frame after which a live source has stalled.

    Raises:
        DataError: The address names nothing that could be a source.
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
    """The order of names in which 2 comes before 10."""
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
            there, image = capture.read()
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
