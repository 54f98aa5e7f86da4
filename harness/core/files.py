"""Files and folders: the atomic writer, values as plain JSON types, new folders."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import DataError, StoreError, in_words


def new_folder(path: Path) -> Path:
    """Makes ``path`` or, if it already exists, the first free one of ``path-2``, ``path-3``, ...; returns it.

    Raises StoreError.

    Two commands that start in the same second, and so choose the same name, get different folders.
    """
    number, found = 1, path
    while True:
        try:
            found.mkdir(parents=True)
            return found
        except FileExistsError:
            number += 1
            found = path.with_name(f"{path.name}-{number}")
        except OSError as error:
            raise StoreError(
                f"{path} cannot be made ({error.strerror}); set hydra.run.dir or hydra.sweep.dir to a folder that can be "
                "written, or start where you may write."
            ) from error


def write_bytes(path: Path, data: bytes) -> Path:
    """Writes to a temporary name beside ``path``, flushes to disk, then renames: all or nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror}); choose a folder that can be written."
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, file_mode())
        put_in_place(Path(temporary), path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise StoreError(
            f"{path} cannot be written: {in_words(error)}"
        ) from error
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def found_below(folder: Path, names: Collection[str]) -> list[Path]:
    """Returns what has one of ``names`` anywhere under ``folder``, sorted.

    Links to folders are not followed; folders that cannot be read are passed over. All names are looked for in one walk, which is what
    takes long where much lies under the folder.
    """
    found = []
    for place, folders, files in os.walk(folder):
        found += [Path(place, name) for name in names if name in folders or name in files]
    return sorted(path for path in found if path.exists())


def temporary_beside(path: Path, suffix: str) -> Path:
    """Makes an empty file beside ``path`` for a writer that takes a name.

    The caller renames it to ``path`` when it is complete.

    Args:
        path: The file to be made in the end.
        suffix: The suffix of the temporary name, if the writer depends on it (``.mp4``).

    Raises:
        StoreError: The folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(suffix=suffix, prefix=f".{path.stem}.", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}); choose a folder that can be written.") from error
    return Path(name)


@contextlib.contextmanager
def folder_at_once(path: Path) -> Iterator[Path]:
    """Yields a new folder beside ``path`` that takes its place at the end of the block: ``path`` always holds all or nothing.

    If the block fails, or leaves the folder empty, ``path`` stays as it was. What a process left there that was killed
    meanwhile is removed.

    Raises:
        StoreError: The folder cannot be made, or ``path`` is no folder.
    """
    if path.exists() and not path.is_dir():
        raise StoreError(f"{path} is not a folder, and files are written there; remove it.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{path.name}.*"):
            shutil.rmtree(left, ignore_errors=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {in_words(error)}") from error
    try:
        yield scratch
        if any(scratch.iterdir()):
            scratch.chmod(file_mode(folder=True))
            _replace_folder(path, scratch)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {in_words(error)}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _replace_folder(path: Path, new: Path) -> None:
    """Renames the folder ``new`` to ``path``; an old folder, or a link to one, is removed."""
    old = new.with_name(f"{new.name}.old")
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        put_in_place(path, old)
    put_in_place(new, path)
    shutil.rmtree(old, ignore_errors=True)


def put_in_place(source: Path, target: Path) -> None:
    """Renames ``source`` to ``target`` and replaces an existing ``target``. Raises OSError.

    Windows refuses to rename while another process has one of the files open, as virus scanners and readers of a record
    do for a moment. There it is tried again for about a second.
    """
    if sys.platform == "win32":
        for pause in (0.02, 0.05, 0.1, 0.3, 0.6):
            try:
                os.replace(source, target)
                return
            except PermissionError:
                time.sleep(pause)
    os.replace(source, target)


def file_mode(folder: bool = False) -> int:
    """Returns the mode of a new file (or folder) under this process's umask.

    Temporary files are private until they get it.
    """
    try:
        found = re.search(r"^Umask:\s*(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    except OSError:
        found = None
    if found:
        mask = int(found[1], 8)
    else:
        mask = os.umask(0o022)
        os.umask(mask)
    return (0o777 if folder else 0o666) & ~mask


def write_text(path: Path, text: str) -> Path:
    """Writes UTF-8 text atomically.

    A lone surrogate (from a name that is not UTF-8) is written as an escape that JSON reads back.
    """
    return write_bytes(path, text.encode("utf-8", "backslashreplace"))


def at_home(path: str | Path) -> Path:
    """Returns ``path`` with ``~`` replaced by the user's home folder; ``~name`` of an unknown user stays as it is."""
    return Path(os.path.expanduser(path))


def write_json(path: Path, value: Any, indent: int | None = 1) -> Path:
    """Writes JSON atomically, keys in the given order; NaN and infinity become null, which strict readers accept.

    Args:
        path: The file.
        value: What it will hold; ``plain`` makes JSON's types of it.
        indent: Spaces a level; None for a single line, which is written many times faster.
    """
    return write_text(path, json.dumps(plain(value), indent=indent, allow_nan=False, ensure_ascii=False) + "\n")


LARGEST_TEXT = 256 << 20
"""Largest size in bytes of a text file that is read; records and annotations are far smaller."""


def open_regular(path: Path) -> BufferedReader:
    """Opens a file for reading in non-blocking mode: a pipe without a writer would block for ever.

    Raises:
        DataError: It is a pipe, a device or a folder.
        OSError: It is missing or cannot be read.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise DataError(f"{path} is not a regular file (a pipe, device or folder); give a file.")
    return open(handle, "rb")


def read_regular(path: Path, most: int = LARGEST_TEXT) -> bytes:
    """Reads the bytes of a regular file.

    Args:
        path: The file; a pipe or a device is refused, because reading it may never end.
        most: The largest size in bytes that is read.

    Raises:
        DataError: The file is missing, is not a regular file, is larger than ``most``, or cannot be read.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > most:
                raise DataError(f"{path} has {size >> 20} MiB, over the limit of {most >> 20}; give the right file.")
            return file.read()
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}).") from error


def read_json(path: Path) -> Any:
    """Reads a JSON file. Raises DataError if it is missing or is not JSON."""
    try:
        return from_json(read_regular(path))
    except ValueError as error:
        raise DataError(f"{path} cannot be read as JSON ({error}); restore the file, or make it again.") from error


def from_json(data: bytes) -> Any:
    """What JSON in UTF-8 holds. Raises ValueError, which says in our words what is wrong."""
    try:
        return json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is no text in UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: {error.msg[:1].lower()}{error.msg[1:]}" if data.strip() else "it is empty") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except ValueError as error:
        raise ValueError("a number in it has thousands of digits") from error


def read_record(path: Path) -> dict[str, Any]:
    """Reads a JSON file that holds a mapping. Raises DataError if it is missing or does not hold one."""
    found = read_json(path)
    if not isinstance(found, dict):
        kind = "a list" if isinstance(found, list) else "null" if found is None else "a single value"
        raise DataError(f"{path} holds {kind}; a mapping is expected; restore the file, or make it again.")
    return found


_AS_THEY_ARE = frozenset((str, int, bool, type(None)))


def plain(value: Any) -> Any:
    """Returns ``value`` in JSON's own types: mappings, lists, strings, finite numbers, booleans, null."""
    kind = type(value)
    if kind in _AS_THEY_ARE:  # nearly all values: asking what else they may be takes longer
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


# ------------------------------------------------------------------------------------------ what files hold


@lru_cache(maxsize=8192)
def _digest(path: str, size: int, modified: int) -> str:
    del size, modified
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digest(path: Path) -> str:
    """Returns SHA-256 of a file's bytes; reads it again only if size or modification time has changed.

    Raises DataError.
    """
    try:
        stat = path.stat()
        return _digest(str(path), stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error


Contents = dict[str, dict[str, Any]]
"""Path within a folder -> ``bytes`` and ``sha256`` of that file."""


def contents_of(folder: Path, left_out: Collection[str] = ()) -> Contents:
    """Returns size and SHA-256 of all files under ``folder`` except those whose path within it is in ``left_out``."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in paths}
    return {
        name: {"bytes": path.stat().st_size, "sha256": file_digest(path)}
        for name, path in named.items()
        if name not in left_out
    }


def changed(folder: Path, recorded: Any) -> dict[str, str]:
    """Returns the files under ``folder`` that differ from the ``recorded`` contents, each with what is wrong."""
    if not isinstance(recorded, Mapping) or not recorded:
        return {"": "has no record of its files"}
    found = {}
    for name, facts in recorded.items():
        path = folder / name
        if not path.is_file():
            found[name] = "is missing"
        elif path.stat().st_size != facts["bytes"]:
            found[name] = f"has {path.stat().st_size} bytes instead of {facts['bytes']}"
        elif file_digest(path) != facts["sha256"]:
            found[name] = "holds other bytes than were written"
    return found
