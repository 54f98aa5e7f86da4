"""dataset=vot: a VOT challenge's sequences, in the layout of vot-toolkit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np

from harness.core.errors import DataError
from harness.core.files import write_bytes
from harness.core.interfaces import Boxes, Track
from harness.datasets.layouts.benchmark import BenchmarkDataset, Entry
from harness.datasets.layouts.places import frame_folder, roots
from harness.datasets.layouts.ranges import Fit, in_order
from harness.datasets.layouts.reading import checked_boxes, child, read_lines
from harness.datasets.layouts.zips import zip_of
from harness.datasets.vot.regions import box_of

LIST = "list.txt"


@dataclass
class Vot(BenchmarkDataset):
    """A challenge's folder under ``dataset.root``: ``list.txt`` and a folder per sequence with ``groundtruth.txt``.

    Polygons and masks become the boxes that bound them. The images are those that the file ``sequence`` names, else ``color/``.
    """

    name: str = "vot"

    title: ClassVar[str] = "VOT"
    home: ClassVar[str] = "https://www.votchallenge.net (python -m vot initialize downloads it)"
    shape: ClassVar[str] = "list.txt and a folder per sequence with color/00000001.jpg ... and groundtruth.txt"
    first_pixel: ClassVar[int] = 0
    rule: ClassVar[str] = "exclude"

    def find(self) -> list[Entry]:
        for place in [*roots(self.folder), *roots(self.folder / "sequences")]:
            path = child(place, LIST)
            if path is None:
                continue
            found = []
            for line in read_lines(path):
                name = line.text
                if name in (".", "..") or "/" in name or "\\" in name:
                    raise DataError(f"{path}, line {line.number}: {name!r} is not a folder's name.")
                folder = child(place, name)
                annotation = None if folder is None else truth_file(folder)
                if folder is None or annotation is None:
                    raise DataError(f"{path}, line {line.number}: {place / name} with a groundtruth.txt does not exist; restore it.")
                found.append(Entry(name, annotation, images_of(folder)))
            return found
        return []

    def toolkit_root(self) -> Path:
        return next(iter(self.entries.values())).annotation.parent.parent

    def read_annotation(self, entry: Entry) -> Boxes:
        lines = read_lines(entry.annotation)
        if not lines:
            raise DataError(f"{entry.annotation} is empty; restore it from the data set.")
        rows = [box_of(entry.annotation, line) for line in lines]
        return checked_boxes(entry.annotation, np.array(rows, float), tuple(line.number for line in lines))

    def fit(self, entry: Entry, lines: int, images: dict[int, Path]) -> Fit:
        """Allows a truth that ends before the frames: the toolkit treats the rest as unknown, so they are left out."""
        if images and lines < len(images):
            note = f"{entry.name}: its truth ends {len(images) - lines} frames before its images; those are left out."
            return Fit(in_order(images)[:lines], 0, lines, note)
        return super().fit(entry, lines, images)

    def pack(self, tracks: Iterable[Track], archive: Path) -> list[Path]:
        """Writes a zip of results of experiment ``unsupervised``: unpack it into a workspace's ``results/TRACKER``."""
        texts = {}
        for track in tracks:
            place = f"unsupervised/{track.sequence}/{track.sequence}_{track.repetition:03d}"
            texts[f"{place}.txt"] = trajectory(track)
            if np.isfinite(track.seconds).all():
                texts[f"{place}_time.value"] = "".join(f"{value:.8f}\n" for value in track.seconds.tolist())
        missing = [name for name in self.names if f"unsupervised/{name}/{name}_001.txt" not in texts]
        if missing:
            raise DataError(f"{len(missing)} of {len(self.names)} sequences have no results ({', '.join(missing[:3])}).")
        write_bytes(archive, zip_of(texts))
        return [archive]

    def fits(self, entry: Entry) -> int:
        """Recognises what only VOT has: the file ``sequence``, a folder ``color``, polygons or masks."""
        folder = entry.annotation.parent
        if child(folder, "sequence") is not None or child(folder, "color") is not None:
            return 2
        try:
            lines = read_lines(entry.annotation)
        except DataError:
            return 0  # a file that is not text is reported when it is read
        first = lines[0].text if lines else ""
        return 2 if first and (first[0] in "mM" or first.replace(",", " ").split()[4:]) else 0


def trajectory(track: Track) -> str:
    """Returns a run in the toolkit's form: ``1`` for the given box, then a rectangle per line."""
    lines = ["1", *(",".join(f"{value:.4f}" for value in box) for box in track.boxes[1:].tolist())]
    return "\n".join(lines) + "\n"


def truth_file(folder: Path) -> Path | None:
    """``groundtruth.txt``, or the first target's ``groundtruth_<object>.txt`` of a challenge with several."""
    found = child(folder, "groundtruth.txt")
    if found is not None:
        return found
    several = sorted(folder.glob("groundtruth_*.txt"))
    if len(several) > 1:
        raise DataError(f"{folder} has {len(several)} targets ({several[0].name}, ...); the harness tracks one.")
    return several[0] if several else None


def properties(path: Path) -> dict[str, str]:
    """``key=value`` lines."""
    pairs = (line.text.partition("=") for line in read_lines(path) if not line.text.startswith("#"))
    return {key.strip(): value.strip() for key, _, value in pairs}


def images_of(folder: Path) -> Path | None:
    """Returns the default channel's folder in the file ``sequence``; without it, ``color`` or the folder itself."""
    path = child(folder, "sequence")
    if path is None:
        return frame_folder(folder)
    values = properties(path)
    channel = values.get("channel.default", "color")
    pattern = values.get(f"channels.{channel}")
    if pattern is None:
        return frame_folder(folder)
    inner = PurePosixPath(pattern.replace("\\", "/"))
    if inner.is_absolute() or ".." in inner.parts:
        raise DataError(f"{path}: channels.{channel} is {pattern!r}, which leads outside the sequence's folder; correct it.")
    found = folder / inner.parent if inner.suffix else folder / inner
    return found if found.is_dir() else frame_folder(folder)
