"""Shared code of published benchmarks' data sets: makes sequences from entries, with checks, a digest and notes."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from harness.core.errors import DataError
from harness.core.files import at_home
from harness.core.interfaces import Boxes, Checked, Dataset, Recognised, Sequence
from harness.core.protocols import protocol_names
from harness.datasets.layouts.checking import check_images
from harness.datasets.layouts.got10k import select_names
from harness.datasets.layouts.ranges import Fit, Range, fit_all, fit_range, in_order
from harness.datasets.layouts.reading import key_of, numbered_images, read_boxes, read_flags
from harness.datasets.layouts.sizes import image_size, odd_sizes


@dataclass(frozen=True)
class Entry:
    """A sequence in a copy of the benchmark.

    ``images`` is the folder of its frames, None if only annotations are available; ``frames`` the stated range, None
    for all images; ``omit`` the number of frames left out at the start of the range; ``absent`` files of flags, 1 if
    the target is not visible.
    """

    name: str
    annotation: Path
    images: Path | None = None
    frames: Range | None = None
    omit: int = 0
    attributes: tuple[str, ...] = ()
    absent: tuple[Path, ...] = ()


@dataclass
class BenchmarkDataset(Dataset):
    """Sequences of a benchmark under ``root``, read as published.

    ``sequences`` keeps only those names or globs, ``exclude`` drops some, ``limit`` is the largest number kept.
    ``protocol`` names the protocols to score by (default: OPE), ``invalid_truth`` how frames without a valid truth
    count under OPE: ``own``, as the benchmark's code does, or ``exclude``. With ``truth_only`` annotations are enough
    (results are scored, nothing is tracked).
    """

    root: str = ""
    split: str = ""
    sequences: list[str] | None = None
    exclude: list[str] | None = None
    limit: int | None = None
    protocol: str | list[str] | None = None
    invalid_truth: Literal["own", "exclude"] = "own"
    cache: str = "outputs/cache"
    truth_only: bool = False
    name: str = ""
    has_truth: bool = field(default=True, init=False)

    has_layout: ClassVar[bool] = True
    protocols: ClassVar[tuple[str, ...]] = ("ope", "got10k")
    title: ClassVar[str]
    """The benchmark's name in messages."""
    home: ClassVar[str]
    """Where the data set can be downloaded."""
    shape: ClassVar[str]
    """The expected content of root; it is the end of the message about missing files."""
    first_pixel: ClassVar[int] = 1
    """The coordinate of an image's first pixel in the annotations: 1 as in MATLAB."""
    splits: ClassVar[tuple[str, ...]] = ("",)
    """The possible values of ``split``, for recognising a folder; the default first."""
    lists: ClassVar[tuple[str, ...]] = ()
    """Further values of ``split`` that name parts of the same sequences, the largest first."""
    prefixes: ClassVar[tuple[str, ...]] = ()
    """The prefix of sequence names in other tools, such as ``nfs_``."""
    cuts_results: ClassVar[bool] = False
    """Whether the benchmark's own code cuts results that are longer than the annotation."""
    rule: ClassVar[str] = "otb"
    """How a frame without a valid truth counts in the benchmark's own code (``harness.scoring.ope.TRUTH_RULES``)."""

    def __post_init__(self) -> None:
        self.protocol_choice = protocol_names(self.protocol, self.protocols)
        self.truth_rule = self.rule if self.invalid_truth == "own" else "exclude"
        self._loaded: list[Sequence] | None = None
        self._notes: list[str] = []
        self._place()
        self.entries = {entry.name: entry for entry in self.find()}
        if not self.entries:
            raise DataError(f"{self.root} holds no sequence of {self.title}; {self.missing()}.")
        where = Path(self.root)
        self.names = select_names(list(self.entries), self.sequences, self.limit, where, self.exclude)
        self.has_truth = self.expects_truth()

    # defined by products --------------------------------------------------------------------------

    @abstractmethod
    def find(self) -> list[Entry]:
        """Returns the existing sequences, in the benchmark's order."""

    def official(self) -> list[str]:
        """Names of all sequences of the chosen list; empty if no list is known."""
        return []

    def read_annotation(self, entry: Entry) -> Boxes:
        """Boxes ``[T, 4]`` of an entry, as its file has them."""
        return read_boxes(entry.annotation)

    def fit(self, entry: Entry, lines: int, images: dict[int, Path]) -> Fit:
        """Returns which frames and rows belong to the entry. Raises DataError if this is unclear."""
        if not self.has_truth and lines == 1:
            return Fit(in_order(images) if images else (), 0, 1)
        if entry.frames is None:
            return fit_all(entry.name, entry.annotation, lines, images)
        return fit_range(entry.name, entry.annotation, lines, images, entry.frames)

    def expects_truth(self) -> bool:
        """Whether every frame has a truth; if False, first boxes are enough."""
        return True

    # ----------------------------------------------------------------------------------------------

    def missing(self) -> str:
        """Returns the expected layout, and where to download the data set, as the end of a message."""
        return f"{self.title} has {self.shape}; download it from {self.home} (nothing is downloaded here)"

    def _place(self) -> None:
        if not self.root:
            raise DataError(f"dataset.root is not set; {self.missing()}.")
        self.folder = at_home(self.root)
        if not self.folder.is_dir():
            raise DataError(f"{self.folder} does not exist; {self.missing()}.")

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Sequence]:
        return iter(self.load())

    def load(self) -> list[Sequence]:
        """All chosen sequences, read once. Raises DataError at the first fault."""
        if self._loaded is None:
            self._loaded = [self.read(self.entries[name]) for name in self.names]
        return self._loaded

    def whole(self) -> BenchmarkDataset:
        filtered = self.sequences is not None or self.exclude is not None or self.limit is not None
        return replace(self, sequences=None, exclude=None, limit=None) if filtered else self

    def used_names(self) -> list[str]:
        return list(self.names)

    def all_names(self) -> list[str]:
        return list(self.entries)

    def chosen_protocols(self) -> tuple[str, ...]:
        return self.protocol_choice

    def notes(self) -> list[str]:
        """Returns notes on differences between this copy and the published data."""
        self.load()
        absent = [name for name in self.official() if name not in self.entries]
        notes = list(self._notes)
        if absent and self.sequences is None:
            shown = ", ".join(absent[:3]) + (f" and {len(absent) - 3} more" if len(absent) > 3 else "")
            notes.insert(0, f"{self.folder} lacks {len(absent)} of {self.title}'s {len(self.official())} sequences ({shown}).")
        return notes + odd_sizes(self.load())

    def read(self, entry: Entry) -> Sequence:
        """One sequence. Raises DataError."""
        boxes = self.read_annotation(entry)
        images = {} if entry.images is None else numbered_images(entry.images)
        if not images and not self.truth_only:
            where = entry.images or entry.annotation.parent
            raise DataError(f"{where} holds no images of {entry.name}; restore them from the data set.")
        fit = self.fit(entry, len(boxes), images)
        if fit.note:
            self._notes.append(fit.note)
        return self._sequence(entry, fit, boxes[fit.first : fit.stop])

    def _sequence(self, entry: Entry, fit: Fit, boxes: Boxes) -> Sequence:
        """Makes a sequence, with boxes that count from 0, from the parts of an entry."""
        if entry.omit >= len(boxes):
            raise DataError(f"{entry.annotation} has {len(boxes)} lines, of which the benchmark leaves out {entry.omit}.")
        absent = self._absent(entry, boxes)
        boxes, absent, frames = boxes[entry.omit :].copy(), absent[entry.omit :], fit.frames[entry.omit :]
        boxes[:, :2] -= self.first_pixel
        boxes[np.isnan(boxes).any(axis=1)] = 0.0
        complete = self.has_truth
        if (boxes[0, 2:] <= 0).any():
            raise DataError(f"{entry.annotation}: the first box of {entry.name} has no size; leave it out by dataset.exclude.")
        return Sequence(
            name=entry.name,
            frames=frames,
            init_box=boxes[0],
            size=image_size(frames[0]) if frames else None,
            truth=boxes if complete else None,
            visible=~absent if complete else None,
            meta={"first_pixel": str(self.first_pixel)},
            attributes=entry.attributes,
        )

    def _absent(self, entry: Entry, boxes: Boxes) -> npt.NDArray[np.bool_]:
        """Returns True for frames in which the target is not visible: four NaN, no size, or a flag."""
        absent = np.isnan(boxes).any(axis=1)
        absent |= (np.where(np.isnan(boxes), 0.0, boxes)[:, 2:] <= 0).any(axis=1)
        for path in entry.absent:
            absent |= read_flags(path, len(boxes))
        return np.asarray(absent)

    def digest(self) -> str:
        """SHA-256 over each sequence's name, frame names and sizes in bytes, boxes, flags and attributes."""
        total = hashlib.sha256()
        for sequence in self.load():
            total.update(sequence.name.encode() + b"\0")
            for path in sequence.frames:
                total.update(f"{path.name}:{path.stat().st_size}\n".encode())
            truth = sequence.init_box if sequence.truth is None else sequence.truth
            total.update(np.ascontiguousarray(truth).tobytes())
            total.update(b"-" if sequence.visible is None else np.packbits(sequence.visible).tobytes())
            total.update(" ".join(sequence.attributes).encode())
        return total.hexdigest()

    # ----------------------------------------------------------------------- results of other tools

    def resolve(self, name: str) -> str | None:
        """Returns the sequence that other tools' result files call ``name``; None if there is none."""
        keys = {key_of(known): known for known in self.entries} | self.aliases()
        key = key_of(name)
        for start in ("", *map(key_of, self.prefixes)):
            if start and not key.startswith(start):
                continue
            if key.removeprefix(start) in keys:
                return keys[key.removeprefix(start)]
        return None

    def aliases(self) -> dict[str, str]:
        """Other names of sequences, as ``key_of`` writes them."""
        return {}

    @classmethod
    def tool_name(cls, name: str, tool: str) -> str:
        """The name that ``tool`` (pysot, pytracking, otb, got10k) gives to a sequence."""
        return f"{cls.prefixes[0]}{name}" if tool == "pytracking" and cls.prefixes else name

    def as_published(self) -> BenchmarkDataset:
        """Returns the data set with annotation lines as in the benchmark's published results."""
        return self

    def with_all_frames(self, name: str) -> Sequence | None:
        """Returns the sequence without frames that the benchmark omits at its start; None if it omits none."""
        entry = self.entries[name]
        return self.read(replace(entry, omit=0)) if entry.omit else None

    def shortened(self, sequence: Sequence, frames: int) -> Sequence:
        """The sequence's first ``frames`` frames, for results that are shorter."""
        truth, visible = sequence.truth, sequence.visible
        return replace(
            sequence,
            frames=sequence.frames[:frames],
            truth=None if truth is None else truth[:frames],
            visible=None if visible is None else visible[:frames],
        )

    def list_members(self) -> dict[str, list[str]]:
        """The sequences of each of ``lists`` and of the default, by the list's name."""
        return {}

    # ------------------------------------------------------------------------------------- checking

    def check(self, *, decode: bool = True, workers: int = 1, on_sequence: Callable[[str], None] | None = None) -> Checked:
        """Returns all faults of the chosen sequences (with ``decode``, of every image), and notes on unusual things."""
        found = Checked()
        absent = [name for name in self.official() if name not in self.entries]
        if absent:
            found.faults.append(
                f"{self.folder} lacks {len(absent)} of {self.title}'s {len(self.official())} sequences ({', '.join(absent[:5])}"
                f"{', ...' if len(absent) > 5 else ''})."
            )
        with ThreadPoolExecutor(workers) as pool:
            for name in self.names:
                if on_sequence is not None:
                    on_sequence(name)
                self._check_entry(self.entries[name], found, decode, pool)
        found.notes += self._notes
        return found

    def _check_entry(self, entry: Entry, found: Checked, decode: bool, pool: ThreadPoolExecutor) -> None:
        found.sequences += 1
        try:
            sequence = self.read(entry)
        except DataError as error:
            found.faults.append(str(error))
            return
        found.frames += len(sequence.frames)
        outside = sequence.first_box_fault()
        if outside:
            found.faults.append(f"{entry.annotation}: {outside}.")
        found.notes += unusual(sequence, self.first_pixel)
        if decode:
            check_images(sequence.frames, sequence.size, found, pool)

    @classmethod
    def recognise(cls, root: Path) -> Recognised:
        """The sum of ``fits`` over the sequences of the split that fits best."""
        best = Recognised(0)
        for split in cls.splits:
            try:
                dataset = cls(root=str(root), split=split, truth_only=True)
            except DataError:
                continue
            rank = sum(dataset.fits(entry) for entry in dataset.entries.values())
            best = max(best, Recognised(rank, split), key=lambda item: item.rank)
        return best

    def fits(self, entry: Entry) -> int:
        """Returns how well an entry fits: 2 for a listed name with its length, 1 for a shorter annotation, else 0."""
        if entry.frames is None:
            return 1
        try:
            lines = len(self.read_annotation(entry))
        except DataError:
            return 0
        return 2 if lines == len(entry.frames) else int(lines <= entry.frames.last)


def unusual(sequence: Sequence, first_pixel: int) -> list[str]:
    """Notes on the truth of a sequence: frames without a target, boxes that reach outside the image."""
    if sequence.truth is None or sequence.visible is None:
        return []
    notes = []
    hidden = int((~sequence.visible).sum())
    if hidden:
        notes.append(f"{sequence.name}: {hidden} of {len(sequence.truth)} frames have no visible target.")
    corner = sequence.truth[sequence.visible]
    outside = (corner[:, :2] + first_pixel <= 0).any(axis=1)
    if sequence.size is not None:
        outside |= (corner[:, :2] + corner[:, 2:] > np.array(sequence.size) + 1).any(axis=1)
    if outside.any():
        notes.append(f"{sequence.name}: {int(outside.sum())} boxes reach outside the image.")
    return notes
