"""Finds the frames and annotation lines of a sequence, also if a benchmark states a range of frames.

Copies differ: a folder may hold the whole video or only the range, an annotation may have a line for each image or for
each frame of the range, frames may be renumbered from 0 or 1, and a copy may be cut. A copy that fits in exactly one
way is accepted, with a note if it is not as published; everything else is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import DataError
from harness.datasets.layouts.reading import read_lines


@dataclass(frozen=True)
class Range:
    """Frames ``start`` to ``end`` by number, both included, of a folder whose video reaches at least to frame ``last``."""

    start: int
    end: int
    last: int

    def __len__(self) -> int:
        return self.end - self.start + 1


@dataclass(frozen=True)
class Fit:
    """The frames of a sequence, the rows of its annotation that are theirs (a slice's ends), and a note or none."""

    frames: tuple[Path, ...]
    first: int
    stop: int
    note: str = ""


def fit_all(name: str, annotation: Path, lines: int, images: dict[int, Path]) -> Fit:
    """Handles a sequence without a stated range: as many lines as images, or no images available. Raises DataError."""
    if not images:
        return Fit((), 0, lines)
    frames = in_order(images)
    if lines != len(frames):
        raise DataError(
            f"{_place(annotation, lines, len(frames))}: the annotation has {lines} lines for {len(frames)} images in "
            f"{frames[0].parent} ({name}); restore both from the data set, or leave the sequence out by dataset.exclude."
        )
    return Fit(frames, 0, lines)


MOST_FRAMES = 1_000_000
"""A frame number that no sequence reaches.

A larger one is an error, and listing the missing frames would take minutes.
"""


def in_order(images: dict[int, Path]) -> tuple[Path, ...]:
    """All images by number. Raises DataError for a gap."""
    numbers = sorted(images)
    if numbers[-1] - numbers[0] > MOST_FRAMES:
        raise DataError(
            f"{images[numbers[0]].parent} holds frames from {images[numbers[0]].name} to {images[numbers[-1]].name}, more than any "
            "sequence has; remove what is no frame of it."
        )
    missing = [number for number in range(numbers[0], numbers[-1] + 1) if number not in images]
    if missing:
        raise DataError(f"{images[numbers[0]].parent} lacks {listed(missing, images)}; restore them from the data set.")
    if numbers[0] > 1:
        # without a stated range it is unknown whether earlier frames were lost
        raise DataError(
            f"{images[numbers[0]].parent} starts with {images[numbers[0]].name}; frames are numbered from 0 or 1, so restore the "
            "ones before it or renumber them."
        )
    return tuple(images[number] for number in numbers)


def fit_range(name: str, annotation: Path, lines: int, images: dict[int, Path], wanted: Range) -> Fit:
    """A sequence with a stated range. Raises DataError if nothing fits, or more than one reading does."""
    if not images:
        return _without_images(name, annotation, lines, wanted)
    start, shift = _numbered(name, images, wanted)
    first, count, note = 0, len(wanted), ""
    if lines > len(wanted) and lines == len(images):
        first, note = start - min(images), "its annotation has a line for every image, of which the range's are taken"
    elif lines > len(wanted):
        raise DataError(
            f"{_place(annotation, lines, len(wanted))}: the annotation has {lines} lines, {name} has {len(wanted)} frames "
            f"({wanted.start} to {wanted.end}) and its folder {len(images)} images; restore the annotation from the data set."
        )
    elif lines < len(wanted):
        count, note = lines, f"it is cut: {lines} of {len(wanted)} frames"
    frames = _taken(name, annotation, images, start, count, len(wanted))
    if shift and not note:
        note = "its frames are numbered from 0, one less than in the benchmark"
    return Fit(frames, first, first + count, f"{name}: {note}." if note else "")


def _numbered(name: str, images: dict[int, Path], wanted: Range) -> tuple[int, int]:
    """The number of the first frame in the folder's own count, and by how much that differs. Raises DataError if frames from 0 leave open which is the first."""
    if min(images) != 0:
        return wanted.start, 0
    if wanted.last in images:
        raise DataError(
            f"{images[0].parent} holds frames 0 to {max(images)}, the benchmark counts {name} from 1 to {wanted.last}: it cannot be "
            f"told whether {images[0].name} or {images[max(images)].name} is one too many; remove it."
        )
    return wanted.start - 1, 1


def _taken(
    name: str, annotation: Path, images: dict[int, Path], start: int, count: int, official: int
) -> tuple[Path, ...]:
    """Returns ``count`` frames from number ``start`` on, or all if the folder holds exactly that many, renumbered."""
    numbers = range(start, start + count)
    missing = [number for number in numbers if number not in images]
    contiguous = sorted(images) == list(range(min(images), min(images) + len(images)))
    if missing and len(images) == count and contiguous and min(images) in (0, 1):
        return tuple(images[number] for number in sorted(images))
    if missing:
        folder = next(iter(images.values())).parent
        raise DataError(f"{folder} lacks {listed(missing, images)} of {name}; restore them from the data set.")
    if count < official and start + count in images:
        raise DataError(
            f"{_place(annotation, count, official)}: the annotation has {count} lines, {name} has {official} frames, of which "
            f"{images[start + count].name} is there; restore the annotation from the data set."
        )
    return tuple(images[number] for number in numbers)


def _without_images(name: str, annotation: Path, lines: int, wanted: Range) -> Fit:
    """Handles an annotation without images."""
    if lines == len(wanted):
        return Fit((), 0, lines)
    if lines >= wanted.end:
        note = f"{name}: lines {wanted.start} to {wanted.end} of its annotation's {lines} are taken, the benchmark's range."
        return Fit((), wanted.start - 1, wanted.end, note)
    if lines > len(wanted):
        raise DataError(
            f"{_place(annotation, lines, len(wanted))}: the annotation has {lines} lines, {name} has {len(wanted)} frames "
            f"({wanted.start} to {wanted.end}); restore the annotation from the data set."
        )
    return Fit((), 0, lines, f"{name}: it is cut: {lines} of {len(wanted)} frames.")


def _place(annotation: Path, lines: int, frames: int) -> str:
    """Returns file and line where an annotation no longer fits: the first surplus line, or the last line."""
    rows = read_lines(annotation)
    row = frames if lines > frames else lines - 1
    return f"{annotation}, line {rows[row].number}" if 0 <= row < len(rows) else str(annotation)


def listed(numbers: list[int], images: dict[int, Path], most: int = 3) -> str:
    """Names of missing frames as the folder writes them: ``0007.jpg, 0008.jpg and 4 more``."""
    example = next(iter(images.values()))
    width = len(example.stem)
    names = ", ".join(f"{number:0{width}d}{example.suffix}" for number in numbers[:most])
    return names + (f" and {len(numbers) - most} more" if len(numbers) > most else "")
