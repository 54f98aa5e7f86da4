"""dataset=video: a user's own clip and the box to follow in it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from harness.core.errors import ConfigError, DataError, StoreError
from harness.core.files import file_mode, read_json, write_json
from harness.core.interfaces import Dataset, Image, Sequence

QUALITY = 98
"""JPEG quality of the cached frames; 4:4:4, so that the clip's colours stay."""
RECIPE = "2"
"""Enters the cache's key; raised when the way frames are written changes."""


RECORD_FILE = "clip.json"
"""Beside the cached frames: their digests by name, and how many frames the clip announces."""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass
class Video(Dataset):
    """The clip ``path`` as one sequence without truth, tracked from ``init_box`` [x, y, w, h] of its first frame.

    The clip is decoded once, to JPEG files under ``cache/video``; ``frames`` keeps the first so many (null: all).
    The constructor opens the clip and checks the box against the first frame. Raises ConfigError for a box that is
    none or lies outside the image, DataError for a clip that is missing or cannot be decoded.
    """

    path: str = ""
    init_box: list[float] = field(default_factory=list)
    frames: int | None = None
    cache: str = "outputs/cache"
    split: str = ""
    name: str = "video"
    has_truth: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._sequence: Sequence | None = None
        self._count = self._announced = 0
        if not self.path:
            raise ConfigError("dataset.path is not set; give the clip: dataset.path=clip.mp4.")
        if self.frames is not None and self.frames < 1:
            raise ConfigError(f"dataset.frames is {self.frames}; it is a number of frames from 1, or null for all.")
        self._file = Path(self.path).expanduser()
        if self._file.is_dir():
            raise DataError(
                f"dataset.path: {self._file} is a folder; give one video file, or read a folder of images with their annotations by "
                f"dataset=folder dataset.root={self._file}."
            )
        if not self._file.is_file():
            raise DataError(f"dataset.path: {self._file} does not exist; give a video file such as clip.mp4.")
        height, width = next(self._decoded()).shape[:2]
        self.size = (width, height)
        self._check_box()

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Sequence]:
        if self._sequence is None:
            name = re.sub(r"[^A-Za-z0-9_.-]+", "_", self._file.stem).strip(".") or "video"
            box = np.asarray(self.init_box, float)
            self._sequence = Sequence(name=name, frames=self._cached(), init_box=box, size=self.size)
        return iter([self._sequence])

    def digest(self) -> str:
        """SHA-256 over the clip's bytes, the number of frames asked for and the first box."""
        return hashlib.sha256(f"{self._key()} {[float(value) for value in self.init_box]}".encode()).hexdigest()

    def _check_box(self) -> None:
        box, (width, height) = self.init_box, self.size
        where = f"the image is {width}x{height}; give [x, y, w, h] in pixels of the first frame"
        if len(box) != 4 or not np.isfinite(box).all():
            raise ConfigError(f"dataset.init_box is {box}; it needs four numbers, [x, y, w, h]: {where}.")
        x, y, w, h = box
        if w <= 0 or h <= 0:
            raise ConfigError(f"dataset.init_box is {box}; width and height must be positive: {where}.")
        if x < 0 or y < 0 or x + w > width or y + h > height:
            raise ConfigError(f"dataset.init_box is {box}, which is not inside the image: {where}.")

    def _decoded(self) -> Iterator[Image]:
        """The clip's frames, BGR. Raises DataError if not even one can be decoded."""
        capture = cv2.VideoCapture(str(self._file.absolute()))
        try:
            count = 0
            while self.frames is None or count < self.frames:
                there, image = capture.read()
                if not there:
                    break
                count += 1
                yield np.asarray(image, np.uint8)
            if not count:
                raise DataError(
                    f"{self._file} cannot be decoded as a video; convert it, for example to MP4 with H.264."
                )
        finally:
            capture.release()

    def _key(self) -> str:
        with self._file.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        return hashlib.sha256(f"{content} {self.frames} {QUALITY} {RECIPE}".encode()).hexdigest()

    def notes(self) -> list[str]:
        """Says if fewer frames could be decoded than the clip announces: it is cut or damaged, or its header is wrong."""
        next(iter(self))
        count, announced = self._count, self._announced
        wanted = announced if self.frames is None else min(announced, self.frames)
        if count >= wanted:
            return []
        return [
            f"{self._file}: {count} frames were decoded of the {announced} that the clip announces; it is cut or damaged after "
            f"frame {count}, or its header is wrong. Only these {count} frames are tracked."
        ]

    def _cached(self) -> tuple[Path, ...]:
        """The frames' files, decoded now if they are not there or were changed; complete or absent, never half."""
        folder = Path(self.cache) / "video" / self._key()[:24]
        if folder.is_dir() and not self._intact(folder):
            print(f"note: the decoded frames in {folder} were changed since they were written; they are decoded again.", file=sys.stderr)
            shutil.rmtree(folder, ignore_errors=True)
        if not folder.is_dir():
            self._fill(folder)
        record = read_json(folder / RECORD_FILE)
        self._count, self._announced = len(record["frames"]), int(record["announced"])
        return tuple(folder / name for name in record["frames"])

    @staticmethod
    def _intact(folder: Path) -> bool:
        """Whether all frames are there with the bytes that were written."""
        try:
            frames = read_json(folder / RECORD_FILE)["frames"]
            return bool(frames) and all(_sha256(folder / name) == digest for name, digest in frames.items())
        except (DataError, OSError, KeyError, TypeError, AttributeError):
            return False

    def _fill(self, folder: Path) -> None:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=".decoding-", dir=folder.parent))
        except OSError as error:
            raise StoreError(
                f"{folder.parent} cannot be written ({error.strerror}); set dataset.cache to another folder."
            ) from error
        try:
            digests = {}
            for number, image in enumerate(self._decoded(), 1):
                path = temporary / f"{number:08d}.jpg"
                self._write(path, image)
                digests[path.name] = _sha256(path)
            write_json(temporary / RECORD_FILE, {"announced": self._announce(), "frames": digests})
            temporary.chmod(file_mode(folder=True))
            with contextlib.suppress(OSError):  # another process was quicker: its frames are the same
                os.replace(temporary, folder)
            if not folder.is_dir():
                raise StoreError(f"{folder} cannot be written; set dataset.cache to another folder.")
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _announce(self) -> int:
        """The number of frames that the clip's header names; 0 if it names none."""
        capture = cv2.VideoCapture(str(self._file.absolute()))
        try:
            return max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        finally:
            capture.release()

    @staticmethod
    def _write(path: Path, image: Image) -> None:
        options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
        if not cv2.imwrite(str(path), image, options):
            raise StoreError(f"{path} cannot be written; free space or set dataset.cache to another folder.")
