"""Finds the folders and files of a benchmark's sequences by name, in any spelling of a copy."""

from __future__ import annotations

import os
from pathlib import Path

from harness.core.errors import DataError
from harness.datasets.layouts.reading import IMAGE_SUFFIXES, child, key_of

FRAME_FOLDERS = ("img", "imgs", "images", "frames", "color", "jpg")
"""Names of a sequence's folder of frames, the benchmarks' own first."""


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder; a link to itself is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def by_key(folder: Path, *, files: str = "") -> dict[str, Path]:
    """The folders in ``folder`` by ``key_of`` their names, or with ``files`` (a suffix) the files by their stems.

    Hidden entries are ignored. Raises DataError if two names cannot be distinguished.
    """
    found: dict[str, Path] = {}
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return {}
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith(".") or is_folder(entry) == bool(files):
            continue
        if files and path.suffix.lower() != files:
            continue
        key = key_of(path.stem if files else path.name)
        if key in found:
            raise DataError(f"{folder} holds {found[key].name} and {path.name}, which are one sequence's name; remove one.")
        found[key] = path
    return found


def frame_folder(folder: Path) -> Path | None:
    """The folder of a sequence's images: one of ``FRAME_FOLDERS``, or the sequence's own."""
    for name in FRAME_FOLDERS:
        found = child(folder, name)
        if found is not None and found.is_dir():
            again = child(found, name)  # one level too deep
            return again if again is not None and again.is_dir() and not holds_images(found) else found
    return folder if holds_images(folder) else None


def holds_images(folder: Path) -> bool:
    """Whether an image lies in ``folder`` itself."""
    try:
        return any(os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES for entry in os.scandir(folder))
    except OSError:
        return False


def roots(root: Path) -> list[Path]:
    """``root`` and the folders in it: copies are often unpacked one level deeper."""
    try:
        inner = sorted(root / entry.name for entry in os.scandir(root) if is_folder(entry) and not entry.name.startswith("."))
    except OSError:
        return [root]
    return [root, *inner]
