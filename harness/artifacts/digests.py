"""Digests of what a prepared model depends on: files, source code, versions of packages."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import lru_cache
from importlib import metadata, util
from pathlib import Path

from harness.core.errors import ConfigError, DataError


@lru_cache(maxsize=64)
def _digest(path: str, size: int, modified: int) -> str:
    del size, modified
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes (read again only when size or time of change differ)."""
    try:
        stat = path.stat()
        return _digest(str(path), stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error


def code_digest(modules: Sequence[str]) -> str:
    """SHA-256 of the modules' source text, found without importing them."""
    digest = hashlib.sha256()
    for name in modules:
        spec = util.find_spec(name)
        if spec is None or not spec.origin or not os.path.isfile(spec.origin):
            raise ConfigError(f"module {name!r} is not on the Python path; the tracker's source names it.")
        digest.update(Path(spec.origin).read_bytes())
    return digest.hexdigest()


def version_of(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
