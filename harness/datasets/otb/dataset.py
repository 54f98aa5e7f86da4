"""dataset=otb: OTB-2013, OTB-50 and OTB-100, as published or as annotations alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

from harness.core.errors import ConfigError, DataError
from harness.core.interfaces import Sequence
from harness.datasets.layouts.benchmark import BenchmarkDataset, Entry
from harness.datasets.layouts.places import by_key, frame_folder, roots
from harness.datasets.layouts.ranges import Range
from harness.datasets.layouts.reading import child, key_of, read_facts, read_lines

SPLITS = {"2013": "2013", "50": "50", "100": "100", "2015": "100"}
"""Values of ``dataset.split`` without the prefix ``otb`` or ``tb`` -> the list that is meant."""
TRUTH = "groundtruth_rect"


@dataclass
class Otb(BenchmarkDataset):
    """OTB under ``dataset.root``: the folder of the sequences' folders, or of ``anno/NAME.txt`` files.

    ``split`` is the list: 2013 (51 targets), 50 or 100. ``omit`` leaves out the first five frames of Tiger1, as the benchmark does.
    ``attributes`` chooses those of the toolkit's published scores, or the annotated ones: the toolkit's reader loses
    those of Car4, CarDark and a few others.
    """

    split: str | int = "100"  # type: ignore[assignment]
    omit: bool = True
    attributes: Literal["published", "annotated"] = "published"
    name: str = "otb"

    title: ClassVar[str] = "OTB"
    home: ClassVar[str] = "http://cvlab.hanyang.ac.kr/tracker_benchmark/datasets.html"
    splits: ClassVar[tuple[str, ...]] = ("100",)
    lists: ClassVar[tuple[str, ...]] = ("2013", "50")
    prefixes: ClassVar[tuple[str, ...]] = ("otb_",)
    shape: ClassVar[str] = "a folder per sequence with img/0001.jpg ... and groundtruth_rect.txt, or anno/NAME.txt files alone"

    def __post_init__(self) -> None:
        word = str(self.split).strip().lower()
        for prefix in ("otb", "tb", "-", "_"):
            word = word.removeprefix(prefix)
        if word not in SPLITS:
            raise ConfigError(f"dataset.split is {self.split!r}; accepted: 2013, 50, 100.")
        self.split = SPLITS[word]
        self.facts = [row for row in read_facts(__package__) if self.split in row["lists"].split()]
        super().__post_init__()

    def official(self) -> list[str]:
        return [row["name"] for row in self.facts]

    def aliases(self) -> dict[str, str]:
        return {key_of("Human4"): "Human4-2"}

    @classmethod
    def tool_name(cls, name: str, tool: str) -> str:
        """If a folder has several targets, PyTracking writes ``Jogging_1``, the GOT-10k toolkit ``Jogging.1``."""
        if tool == "got10k" and name == "Human4-2":
            return "Human4"
        return name.replace("-", {"pytracking": "_", "got10k": "."}.get(tool, "-"))

    def as_published(self) -> Otb:
        """Published results match the whole annotation, also those of Tiger1, which start at frame 6."""
        return replace(self, omit=False)

    def shortened(self, sequence: Sequence, frames: int) -> Sequence:
        """If as many frames are missing as the benchmark omits, the first result is not the given box."""
        left_out = next((int(row["omit"]) for row in self.facts if row["name"] == sequence.name), 0)
        found = super().shortened(sequence, frames)
        if left_out and sequence.truth is not None and len(sequence.truth) - frames == left_out:
            return replace(found, meta={**found.meta, "first_given": "no"})
        return found

    def list_members(self) -> dict[str, list[str]]:
        rows = read_facts(__package__)
        return {name: [row["name"] for row in rows if name in row["lists"].split()] for name in ("2013", "50", "100")}

    def find(self) -> list[Entry]:
        for place in roots(self.folder):
            folders, files = by_key(place), by_key(place, files=".txt") if self.truth_only else {}
            found = [entry for row in self.facts if (entry := self._entry(folders, files, row)) is not None]
            found = found or _unlisted(folders)
            if found:
                return found
        return []

    def _entry(self, folders: dict[str, Path], files: dict[str, Path], row: dict[str, str]) -> Entry | None:
        """Returns a listed sequence, in its own folder or only as an annotation."""
        frames = Range(int(row["start"]), int(row["end"]), int(row["end"]))
        omit = int(row["omit"]) if self.omit else 0
        column = "published" if self.attributes == "published" else "attributes"
        attributes = tuple(row[column].split())
        shared = row["name"] != row["folder"]
        for key, own in ((key_of(row["name"]), True), (key_of(row["folder"]), not shared)):
            folder = folders.get(key)
            annotation = None if folder is None else truth_file(folder, row["annotation"], own or row["folder"] == "Human4")
            if folder is not None and annotation is not None:
                return Entry(row["name"], annotation, frame_folder(folder), frames, omit, attributes)
        for name in (row["name"], row["folder"]):
            if key_of(name) in files:
                return Entry(row["name"], files[key_of(name)], None, frames, omit, attributes)
        return None


def truth_file(folder: Path, name: str, own: bool) -> Path | None:
    """A target's annotation in ``folder``: the one called ``name``; in a folder of its ``own`` also any that is not empty.

    Raises DataError if several could be meant.
    """
    numbered = child(folder, name)
    if numbered is not None:
        return numbered
    if not own:
        return None
    files = by_key(folder, files=".txt")
    fitting = [path for key, path in files.items() if key.startswith(key_of(TRUTH)) and read_lines(path)]
    if len(fitting) > 1:
        names = ", ".join(path.name for path in fitting)
        raise DataError(f"{folder} holds {names}, and none is called {name}; rename the one that is meant.")
    return fitting[0] if fitting else None


def _unlisted(folders: dict[str, Path]) -> list[Entry]:
    """Returns folders in the same layout that are in no list: a user's own sequences."""
    found = []
    for folder in folders.values():
        annotation = truth_file(folder, f"{TRUTH}.txt", own=True)
        if annotation is not None:
            found.append(Entry(folder.name, annotation, frame_folder(folder)))
    return found
