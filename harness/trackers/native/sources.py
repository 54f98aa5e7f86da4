"""Where a tracker's code lies, and what it digests to, found without running any of it."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from harness.core.errors import ConfigError

KINDS = (".py", ".yaml", ".yml", ".toml", ".json")
"""Files that decide what a tracker's code does."""
SKIPPED = ("__pycache__", "site-packages", "node_modules")
MOST_ENTRIES = 50_000
"""Entries of a folder that is taken for code; more is a data set."""


def module_file(name: str, folders: Sequence[Path]) -> Path | None:
    """The file of the module ``name``, searched in ``folders`` part by part; None if it is not there."""
    places: list[str] | None = [str(folder) for folder in folders]
    origin: str | None = None
    for part in name.split("."):
        spec = PathFinder.find_spec(part, places)
        if spec is None:
            return None
        origin, places = spec.origin, list(spec.submodule_search_locations or [])
    return Path(origin) if origin and os.path.isfile(origin) else None


def digest(roots: Sequence[Path]) -> str:
    """SHA-256 over the code and settings files in ``roots`` (files, or folders with all below them).

    Raises ConfigError if a folder holds a data set instead of code.
    """
    total = hashlib.sha256()
    for root in roots:
        for path in [root] if root.is_file() else sorted(files(root)):
            total.update(str(path.relative_to(root.parent)).encode() + b"\0")
            with open(path, "rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def files(folder: Path) -> Iterator[Path]:
    """The code and settings files below ``folder``; links, hidden folders and installed packages are left out."""
    seen = 0
    for place, names, found in os.walk(folder):
        names[:] = [name for name in names if not name.startswith(".") and name not in SKIPPED]
        seen += len(found)
        if seen > MOST_ENTRIES:
            raise ConfigError(
                f"{folder} holds more than {MOST_ENTRIES} files, and all of its code enters the record's key; name the "
                "folders and files of the tracker's code with tracker.code=[PATH,...]."
            )
        yield from (Path(place, name) for name in found if name.endswith(KINDS) and not os.path.islink(Path(place, name)))


def import_path(own: Sequence[Path], cwd: Path, *, inherited: bool) -> list[Path]:
    """The folders in which a tracker's process searches modules, ours included where it runs in our Python."""
    found = [*own, cwd]
    if inherited:
        found += [Path(entry) for entry in sys.path if entry]
    return found
