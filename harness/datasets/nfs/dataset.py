"""dataset=nfs: NfS (Need for Speed) at 30 or 240 frames a second, as published or in PyTracking's layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from harness.core.errors import ConfigError, DataError
from harness.core.interfaces import Boxes
from harness.datasets.layouts.benchmark import BenchmarkDataset, Entry
from harness.datasets.layouts.places import by_key, holds_images, roots
from harness.datasets.layouts.ranges import Fit, Range, fit_all, in_order
from harness.datasets.layouts.reading import (
    Line,
    checked_boxes,
    child,
    descend,
    key_of,
    numbered_images,
    numbers_of,
    read_boxes,
    read_facts,
    read_lines,
)

STEP = 8
"""The number of frames at 240 frames per second for one at 30."""


@dataclass
class Nfs(BenchmarkDataset):
    """NfS under ``dataset.root``: ``NAME/30/NAME/00001.jpg`` and ``NAME/30/NAME.txt``, or ``sequences`` and ``anno``.

    ``split`` is 30 or 240. The published annotations hold left, top, right and bottom for 240 frames a second; at 30 every eighth
    line is taken. The release's lengths differ by one here and there: the shorter end is taken, with a note.
    """

    split: str | int = "30"  # type: ignore[assignment]
    name: str = "nfs"

    title: ClassVar[str] = "NfS"
    home: ClassVar[str] = "http://ci2cv.net/nfs/index.html"
    splits: ClassVar[tuple[str, ...]] = ("30", "240")
    shape: ClassVar[str] = "NAME/30/NAME/00001.jpg ... and NAME/30/NAME.txt (likewise 240), or sequences/NAME and anno/nfs_NAME.txt"
    first_pixel: ClassVar[int] = 0
    prefixes: ClassVar[tuple[str, ...]] = ("nfs_",)

    def __post_init__(self) -> None:
        self.split = str(self.split)
        if self.split not in ("30", "240"):
            raise ConfigError(f"dataset.split is {self.split!r}; accepted: 30, 240 (frames a second).")
        self.facts = read_facts(__package__)
        super().__post_init__()

    def official(self) -> list[str]:
        return [row["name"] for row in self.facts]

    def find(self) -> list[Entry]:
        for place in roots(self.folder):
            truth = child(place, "anno")
            files = by_key(truth, files=".txt") if truth is not None else by_key(place, files=".txt") if self.truth_only else {}
            folders = by_key(place)
            found = [entry for row in self.facts if (entry := self._entry(place, folders, files, row)) is not None]
            if found:
                return found
        return []

    def _entry(
        self, place: Path, folders: dict[str, Path], files: dict[str, Path], row: dict[str, str]
    ) -> Entry | None:
        name = row["name"]
        frames = Range(1, int(row["frames"]), int(row["frames"])) if self.split == "30" else None
        folder = folders.get(key_of(name))
        annotation = None if folder is None else descend(folder, str(self.split), f"{name}.txt")
        if folder is not None and annotation is not None:
            images = descend(folder, str(self.split), name)
            return Entry(name, annotation, images if images is not None and holds_images(images) else None, frames)
        found = files.get(key_of(f"nfs_{name}")) or files.get(key_of(name))
        if found is None:
            return None
        images = descend(place, "sequences", name)
        return Entry(name, found, images, frames) if images is not None or self.truth_only else None

    def read_annotation(self, entry: Entry) -> Boxes:
        lines = read_lines(entry.annotation)
        if not lines:
            raise DataError(f"{entry.annotation} is empty; restore it from the data set.")
        if not published(lines[0]):
            boxes = read_boxes(entry.annotation)
        else:
            rows = [corners(entry.annotation, line) for line in lines]
            boxes = checked_boxes(entry.annotation, np.array(rows), tuple(line.number for line in lines))
        return self._thinned(entry, boxes)

    def _thinned(self, entry: Entry, boxes: Boxes) -> Boxes:
        """Returns every eighth box, if there are eight times as many boxes as frames at 30."""
        if self.split != "30":
            return boxes
        frames = len(numbered_images(entry.images)) if entry.images is not None else len(entry.frames or ())
        return boxes[::STEP] if frames and abs(len(boxes) / frames - STEP) < 1 and len(boxes) > frames else boxes

    def fit(self, entry: Entry, lines: int, images: dict[int, Path]) -> Fit:
        """Returns as many frames as boxes.

        One surplus item of either is dropped, because the release's lengths differ so.
        """
        if not images or abs(lines - len(images)) != 1:
            return fit_all(entry.name, entry.annotation, lines, images)
        count = min(lines, len(images))
        note = f"{entry.name}: {lines} boxes for {len(images)} images, so the last of the {'boxes' if lines > count else 'images'} is left out."
        return Fit(in_order(images)[:count], 0, count, note)


def published(line: Line) -> bool:
    """Whether a line has the release's fields (track, left, top, right, bottom, frame, three flags, label)."""
    return len(line.text.split()) >= 9 and '"' in line.text


def corners(path: Path, line: Line) -> list[float]:
    """x, y, width, height of a line with the release's fields. Raises DataError with the line."""
    if not published(line):
        raise DataError(f"{path}, line {line.number}: the release's ten fields are expected, as in line 1; restore the file.")
    numbers = numbers_of(path, Line(line.number, " ".join(line.text.split()[:9])))
    left, top, right, bottom = numbers[1:5]
    return [left, top, right - left, bottom - top]
