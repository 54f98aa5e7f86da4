"""dataset=video: a user's own clip and the box to follow in it."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from harness.core.errors import ConfigError, DataError, StoreError
from harness.core.files import at_home, file_mode, put_in_place, read_json, write_json
from harness.core.interfaces import Dataset, Image, Sequence
from harness.core.names import as_portable
from harness.imaging import clips
from harness.imaging.boxes import check_box

RECIPE = "3"
"""A part of the cache's key; increased when the form of written frames changes."""


RECORD_FILE = "clip.json"
"""A file beside the cached frames: their digests by name, and the number of frames in the clip's header."""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass
class Video(Dataset):
    """The clip ``path`` as one sequence without truth, tracked from ``init_box`` [x, y, w, h] of its first frame.

    The clip is decoded once, to PNG files under ``cache/video``, so that its pixels stay as they are;
    ``frames`` is the number of first frames to keep (null: all).
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
        self._file = at_home(self.path)
        if self._file.is_dir():
            raise DataError(
                f"dataset.path: {self._file} is a folder; give one video file, or read a folder of images with their annotations by "
                f"dataset=folder dataset.root={self._file}."
            )
        if not self._file.is_file():
            raise DataError(f"dataset.path: {self._file} does not exist; give a video file such as clip.mp4.")
        height, width = next(self._decoded()).shape[:2]
        self.size = (width, height)
        check_box("dataset.init_box", self.init_box, self.size)

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Sequence]:
        if self._sequence is None:
            name = as_portable(self._file.stem, "video")
            box = np.asarray(self.init_box, float)
            self._sequence = Sequence(name=name, frames=self._cached(), init_box=box, size=self.size)
        return iter([self._sequence])

    def digest(self) -> str:
        """SHA-256 over the clip's bytes, the requested number of frames and the first box."""
        return hashlib.sha256(f"{self._key()} {[float(value) for value in self.init_box]}".encode()).hexdigest()

    def _decoded(self) -> Iterator[Image]:
        return clips.frames_of(self._file, self.frames)

    def _key(self) -> str:
        with self._file.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        return hashlib.sha256(f"{content} {self.frames} {RECIPE}".encode()).hexdigest()

    def notes(self) -> list[str]:
        """Notes if fewer frames could be decoded than stated: the clip is damaged, or its header is wrong."""
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
        """Returns the frames' files; decodes them if they are missing or changed.

        They are complete or absent, never partial.
        """
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
            record = read_json(folder / RECORD_FILE)
            frames = record["frames"]
            int(record["announced"])
            return bool(frames) and all(_sha256(folder / name) == digest for name, digest in frames.items())
        except (DataError, OSError, KeyError, TypeError, ValueError, AttributeError):
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
                path = temporary / f"{number:08d}.png"
                self._write(path, image)
                digests[path.name] = _sha256(path)
            write_json(temporary / RECORD_FILE, {"announced": clips.announced(self._file)[0], "frames": digests})
            temporary.chmod(file_mode(folder=True))
            with contextlib.suppress(OSError):  # another process was faster; its frames are the same
                put_in_place(temporary, folder)
            if not folder.is_dir():
                raise StoreError(f"{folder} cannot be written; set dataset.cache to another folder.")
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    @staticmethod
    def _write(path: Path, image: Image) -> None:
        if not cv2.imwrite(str(path), image, [cv2.IMWRITE_PNG_COMPRESSION, 1]):
            raise StoreError(f"{path} cannot be written; set dataset.cache to a folder with space that can be written.")
