"""Digests of what a prepared model depends on: files, source code, versions of packages."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from importlib import metadata, util
from pathlib import Path

from harness.core.errors import ConfigError


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
    """The installed version of a package; empty if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
