"""dataset=dtb70: DTB70, as published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.datasets.layouts.benchmark import BenchmarkDataset, Entry
from harness.datasets.layouts.places import by_key, frame_folder, roots
from harness.datasets.layouts.ranges import Range
from harness.datasets.layouts.reading import child, key_of, read_facts


@dataclass
class Dtb70(BenchmarkDataset):
    """DTB70 under ``dataset.root``, the folder of the sequences' folders."""

    name: str = "dtb70"

    title: ClassVar[str] = "DTB70"
    home: ClassVar[str] = "https://github.com/flyers/drone-tracking"
    shape: ClassVar[str] = "a folder per sequence with img/00001.jpg ... and groundtruth_rect.txt"

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
                key, frames = key_of(row["name"]), Range(1, int(row["frames"]), int(row["frames"]))
                folder = folders.get(key)
                annotation = None if folder is None else child(folder, "groundtruth_rect.txt")
                if folder is not None and annotation is not None:
                    found.append(Entry(row["name"], annotation, frame_folder(folder), frames))
                elif key in files:
                    found.append(Entry(row["name"], files[key], None, frames))
            if found:
                return found
        return []
