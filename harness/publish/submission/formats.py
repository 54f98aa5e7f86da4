"""Reads result folders of this and other tools into tracks.

Three layouts are known:

- the toolkit's: a folder per sequence with ``NAME_001.txt`` (a box file per repetition) and ``NAME_time.txt`` (seconds,
  a column per repetition); a job of this harness keeps it under ``tracks/``;
- flat, as PyTracking and its descendants write it: ``NAME.txt`` and ``NAME_time.txt`` side by side (PySOT writes no times, the
  GOT-10k toolkit's other experiments put them into ``times/``);
- OTB's: ``NAME.json`` (Python toolkit) or ``NAME_TRACKER.mat`` (MATLAB toolkit).

Numbers may be separated by commas, tabs or spaces.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from harness.core.errors import DataError
from harness.core.interfaces import Track
from harness.core.results import read_numbers
from harness.publish.submission.otb_files import is_otb_json, read_otb

SIDE_FILES = ("_time", "_all_boxes", "_all_scores", "_object_presence_scores")
"""Endings of the other files than box files in flat result folders."""
DEEPEST = 4
"""Levels below a folder that are searched for results, to name them in a message."""
LAYOUTS = (
    "either a folder per sequence with NAME_001.txt and NAME_time.txt (GOT-10k toolkit), or NAME.txt and NAME_time.txt "
    "side by side (PyTracking), or NAME.json or NAME_TRACKER.mat (OTB's toolkits)"
)


@dataclass(frozen=True)
class ResultFiles:
    """The files of one sequence: box files by repetition, and the times if there are any."""

    boxes: tuple[Path, ...]
    times: Path | None


@dataclass(frozen=True)
class ResultFolder:
    """A tracker's result files by sequence, in the order of names; ``name`` is for messages."""

    path: Path
    name: str
    layout: Literal["toolkit", "flat", "otb"]
    sequences: dict[str, ResultFiles]

    def tracks(self, names: Iterable[str] | None = None) -> list[Track]:
        """The tracks of ``names`` (all if None), one per repetition. Raises DataError with file and line."""
        chosen = self.sequences if names is None else names
        if self.layout == "otb":
            return [read_otb(name, self.sequences[name].boxes[0]) for name in chosen]
        return [track for name in chosen for track in read_tracks(name, self.sequences[name])]


def holds_results(path: Path) -> bool:
    """Whether ``path`` is a folder of result files in one of the layouts."""
    root = path / "tracks" if (path / "tracks").is_dir() else path
    return path.is_dir() and bool(_toolkit(root) or _flat(root) or _otb(root))


def find_results(path: Path) -> ResultFolder:
    """Recognises the layout of ``path``. Raises DataError if there are no result files."""
    if not path.exists():
        raise DataError(f"{path} does not exist; give a folder of result files.")
    if not path.is_dir():
        raise DataError(f"{path} is a file; give the folder that holds the result files: {LAYOUTS}.")
    root = path / "tracks" if (path / "tracks").is_dir() else path
    name = path.resolve().name
    nested = _toolkit(root)
    if nested:
        return ResultFolder(root, name, "toolkit", nested)
    flat = _flat(root)
    if flat:
        return ResultFolder(root, name, "flat", flat)
    otb = _otb(root)
    if otb:
        return ResultFolder(root, name, "otb", otb)
    inner = _below(path, DEEPEST)
    hint = f"; these folders in it do: {', '.join(inner[:5])}{', ...' if len(inner) > 5 else ''}" if inner else ""
    raise DataError(f"{path} holds no result files{hint}. Accepted: {LAYOUTS}.")


def _below(root: Path, levels: int) -> list[str]:
    """Returns the nearest result folders below ``root``, relative to it; PyTracking uses tracker/parameter/dataset."""
    level = [root]
    for _ in range(levels):
        level = sorted(item for folder in level for item in folder.iterdir() if item.is_dir() and not item.is_symlink())
        found = [item.relative_to(root).as_posix() for item in level if holds_results(item)]
        if found:
            return found
    return []


def _toolkit(root: Path) -> dict[str, ResultFiles]:
    found = {}
    for folder in sorted(item for item in root.iterdir() if item.is_dir()):
        pattern = re.compile(re.escape(folder.name) + r"_\d{3}\.txt")
        boxes = tuple(sorted(item for item in folder.iterdir() if pattern.fullmatch(item.name)))
        times = folder / f"{folder.name}_time.txt"
        if boxes:
            found[folder.name] = ResultFiles(boxes, times if times.is_file() else None)
    return found


def _flat(root: Path) -> dict[str, ResultFiles]:
    found = {}
    for path in sorted(root.glob("*.txt")):
        if path.stem.endswith(SIDE_FILES) or not path.is_file() or path.stem == "list":
            continue
        places = (path.with_name(f"{path.stem}_time.txt"), root / "times" / f"{path.stem}_time.txt")
        times = next((place for place in places if place.is_file()), None)
        found[path.stem] = ResultFiles((path,), times)
    return found


def _otb(root: Path) -> dict[str, ResultFiles]:
    """OTB's files by sequence; ``NAME_TRACKER.mat`` has the tracker's name after the last underscore."""
    found = {path.stem: ResultFiles((path,), None) for path in sorted(root.glob("*.json")) if is_otb_json(path)}
    if found:
        return found
    paths = sorted(root.glob("*.mat"))
    ends = {path.stem.rpartition("_")[2] for path in paths}
    named = (len(ends) == 1 and len(paths) > 1) or all("_" in path.stem for path in paths)
    return {(path.stem.rpartition("_")[0] if named else path.stem): ResultFiles((path,), None) for path in paths}


def read_tracks(name: str, files: ResultFiles) -> list[Track]:
    """Reads one sequence's tracks, one per repetition; seconds are NaN if there are none. Raises DataError."""
    times = None if files.times is None else read_numbers(files.times)
    tracks = []
    for index, path in enumerate(files.boxes):
        boxes = read_numbers(path)
        if not boxes.size or boxes.shape[1] != 4:
            columns = boxes.shape[1] if boxes.size else 0
            raise DataError(f"{path} has {columns} numbers a line; a box is four: x,y,w,h.")
        seconds = np.full(len(boxes), np.nan)
        if times is not None and times.size and index < times.shape[1]:
            if len(times) != len(boxes):
                raise DataError(f"{files.times} has {len(times)} lines, {path.name} has {len(boxes)}; they must be equal.")
            seconds = times[:, index]
        repetition = int(path.stem[-3:]) if len(files.boxes) > 1 else 1
        tracks.append(Track(name, boxes, seconds, repetition=repetition))
    return tracks
