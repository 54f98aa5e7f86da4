"""A common view of the files of an archive or a folder, read without trusting them.

Nothing is ever extracted. Names that lead outside, links, encrypted or duplicate entries, unusual compression, and
sizes that no result file has are refused. The header of a zip bomb may state a small size, so reading is limited too.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from harness.core.archives import Limits, Unreadable, read_entry, refusal, too_large
from harness.core.errors import DataError

LIMITS = Limits(file=4 << 20, total=256 << 20, entries=5000, what="result file")
"""Limits: the longest sequence's box file has about 60 kB; entries are sequences times files, with a margin."""


@dataclass(frozen=True)
class Fault:
    """What is wrong, in which file (relative to the archive's root), on which lines (1-based; empty: all)."""

    file: str
    message: str
    lines: tuple[int, ...] = ()

    def __str__(self) -> str:
        where = self.file
        if self.lines:
            where += f", line{'s' if len(self.lines) > 1 else ''} {_ranges(self.lines)}"
        return f"{where}: {self.message}"


def _ranges(lines: tuple[int, ...]) -> str:
    """(1, 2, 3, 7) as ``1-3, 7``."""
    parts: list[list[int]] = []
    for line in lines:
        if parts and line == parts[-1][1] + 1:
            parts[-1][1] = line
        else:
            parts.append([line, line])
    return ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in parts)


@dataclass
class Entries:
    """Files by their path from the root, each with a function that reads it; ``folders``; and the faults so far."""

    files: dict[str, Callable[[], bytes]] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)


def unsafe_name(name: str) -> str | None:
    """Returns why ``name`` is not allowed in an archive, or None."""
    path = PurePosixPath(name)
    if not name or "\\" in name or "\0" in name or ":" in name:
        return "the name holds characters that are not allowed"
    if path.is_absolute() or ".." in path.parts:
        return "the name leads outside the archive"
    return None


# ------------------------------------------------------------------------------------------- folders


def folder_entries(root: Path) -> Entries:
    """Returns all files under ``root``; links are faults and are not followed."""
    entries = Entries()
    for base, folders, files in os.walk(root):
        inside = Path(base).relative_to(root)
        for name in [*folders, *files]:
            relative = (inside / name).as_posix()
            if (Path(base) / name).is_symlink():
                entries.faults.append(Fault(relative, "is a link; only files and folders are allowed"))
        folders[:] = [name for name in sorted(folders) if not (Path(base) / name).is_symlink()]
        entries.folders.update((inside / name).as_posix() for name in folders)
        for name in sorted(files):
            path = Path(base) / name
            if path.is_file() and not path.is_symlink():
                entries.files[(inside / name).as_posix()] = _file_reader(path)
        if len(entries.files) > LIMITS.entries:
            raise DataError(f"{root} holds more than {LIMITS.entries} files; give the folder of the results alone.")
    return entries


def _file_reader(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            if path.stat().st_size > LIMITS.file:
                raise Unreadable(f"is larger than {LIMITS.file >> 20} MiB, which no result file is")
            return path.read_bytes()
        except OSError as error:
            raise Unreadable(f"cannot be read ({error.strerror})") from error

    return read


# ------------------------------------------------------------------------------------------ archives


def archive_entries(path: Path, archive: zipfile.ZipFile) -> Entries:
    """Returns all entries of an open zip archive; the archive must stay open while entries are read."""
    entries = Entries()
    infos = archive.infolist()
    too_much = too_large(infos, LIMITS)
    if too_much:
        entries.faults.append(Fault(path.name, too_much))
        return entries
    for info in infos:
        _add(entries, archive, info)
    return entries


def _add(entries: Entries, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    name = info.filename
    reason = unsafe_name(name) or refusal(info, LIMITS)
    if reason is None and (name in entries.files or (info.is_dir() and name.rstrip("/") in entries.folders)):
        reason = "is in the archive twice"
    if reason is not None:
        entries.faults.append(Fault(name or "(no name)", reason))
    elif info.is_dir():
        entries.folders.add(name.rstrip("/"))
    else:
        parents = PurePosixPath(name).parents
        entries.folders.update(parent.as_posix() for parent in parents if parent.as_posix() != ".")
        entries.files[name] = partial(read_entry, archive, info, LIMITS)
