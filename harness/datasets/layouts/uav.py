"""The layout that UAV123, UAV123@10fps and UAV20L share: frames under data_seq, annotations under anno."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from harness.core.errors import DataError
from harness.datasets.layouts.benchmark import BenchmarkDataset, Entry
from harness.datasets.layouts.places import by_key, roots
from harness.datasets.layouts.ranges import Range
from harness.datasets.layouts.reading import child, descend, key_of, read_attributes, read_facts

ATTRIBUTES = ("SV", "ARC", "LR", "FM", "FOC", "POC", "OV", "BC", "IV", "VC", "CM", "SOB")
"""Attributes in the order of the flags in anno/*/att/NAME.txt."""


@dataclass
class UavDataset(BenchmarkDataset):
    """Sequences that are ranges of a folder's frames: ``data_seq/<frames_folder>/truck4`` holds truck4_1 and truck4_2."""

    home: ClassVar[str] = "https://cemse.kaust.edu.sa/ivul/uav123"
    shape: ClassVar[str]
    prefixes: ClassVar[tuple[str, ...]] = ("uav_",)
    facts_package: ClassVar[str]
    frames_folder: ClassVar[str]
    """The folder under ``data_seq``."""
    truth_folder: ClassVar[str]
    """The folder under ``anno``."""

    def __post_init__(self) -> None:
        self.facts = read_facts(self.facts_package)
        super().__post_init__()

    def official(self) -> list[str]:
        return [row["name"] for row in self.facts]

    def find(self) -> list[Entry]:
        for place in roots(self.folder):
            truth = descend(place, "anno", self.truth_folder)
            if truth is not None and truth.is_dir():
                return self._entries(place, truth)
        return self._flat() if self.truth_only else []

    def _entries(self, place: Path, truth: Path) -> list[Entry]:
        frames = descend(place, "data_seq", self.frames_folder)
        files, folders = by_key(truth, files=".txt"), {} if frames is None else by_key(frames)
        flags = child(truth, "att")
        attributes = by_key(flags, files=".txt") if flags is not None and flags.is_dir() else {}
        ends: dict[str, int] = {}
        for row in self.facts:
            ends[row["folder"]] = max(int(row["end"]), ends.get(row["folder"], 0))
        found = []
        for row in self.facts:
            annotation = files.get(key_of(row["name"]))
            images = folders.get(key_of(row["folder"]))
            if annotation is None or (images is None and not self.truth_only):
                continue
            listed = attributes.get(key_of(row["name"]))
            words = tuple(row.get("attributes", "").split()) if listed is None else read_attributes(listed, ATTRIBUTES)
            frames_of = Range(int(row["start"]), int(row["end"]), ends[row["folder"]])
            found.append(Entry(row["name"], annotation, images, frames_of, attributes=words))
        self._check_pairs(files, folders, found)
        return found

    def _check_pairs(self, files: dict[str, Path], folders: dict[str, Path], found: list[Entry]) -> None:
        """Notes annotations whose frames are missing, unless only annotations are needed."""
        known = {key_of(row["name"]): row for row in self.facts}
        taken = {key_of(entry.name) for entry in found}
        lost = [path.stem for key, path in files.items() if key in known and key not in taken]
        if lost:
            self._notes.append(f"{self.folder} has annotations but no frames of {', '.join(sorted(lost)[:5])}.")
        strange = [path.name for key, path in files.items() if key not in known]
        if strange:
            self._notes.append(f"{self.title} does not know {', '.join(sorted(strange)[:5])}; they are left out.")
        if files and not found and not lost:
            raise DataError(f"{self.folder}: no annotation is of a sequence of {self.title}; {self.missing()}.")

    def _flat(self) -> list[Entry]:
        """Returns annotations without images, a file per sequence."""
        for place in roots(self.folder):
            files = by_key(place, files=".txt")
            found = [
                Entry(row["name"], files[key_of(row["name"])], None, Range(int(row["start"]), int(row["end"]), int(row["end"])),
                      attributes=tuple(row.get("attributes", "").split()))
                for row in self.facts
                if key_of(row["name"]) in files
            ]  # fmt: skip
            if found:
                return found
        return []
