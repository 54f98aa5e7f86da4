"""dataset=lasot: LaSOT's test, train and extension sets, as published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from harness.datasets.layouts.benchmark import BenchmarkDataset, Entry
from harness.datasets.layouts.places import by_key, frame_folder, roots
from harness.datasets.layouts.reading import child, key_of, read_attributes, read_facts

ATTRIBUTES = ("IV", "POC", "DEF", "MB", "CM", "ROT", "BC", "VC", "SV", "FOC", "FM", "OV", "LR", "ARC")
FLAGS = ("full_occlusion.txt", "out_of_view.txt")
"""Files with one flag per frame, 1 if the target is absent."""


@dataclass
class Lasot(BenchmarkDataset):
    """LaSOT under ``dataset.root``: ``airplane/airplane-1/img`` or ``airplane-1/img``, or annotations alone.

    ``split`` is test (280 sequences), extension (150) or train (1120). Frames that ``full_occlusion.txt`` or ``out_of_view.txt``
    marks have no visible target.
    """

    split: Literal["test", "extension", "train"] = "test"  # type: ignore[assignment]
    name: str = "lasot"

    title: ClassVar[str] = "LaSOT"
    home: ClassVar[str] = "http://vision.cs.stonybrook.edu/~lasot/"
    splits: ClassVar[tuple[str, ...]] = ("test", "extension", "train")
    shape: ClassVar[str] = "a folder per sequence (in a folder per class) with img/00000001.jpg ... and groundtruth.txt"
    rule: ClassVar[str] = "lasot"
    cuts_results: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.facts = [row for row in read_facts(__package__) if row["split"] == self.split]
        super().__post_init__()

    def official(self) -> list[str]:
        return [row["name"] for row in self.facts]

    def find(self) -> list[Entry]:
        for place in roots(self.folder):
            found = self._in(place)
            if found:
                return found
        return []

    def _in(self, place: Path) -> list[Entry]:
        folders = by_key(place)
        files = by_key(place, files=".txt") if self.truth_only else {}
        inside: dict[str, dict[str, Path]] = {}
        found = []
        for row in self.facts:
            name, key = row["name"], key_of(row["name"])
            kind = key_of(name.rpartition("-")[0])
            if kind in folders and kind not in inside:
                inside[kind] = by_key(folders[kind])
            folder = folders.get(key) or inside.get(kind, {}).get(key)
            annotation = None if folder is None else child(folder, "groundtruth.txt")
            attributes = tuple(row["attributes"].split())
            if folder is not None and annotation is not None:
                flags = tuple(path for flag in FLAGS if (path := child(folder, flag)) is not None)
                found.append(
                    Entry(name, annotation, frame_folder(folder), attributes=attributes or _attributes(folder), absent=flags)
                )
            elif key in files:
                flags_folder = child(place, "absent")
                flag = None if flags_folder is None else child(flags_folder, f"{name}.txt")
                found.append(Entry(name, files[key], attributes=attributes, absent=(flag,) if flag is not None else ()))
        return found

    def fits(self, entry: Entry) -> int:
        """A listed name with the flags that only LaSOT has fits best."""
        return 2 if entry.absent else super().fits(entry)


def _attributes(folder: Path) -> tuple[str, ...]:
    path = child(folder, "attributes.txt") or child(folder, "att.txt")
    return () if path is None else read_attributes(path, ATTRIBUTES)
