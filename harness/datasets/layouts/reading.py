"""Reads annotation files and image folders of benchmarks, from different copies of them.

It accepts differences between copies that cannot be misread: line ends, byte order marks, blank lines, commas, tabs or
spaces, upper and lower case of names, .jpg and .png, one to eight digits, frames numbered from 0 or 1. If a guess could
change a number, it raises an error with file and line instead.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from harness.core.errors import DataError
from harness.core.files import read_regular
from harness.core.interfaces import Boxes

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
LARGEST_TEXT = 64 << 20
"""The most bytes of an annotation file; those of benchmarks are far smaller."""
MOST_DIGITS = 8

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?[nN][aA][nN]", re.ASCII)

# -------------------------------------------------------------------------------------------- texts


@dataclass(frozen=True)
class Line:
    """A line that is not blank, with its number from 1."""

    number: int
    text: str


def read_lines(path: Path) -> list[Line]:
    """The lines of a text file that are not blank. Raises DataError for what is not text."""
    data = read_regular(path, LARGEST_TEXT)
    coding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(coding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {line}: this is not text (byte {error.start}); restore the file.") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{path}, line {line}: the text contains a zero byte; restore the file.")
    lines = re.split(r"\r\n|\n|\r", text)
    return [Line(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]


def numbers_of(path: Path, line: Line) -> list[float]:
    """The numbers of a line; commas, semicolons, tabs or spaces between. Raises DataError with the line."""
    text = re.sub(r"\s*[,;]\s*$", "", line.text)
    words = re.split(r"\s*[,;]\s*|\s+", text)
    for word in words:
        if not _NUMBER.fullmatch(word):
            what = "an empty field" if word == "" else repr(word)
            raise DataError(f"{path}, line {line.number}: {what} was found but a number is expected.")
    return [float(word) for word in words]


def read_table(path: Path, columns: Iterable[int], what: str) -> tuple[np.ndarray, tuple[int, ...]]:
    """Reads a file of numbers.

    Args:
        path: The file.
        columns: How many numbers a line may have; all lines must have as many as the first.
        what: What a line is, for errors.

    Returns:
        The numbers ``[lines, columns]``, and the number of each line in the file, from 1.

    Raises:
        DataError: Something is not a number, or a line has another count; with file and line.
    """
    accepted = tuple(columns)
    rows: list[list[float]] = []
    numbers: list[int] = []
    for line in read_lines(path):
        row = numbers_of(path, line)
        if len(row) not in accepted or (rows and len(row) != len(rows[0])):
            wanted = " or ".join(map(str, accepted)) if not rows else str(len(rows[0]))
            raise DataError(f"{path}, line {line.number}: {len(row)} numbers, {what} has {wanted}.")
        rows.append(row)
        numbers.append(line.number)
    if not rows:
        raise DataError(f"{path} is empty; restore it from the data set.")
    return np.array(rows, float), tuple(numbers)


def read_boxes(path: Path) -> Boxes:
    """Boxes ``[T, 4]`` of a file with a line ``x y w h`` a frame; four NaN mark an absent target. Raises DataError."""
    boxes, numbers = read_table(path, (4,), "a box (x, y, width, height)")
    return checked_boxes(path, boxes, numbers)


def checked_boxes(path: Path, boxes: Boxes, numbers: tuple[int, ...]) -> Boxes:
    """``boxes`` if every row is four numbers or four NaN and the first has a size. Raises DataError with the line."""
    absent = np.isnan(boxes)
    mixed = np.flatnonzero(absent.any(axis=1) & ~absent.all(axis=1))
    if len(mixed):
        raise DataError(
            f"{path}, line {numbers[mixed[0]]}: the box is neither four numbers nor four NaN (an absent target); correct it."
        )
    if absent[0].any() or (boxes[0, 2:] <= 0).any():
        raise DataError(
            f"{path}, line {numbers[0]}: the first box must have a positive width and height, as a tracker starts there; "
            "correct it, or leave the sequence out by dataset.exclude."
        )
    return boxes


def read_flags(path: Path, frames: int) -> np.ndarray:
    """Reads zeros and ones, one per frame, on one line or several. Raises DataError."""
    values, lines = [], []
    for line in read_lines(path):
        for value in numbers_of(path, line):
            if value not in (0.0, 1.0):
                raise DataError(f"{path}, line {line.number}: {value:g} is not a flag; flags are 0 or 1.")
            values.append(value)
            lines.append(line.number)
    if len(values) != frames:
        raise DataError(f"{path} has {len(values)} flags for {frames} frames; restore both from the data set.")
    return np.array(values) > 0


def read_attributes(path: Path, known: Iterable[str]) -> tuple[str, ...]:
    """Returns words of ``known`` that a file lists, or marks by as many flags as there are words. Raises DataError."""
    names = tuple(known)
    words = [word for line in read_lines(path) for word in re.split(r"[,;\s]+", line.text) if word]
    if all(word in ("0", "1") for word in words):
        if len(words) != len(names):
            raise DataError(f"{path} has {len(words)} flags, the benchmark has {len(names)} attributes ({', '.join(names)}).")
        return tuple(name for name, word in zip(names, words, strict=True) if word == "1")
    unknown = [word for word in words if word not in names]
    if unknown:
        raise DataError(f"{path}: {unknown[0]!r} is not an attribute of this benchmark; its attributes are {', '.join(names)}.")
    return tuple(name for name in names if name in words)


# ------------------------------------------------------------------------------------------- frames


def numbered_images(folder: Path) -> dict[int, Path]:
    """Returns the images of ``folder`` by number. Raises DataError for a duplicate number or a name without one.

    Hidden files (such as ``._0001.jpg`` of macOS) and other files than images are ignored.
    """
    try:
        names = [entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}).") from error
    found: dict[int, Path] = {}
    for name in sorted(names):
        stem, suffix = os.path.splitext(name)
        if suffix.lower() not in IMAGE_SUFFIXES:
            continue
        if not (stem.isascii() and stem.isdigit() and len(stem) <= MOST_DIGITS):
            raise DataError(f"{folder / name} is not a frame's name; a frame is a number of one to eight digits (0001.jpg).")
        number = int(stem)
        if number in found:
            raise DataError(f"{folder} holds frame {number} twice: {found[number].name} and {name}; remove one.")
        found[number] = folder / name
    return found


def child(folder: Path, name: str) -> Path | None:
    """Returns the entry ``name`` of ``folder``, ignoring case; None if there is none.

    Raises DataError if there are two.
    """
    if (folder / name).exists():
        return folder / name
    try:
        fitting = sorted(entry.name for entry in os.scandir(folder) if entry.name.casefold() == name.casefold())
    except OSError:
        return None
    if len(fitting) > 1:
        raise DataError(f"{folder} holds {' and '.join(fitting)}, which both may be {name}; remove one.")
    return folder / fitting[0] if fitting else None


def descend(folder: Path, *names: str) -> Path | None:
    """Applies ``child`` repeatedly, for a path of names."""
    found: Path | None = folder
    for name in names:
        if found is None:
            return None
        found = child(found, name)
    return found


def key_of(name: str) -> str:
    """Returns a sequence's name for comparison: case is ignored, and ``-``, ``_`` and ``.`` are equal."""
    return re.sub(r"[-_.\s]+", "-", name.strip().casefold())


# -------------------------------------------------------------------------------------------- facts


def read_facts(package: str, name: str = "sequences.csv") -> list[dict[str, str]]:
    """Returns the rows of a shipped CSV file; lines that start with ``#`` name its source."""
    text = (resources.files(package) / name).read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
