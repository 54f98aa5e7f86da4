"""dataset=tcolor128: Temple Color 128, as published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from harness.core.errors import DataError
from harness.datasets.layouts.benchmark import BenchmarkDataset, Entry
from harness.datasets.layouts.places import by_key, frame_folder, roots
from harness.datasets.layouts.ranges import Range
from harness.datasets.layouts.reading import child, key_of, read_attributes, read_facts, read_table

ATTRIBUTES = ("IV", "SV", "OCC", "DEF", "MB", "FM", "IPR", "OPR", "OV", "BC", "LR")


@dataclass
class TColor128(BenchmarkDataset):
    """TColor-128 under ``dataset.root``, the folder of the sequences' folders.

    The range of frames is that of a sequence's own ``NAME_frames.txt`` (first and last number), else the shipped one.
    """

    name: str = "tcolor128"

    title: ClassVar[str] = "TColor-128"
    home: ClassVar[str] = "https://www3.cs.stonybrook.edu/~hling/data/TColor-128/TColor-128.html"
    prefixes: ClassVar[tuple[str, ...]] = ("tpl_",)
    shape: ClassVar[str] = "a folder per sequence with img/0001.jpg ..., NAME_gt.txt and NAME_frames.txt"

    def __post_init__(self) -> None:
        self.facts = read_facts(__package__)
        super().__post_init__()

    def official(self) -> list[str]:
        return [row["name"] for row in self.facts]

    def find(self) -> list[Entry]:
        for place in roots(self.folder):
            folders = by_key(place)
            files = by_key(place, files=".txt") if self.truth_only else {}
            found = []
            for row in self.facts:
                key, frames = key_of(row["name"]), Range(int(row["start"]), int(row["end"]), int(row["end"]))
                folder = folders.get(key)
                annotation = None if folder is None else child(folder, f"{row['name']}_gt.txt")
                if folder is not None and annotation is not None:
                    own = child(folder, f"{row['name']}_frames.txt")
                    stated = frames if own is None else stated_range(own)
                    found.append(
                        Entry(row["name"], annotation, frame_folder(folder), stated, attributes=_attributes(folder, row["name"]))
                    )
                elif key in files or key_of(f"{row['name']}_gt") in files:
                    path = files.get(key) or files[key_of(f"{row['name']}_gt")]
                    found.append(Entry(row["name"], path, None, frames))
            if found:
                return found
        return []

    def fits(self, entry: Entry) -> int:
        """A file with another name than NAME_gt.txt fits less well, because OTB has many of the same sequences."""
        return min(super().fits(entry), 2 if entry.annotation.stem.casefold().endswith("_gt") else 1)


def stated_range(path: Path) -> Range:
    """Reads first and last frame from ``NAME_frames.txt``. Raises DataError with the line."""
    values, lines = read_table(path, (1, 2), "the range of frames")
    ends = values.reshape(-1)
    if len(ends) != 2 or (ends != ends.round()).any() or ends[0] < 0 or ends[1] < ends[0]:
        raise DataError(f"{path}, line {lines[0]}: the range of frames is two whole numbers, the first and the last.")
    return Range(int(ends[0]), int(ends[1]), int(ends[1]))


def _attributes(folder: Path, name: str) -> tuple[str, ...]:
    path = child(folder, f"{name}_att.txt")
    return () if path is None else read_attributes(path, ATTRIBUTES)
