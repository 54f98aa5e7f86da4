"""Relative paths of a configuration, for jobs that work in their own folder (``hydra.job.chdir=true``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDERS = ("root", "cache", "path")
"""Keys whose value is a path, whether it exists or not."""
FILES = ("weights",)
"""Keys whose value may be a path or a word (``random``, ``package:...``); it is a path if that path exists."""


def anchored(config: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """Returns a configuration whose paths do not depend on the current folder.

    Args:
        config: The resolved configuration of a job.
        base: The folder to which paths are relative.
    """
    return {key: _anchor(str(key), value, base) for key, value in config.items()}


def _anchor(key: str, value: Any, base: Path) -> Any:
    if isinstance(value, Mapping):
        return anchored(value, base)
    if isinstance(value, list) and key in FILES:
        return [_anchor(key, item, base) for item in value]
    if not isinstance(value, str) or not value or value.startswith("~"):
        return value
    meant = key in FOLDERS or (key in FILES and (base / value).exists())
    return str(base / value) if meant else value
