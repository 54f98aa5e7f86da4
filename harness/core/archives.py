"""The zip reader for archives that may come from anyone: submissions, weights, bundles.

``Limits`` holds the largest sizes of one kind of archive. ``refusal`` returns why an entry is not read. ``read_entry``
reads an entry, never more than the limit, even if its header is wrong. ``unpack`` unpacks a bundle and checks it
against its manifest. It refuses names that lead outside or are hidden, links and special files, encrypted or duplicate
entries, and any file whose SHA-256 differs from the manifest.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence as Seq
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from harness.core.errors import ArchiveError, DataError, StoreError
from harness.core.files import file_mode, from_json, put_in_place
from harness.core.names import portable
from harness.core.schema import checked
from harness.core.words import shown

MANIFEST = "manifest.json"
FORMAT = "tracker-harness bundle"
VERSION = 1
LARGEST_MANIFEST = 64 << 20
LARGEST_FILE = 4 << 30
LARGEST_TOTAL = 16 << 30
MOST_FILES = 100_000
LARGEST_RATIO = 200
"""Most unpacked bytes per packed byte of a file above SMALL; the files that the harness writes stay below it."""
SMALL = 1 << 20
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
CHUNK = 1 << 20
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)
"""The exceptions that the zip reader raises for a damaged entry."""
_PART = re.compile(r"[^\x00-\x1f\\:*?\"<>|]{1,200}")


@dataclass(frozen=True)
class Limits:
    """The most that an archive of one kind may hold: bytes of a file, bytes in all, entries.

    ``what`` names the kind in messages.

    ``ratio`` is the largest unpacked size over packed size of a file above ``SMALL``; None turns this check off.
    """

    file: int
    total: int
    entries: int
    what: str
    ratio: int | None = None


class Unreadable(Exception):
    """An entry that cannot be read; the text gives the reason."""


def refusal(info: zipfile.ZipInfo, limits: Limits) -> str | None:
    """Returns why an entry is not read, or None; its name is not checked."""
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a special file; only files and folders are allowed"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if info.compress_type not in METHODS:
        return f"is compressed by method {info.compress_type}; only stored and deflated are accepted"
    if info.file_size > limits.file:
        return f"is larger than {_bytes(limits.file)}, which no {limits.what} is"
    if limits.ratio and info.file_size > SMALL and info.file_size > limits.ratio * max(info.compress_size, 1):
        return f"unpacks to more than {limits.ratio} times its size (a zip bomb?)"
    return None


def too_large(infos: Seq[zipfile.ZipInfo], limits: Limits) -> str | None:
    """Returns why an archive with these entries is not read at all, or None."""
    if len(infos) > limits.entries:
        return f"has {len(infos)} entries, at most {limits.entries} are accepted"
    if sum(info.file_size for info in infos) > limits.total:
        return f"unpacks to more than {_bytes(limits.total)}; it is not read"
    return None


def read_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limits: Limits) -> bytes:
    """Returns an entry's bytes; never unpacks more than the limit. Raises Unreadable."""
    try:
        with archive.open(info) as file:
            data = file.read(limits.file + 1)
    except DAMAGED as error:
        raise Unreadable(f"is damaged in the archive ({error})") from error
    if len(data) > limits.file:
        raise Unreadable(f"is larger than {_bytes(limits.file)}, which no {limits.what} is")
    return data


def _bytes(count: int) -> str:
    return f"{count >> 30} GiB" if count >= 1 << 30 else f"{count >> 20} MiB"


BUNDLE = Limits(LARGEST_FILE, LARGEST_TOTAL, MOST_FILES, "bundle's file", LARGEST_RATIO)


@dataclass(frozen=True)
class Bundle:
    """An unpacked bundle: its manifest, the folder with its files, and the SHA-256 of the zip file."""

    manifest: Mapping[str, Any]
    folder: Path
    sha256: str


def unpack(path: Path, folder: Path) -> Bundle:
    """Checks the bundle at ``path`` and puts its files under ``folder``, which is new or empty.

    Raises ArchiveError, which names the entry, and leaves nothing behind; DataError if there is no such file.
    """
    if not path.is_file():
        raise DataError(f"{path} is not a file; give a bundle (.zip) that `python -m harness share` wrote.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder.parent))
    try:
        manifest = _read(path, scratch)
        if folder.is_dir():
            folder.rmdir()  # fails if it is not empty
        put_in_place(scratch, folder)
        folder.chmod(file_mode(folder=True))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ArchiveError(f"{path} is not a whole zip archive ({error}); get it again.") from error
    except OSError as error:
        raise StoreError(f"{path} cannot be unpacked to {folder} ({error.strerror}).") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Bundle(manifest, folder, file_digest(path))


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ------------------------------------------------------------------------------------------ checking


def _read(path: Path, folder: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        too_much = too_large(infos, BUNDLE)
        if too_much:
            raise ArchiveError(f"{path} {too_much}.")
        entries = {info.filename: info for info in infos if not info.is_dir()}
        for info in infos:
            reason = unsafe(info)
            if reason:
                raise ArchiveError(f"{path}: the entry {info.filename!r} {reason}; the bundle is refused.")
        _check_doubles(path, [info.filename for info in infos])
        manifest = _manifest(path, archive, entries)
        for name, facts in manifest["files"].items():
            _extract(path, archive, entries[name], folder / name, facts)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest


def allowed(name: str) -> bool:
    """Whether a bundle may hold an entry of this name: one that every file system takes."""
    parts = name.split("/")
    return all(_PART.fullmatch(part) and not part.startswith(".") and part == part.strip() and portable(part) for part in parts)


def unsafe(info: zipfile.ZipInfo) -> str | None:
    """Returns why an entry is refused, or None."""
    name = info.filename
    parts = name.rstrip("/").split("/")
    if PurePosixPath(name).is_absolute() or ".." in parts or "\\" in name:
        return "leads outside"
    if info.orig_filename != name or any(not _PART.fullmatch(part) for part in parts):
        return "has a name with characters that are not allowed"
    if any(part.startswith(".") or part != part.strip() for part in parts):
        return "is hidden or has blanks around its name"
    if not all(portable(part) for part in parts):
        return "has a name that Windows keeps for a device or does not take"
    return refusal(info, BUNDLE)


def _check_doubles(path: Path, names: list[str]) -> None:
    """Checks that no two entries become the same file on any file system, and that no file is the folder of another."""
    seen = [name.rstrip("/").casefold() for name in names]
    if len(set(seen)) < len(seen):
        raise ArchiveError(f"{path} holds two entries of one name; the bundle is refused.")
    files = {name.casefold() for name in names if not name.endswith("/")}
    for name in files:
        if any(parent.as_posix() in files for parent in PurePosixPath(name).parents):
            raise ArchiveError(f"{path}: {name!r} lies under a file; the bundle is refused.")


def _manifest(path: Path, archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo]) -> dict[str, Any]:
    """Reads the manifest, which must list exactly the files in the archive."""
    info = entries.get(MANIFEST)
    if info is None or info.file_size > LARGEST_MANIFEST:
        raise ArchiveError(f"{path} has no {MANIFEST} (or too large a one): it is not a bundle of this harness; give a zip file that share wrote.")
    with archive.open(info) as file:
        data = file.read(LARGEST_MANIFEST + 1)
    try:
        manifest = from_json(data)
    except ValueError as error:
        raise ArchiveError(f"{path}: {MANIFEST} is damaged ({error}); get the bundle again.") from error
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict) or not all(isinstance(facts, dict) for facts in files.values()):
        raise ArchiveError(f"{path}: {MANIFEST} is damaged (it does not list files with their sizes and digests); get the bundle again.")
    if not all(isinstance(facts.get("sha256"), str) and isinstance(facts.get("bytes"), int) for facts in files.values()):
        raise ArchiveError(f"{path}: {MANIFEST} is damaged (it does not list files with their sizes and digests); get the bundle again.")
    if manifest.get("format") != FORMAT or manifest.get("version") != VERSION:
        raise ArchiveError(
            f"{path} is not a bundle of version {VERSION} (it says {shown(manifest.get('format'))}, version "
            f"{shown(manifest.get('version'))}); use the version of the harness that wrote it."
        )
    try:
        manifest = checked("manifest", manifest, Path(f"{path}/{MANIFEST}"))
    except DataError as error:
        raise ArchiveError(str(error)) from error
    there = entries.keys() - {MANIFEST}
    if there != files.keys():
        odd = sorted(there ^ files.keys())[0]
        why = "is not in the manifest" if odd in there else "is missing"
        raise ArchiveError(f"{path}: {odd!r} {why}; the bundle was changed after it was written and is refused.")
    return dict(manifest)


def _extract(
    path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, to: Path, facts: Mapping[str, Any]
) -> None:
    """Writes one file, never more bytes than the manifest states, and compares its digest."""
    to.parent.mkdir(parents=True, exist_ok=True)
    digest, left = hashlib.sha256(), int(facts["bytes"])
    with archive.open(info) as source, to.open("xb") as target:
        while chunk := source.read(min(CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                break
            digest.update(chunk)
            target.write(chunk)
    if left or digest.hexdigest() != facts["sha256"]:
        raise ArchiveError(
            f"{path}: {info.filename!r} is not what the manifest says (size or SHA-256); the bundle was changed or "
            "damaged after it was written and is refused."
        )
