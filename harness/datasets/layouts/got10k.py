"""Reads the GOT-10k folder layout and names every fault.

A data set's folder holds ``list.txt`` (a sequence name a line) and a folder per sequence with zero-padded images
``00000001.jpg`` ..., ``groundtruth.txt`` (a line ``x,y,w,h`` per frame; in a test split only for the first frame),
``absence.label``, ``cover.label``, ``cut_by_image.label`` (an integer per frame) and ``meta_info.ini`` (lines
``key: value``; ``resolution: (width, height)``). Labels and ``meta_info.ini`` are optional.
"""

from __future__ import annotations

import fnmatch
import hashlib
import itertools
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from harness.core.errors import DataError
from harness.core.files import at_home, read_regular
from harness.core.interfaces import Boxes, Dataset, Recognised, Sequence
from harness.core.protocols import protocol_names
from harness.core.results import read_numbers
from harness.datasets.layouts.copies import copies_of, sequence_digest
from harness.datasets.layouts.sizes import image_size, odd_sizes

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
LABELS = ("absence", "cover", "cut_by_image")
TRUTH_FILE = "groundtruth.txt"
META_FILE = "meta_info.ini"
LIST_FILE = "list.txt"
LONGEST_NAME = 255
"""The most bytes in a folder's name that file systems accept."""
ANNOTATIONS = (TRUTH_FILE, META_FILE, *(f"{label}.label" for label in LABELS))

TruthKind = Literal["every", "any"]
"""The accepted lines of truth: one per frame, or also only that of the first frame."""

# ------------------------------------------------------------------------------------- one sequence


def read_sequence(folder: Path, *, truth: TruthKind = "every", images: bool = True) -> Sequence:
    """Reads one sequence's folder; images are listed, not decoded.

    ``truth`` defines how many lines ``groundtruth.txt`` must have. ``images=False`` accepts a folder without images
    (``frames`` is then empty). ``visible`` comes from ``cover.label`` (cover > 0) and from the truth, where a line of four
    NaN means that the target is absent (its box is then zeros); ``size`` from ``meta_info.ini`` or,
    without it, from the first image's header. Raises DataError with the file and what is wrong.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} does not exist; the list names a sequence whose folder is missing.")
    frames = list_frames(folder)
    if images and not frames:
        raise DataError(f"{folder} holds no images; expected 00000001.jpg, 00000002.jpg and so on.")
    boxes = read_truth(folder, len(frames) if frames else None, truth)
    count = len(frames) or len(boxes)
    complete = len(boxes) == count and (truth == "every" or count > 1)
    labels = read_labels(folder, count)
    meta = read_meta(folder)
    size = resolution(folder, meta) or (image_size(frames[0]) if frames else None)
    absent: npt.NDArray[np.bool_] = np.asarray(np.isnan(boxes).any(axis=1))  # as in UAV123; GOT-10k marks absence in its labels
    boxes[absent] = 0.0
    visible = labels["cover"] > 0 if "cover" in labels else None
    if absent.any():
        visible = ~absent if visible is None else visible & ~absent
    return Sequence(
        name=folder.name,
        frames=frames,
        init_box=boxes[0],
        size=size,
        truth=boxes if complete else None,
        visible=visible if complete else None,
        meta=meta,
    )


def list_frames(folder: Path) -> tuple[Path, ...]:
    """The images of ``folder`` in order of their numbers. Raises DataError for a gap or names that do not belong."""
    try:
        names = [entry.name for entry in os.scandir(folder) if Path(entry.name).suffix.lower() in IMAGE_SUFFIXES]
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}).") from error
    numbered: dict[int, str] = {}
    for name in names:
        stem = os.path.splitext(name)[0]
        if not (stem.isascii() and stem.isdigit()):
            raise DataError(f"{folder / name} is not a frame's name; frames are zero-padded numbers (00000001.jpg).")
        if int(stem) in numbered:
            raise DataError(f"{folder} holds frame {int(stem)} twice: {numbered[int(stem)]} and {name}; remove one.")
        numbered[int(stem)] = name
    _check_gaps(folder, numbered)
    return tuple(folder / numbered[number] for number in sorted(numbered))


def _check_gaps(folder: Path, numbered: Mapping[int, str]) -> None:
    """Checks that numbers start at 1 (or 0) and have no gap."""
    if not numbered:
        return
    first = 0 if 0 in numbered else 1
    count = max(numbered) + 1 - first - len(numbered)
    if count:
        missing = itertools.islice((number for number in itertools.count(first) if number not in numbered), min(count, 3))
        example = numbered[max(numbered)]
        stem, suffix = os.path.splitext(example)
        names = ", ".join(f"{number:0{len(stem)}d}{suffix}" for number in missing)
        more = f" and {count - 3} more" if count > 3 else ""
        raise DataError(f"{folder} lacks {names}{more}; restore the missing frames from the data set.")


def read_truth(folder: Path, frames: int | None, kind: TruthKind) -> Boxes:
    """``groundtruth.txt`` as ``[T, 4]``; ``frames`` is the number of images, None if there are none."""
    path = folder / TRUTH_FILE
    if not path.is_file():
        raise DataError(f"{path} is missing; every sequence needs at least the first frame's box.")
    boxes = read_numbers(path)
    if not boxes.size or boxes.shape[1] != 4:
        columns = boxes.shape[1] if boxes.size else 0
        raise DataError(f"{path} has {columns} numbers a line; a box is four: x,y,w,h.")
    if frames is not None and len(boxes) != frames and not (kind != "every" and len(boxes) == 1):
        how = "shorter" if len(boxes) < frames else "longer"
        hint = " (a first box alone is read with split test)" if len(boxes) == 1 else ""
        raise DataError(
            f"{path} is {how} than the sequence: {len(boxes)} lines for {frames} frames{hint}; restore both from the "
            "data set."
        )
    if not np.isfinite(boxes[0]).all() or (boxes[0, 2:] <= 0).any():
        raise DataError(
            f"{path}, line 1: the first box must be finite, with positive width and height; correct it, or leave the sequence "
            "out by dataset.exclude."
        )
    known = np.isfinite(boxes)
    bad = np.flatnonzero(known.any(axis=1) & ~known.all(axis=1) | np.isinf(boxes).any(axis=1))
    if len(bad):
        raise DataError(
            f"{path}, line {bad[0] + 1}: the box is neither four finite numbers nor four NaN (an absent target); correct it, or "
            "leave the sequence out by dataset.exclude."
        )
    return boxes


def without_area(boxes: Boxes) -> npt.NDArray[np.int64]:
    """The 0-based frames whose truth has no area (0,0,0,0 or -1,-1,-1,-1: some data sets mean an absent target)."""
    return np.flatnonzero(np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] <= 0).any(axis=1))


def read_labels(folder: Path, frames: int) -> dict[str, npt.NDArray[np.float64]]:
    """The labels that are there, by name, ``[T]`` each. Raises DataError for a wrong length."""
    labels = {}
    for name in LABELS:
        path = folder / f"{name}.label"
        if not path.is_file():
            continue
        values = read_numbers(path)
        if len(values) != frames or (values.size and values.shape[1] != 1):
            raise DataError(f"{path} has {len(values)} lines for {frames} frames; a label is one number a frame.")
        labels[name] = values.reshape(-1)
    return labels


def read_meta(folder: Path) -> dict[str, str]:
    """``meta_info.ini`` as keys and values; empty if it is absent."""
    path = folder / META_FILE
    if not path.is_file():
        return {}
    try:
        text = read_regular(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text (byte {error.start}); restore it from the data set.") from error
    pairs = (line.split(": ", 1) for line in text.splitlines() if ": " in line)
    return {key.strip(): value.strip() for key, value in pairs}


def resolution(folder: Path, meta: Mapping[str, str]) -> tuple[int, int] | None:
    """Returns (width, height) from ``resolution: (1920, 1080)``; None if the key is absent."""
    text = meta.get("resolution")
    if text is None:
        return None
    match = re.fullmatch(r"\(\s*(\d{1,9})\s*,\s*(\d{1,9})\s*\)", text)
    if match is None or not int(match[1]) or not int(match[2]):
        raise DataError(f"{folder / META_FILE}: resolution is {text[:60]!r}; expected (width, height) in pixels.")
    return int(match[1]), int(match[2])


def frame_count(sequence: Sequence) -> int:
    """Returns the number of frames of a sequence, also if it has a truth but no images."""
    return len(sequence.frames) or (0 if sequence.truth is None else len(sequence.truth))


# -------------------------------------------------------------------------------------- data sets


def read_names(path: Path) -> list[str]:
    """The sequence names of a ``list.txt``. Raises DataError for names that are listed twice or cannot be a folder's name."""
    try:
        names = [line.strip() for line in read_regular(path).decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text (byte {error.start}); it is a list of sequence names, a name a line.") from error
    for number, name in enumerate(names, 1):
        if name in (".", "..") or any(sign in name for sign in "/\\\0") or len(name.encode()) > LONGEST_NAME:
            raise DataError(f"{path}, line {number}: {name[:40]!r} is not a folder's name.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path} names {twice} twice; each sequence is listed once.")
    if not names:
        raise DataError(f"{path} is empty; it names a sequence a line.")
    return names


def names_of(folder: Path) -> list[str]:
    """The sequences of a folder: in the order of ``list.txt``; without one, the folders with a truth, sorted. Raises DataError."""
    path = folder / LIST_FILE
    if path.is_file():
        return read_names(path)
    return sorted(entry.parent.name for entry in folder.glob(f"*/{TRUTH_FILE}"))


def select_names(
    names: list[str], wanted: list[str] | None, limit: int | None, where: Path, exclude: list[str] | None = None
) -> list[str]:
    """``names`` that match any of ``wanted`` and none of ``exclude`` (names or globs), the first ``limit`` of them."""
    chosen = names
    for key, patterns in (("sequences", wanted), ("exclude", exclude)):
        for pattern in patterns or []:
            if not fnmatch.filter(names, pattern) and pattern not in names:
                raise DataError(
                    f"dataset.{key}: {pattern!r} matches none of the {len(names)} sequences of {where} "
                    f"({', '.join(names[:3])}, ...); give names or patterns such as '*_00001?'."
                )
    if wanted is not None:
        chosen = [name for name in names if matches(name, wanted)]
    chosen = [name for name in chosen if not matches(name, exclude or [])]
    if limit is not None and limit < 1:
        raise DataError(f"dataset.limit is {limit}; it is a number of sequences from 1, or null for all.")
    if not chosen:
        how = "dataset.exclude leaves no sequence" if exclude else "dataset.sequences is empty"
        raise DataError(f"{how}; give names or patterns, or null for all.")
    return chosen[:limit]


def matches(name: str, patterns: list[str]) -> bool:
    """Whether ``name`` is one of ``patterns`` or matches one as a glob."""
    return any(name == item or fnmatch.fnmatchcase(name, item) for item in patterns)


@dataclass
class FolderDataset(Dataset):
    """Sequences in the GOT-10k layout under ``root/split``.

    ``root`` is a folder, absolute or relative to the current one; ``split`` its subfolder, empty if ``root`` itself
    holds ``list.txt`` (or the sequences). ``sequences`` keeps only those names or globs, ``exclude`` drops some,
    ``limit`` is the largest number kept. ``cache`` is the folder for derived files. The constructor checks that the
    folder exists and the filter matches; everything else is read once, on first use, completely before the first
    sequence is yielded. A split named ``test`` may have only first boxes; ``has_truth`` is then False.
    """

    root: str = ""
    split: str = ""
    sequences: list[str] | None = None
    exclude: list[str] | None = None
    limit: int | None = None
    protocol: str | list[str] | None = None
    has_layout: ClassVar[bool] = True
    cache: str = "outputs/cache"
    name: str = "folder"
    has_truth: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        self.protocol_choice = protocol_names(self.protocol, self.protocols)
        self._loaded: list[Sequence] | None = None
        self.names = self._select_names()
        self.has_truth = self._peek_truth()

    # what subclasses change ---------------------------------------------------------------------

    def missing(self) -> str:
        """Returns what to do if the data set is missing, as the end of the message."""
        return "set dataset.root to a folder in the GOT-10k layout (list.txt and a folder per sequence)"

    def truth_kind(self) -> TruthKind:
        """How many lines of truth a sequence must have."""
        return "any" if self.split == "test" else "every"

    def read(self, name: str) -> Sequence:
        """One sequence. Raises DataError."""
        return read_sequence(self.folder / name, truth=self.truth_kind())

    # ---------------------------------------------------------------------------------------------

    def chosen_protocols(self) -> tuple[str, ...]:
        return self.protocol_choice

    @classmethod
    def recognise(cls, root: Path) -> Recognised:
        """Counts sequences with labels or ``meta_info.ini``, or with frames beside their ``groundtruth.txt``."""
        best = Recognised(0)
        for place in [root, *sorted(path.parent for path in root.glob(f"*/{LIST_FILE}"))]:
            folders = [path.parent for path in place.glob(f"*/{TRUTH_FILE}")]
            rank = sum(cls.fits(folder) for folder in folders)
            best = max(best, Recognised(rank, "" if place == root else place.name), key=lambda item: item.rank)
        return best

    @classmethod
    def fits(cls, folder: Path) -> bool:
        """Whether a sequence's folder is in this layout."""
        if (folder / META_FILE).is_file() or any((folder / f"{label}.label").is_file() for label in LABELS):
            return True
        try:
            return bool(list_frames(folder)) and read_numbers(folder / TRUTH_FILE).shape[1:] == (4,)
        except DataError:
            return False

    @property
    def folder(self) -> Path:
        """The folder that holds the sequences."""
        return at_home(self.root) / self.split

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Sequence]:
        return iter(self.load())

    def load(self) -> list[Sequence]:
        """All sequences, read once. Raises DataError at the first fault."""
        if self._loaded is None:
            loaded = [self.read(name) for name in self.names]
            without = [sequence.name for sequence in loaded if sequence.truth is None]
            if without and len(without) < len(loaded):
                raise DataError(
                    f"{self.folder / without[0] / TRUTH_FILE} has the first box alone, while other sequences of the "
                    "split have every frame's; complete it or leave it out by dataset.sequences."
                )
            self.has_truth = not without
            self._loaded = loaded
        return self._loaded

    def whole(self) -> FolderDataset:
        filtered = self.sequences is not None or self.exclude is not None or self.limit is not None
        return replace(self, sequences=None, exclude=None, limit=None) if filtered else self

    def notes(self) -> list[str]:
        return odd_sizes(self.load())

    def used_names(self) -> list[str]:
        return list(self.names)

    def shared_with(self, other: Dataset) -> dict[str, str]:
        """Compares by place and name, or by the images under any name; reads images only if their sizes are equal."""
        if not isinstance(other, FolderDataset):
            return super().shared_with(other)
        same_place = self.folder.resolve() == other.folder.resolve()
        found = super().shared_with(other) if same_place else {}
        return copies_of(self, other, found)

    def digest(self) -> str:
        """SHA-256 over each sequence's name, frame names and sizes in bytes, annotations, labels and meta."""
        total = hashlib.sha256()
        for sequence in self.load():
            total.update(sequence_digest(self.folder / sequence.name, sequence, ANNOTATIONS).encode())
        return total.hexdigest()

    def _select_names(self) -> list[str]:
        if not self.root:
            raise DataError(f"dataset.root is not set; {self.missing()}.")
        if not self.folder.is_dir():
            raise DataError(f"{self.folder} does not exist; {self.missing()}.")
        return select_names(self.all_names(), self.sequences, self.limit, self.folder, self.exclude)

    def all_names(self) -> list[str]:
        """Names in the order of ``list.txt``; without one, folders with a truth, sorted."""
        names = names_of(self.folder)
        if not names:
            splits = sorted(entry.parent.name for entry in self.folder.glob(f"*/{LIST_FILE}"))
            hint = f"; it has the splits {', '.join(splits)}: set dataset.split" if splits and not self.split else ""
            raise DataError(f"{self.folder} holds neither {LIST_FILE} nor sequences{hint or '; ' + self.missing()}.")
        return names

    def _peek_truth(self) -> bool:
        """Whether there is a truth, judged by the first sequence."""
        if self.truth_kind() == "every":
            return True
        path = self.folder / self.names[0] / TRUTH_FILE
        return path.is_file() and len(read_numbers(path)) > 1
