"""The choices and keys of the configuration, shipped ones and those of installed plug-ins, read from the YAML files."""

from __future__ import annotations

import re
from pathlib import Path

from harness.core import plugins
from harness.core.catalog import GROUP_NAMES
from harness.core.config import conf_folder


def choices(group: str) -> list[Path]:
    """Returns the YAML files of a group, by name: shipped ones, then those of plug-ins, which cannot reuse a name."""
    found: dict[str, Path] = {}
    for folder in (conf_folder(), *plugins.conf_folders()):
        for path in (folder / group).glob("*.yaml"):
            found.setdefault(path.stem, path)
    return [found[name] for name in sorted(found)]


def summary_of(path: Path) -> str:
    """Returns the description of a YAML file: its first comment that is not a directive of Hydra (``# @package``)."""
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.lstrip("# ").strip()
        if line.startswith("#") and text and not text.startswith("@"):
            return text
        if not line.startswith("#") and line.strip():
            break
    return ""


def keys_of(path: Path, stop: str = "") -> list[str]:
    """Returns ``key: default   # comment`` lines of a YAML file; nested keys are dotted.

    Name, target and defaults are left out.
    """
    lines, prefix = [], ""
    skipping = False
    for line in path.read_text(encoding="utf-8").splitlines():
        if stop and line.startswith(stop):
            break
        found = re.match(r"^(\s*)([A-Za-z_]\w*):\s*(.*)$", line)
        if not found:
            continue
        indent, key, value = found.groups()
        if not indent:
            prefix, skipping = "", key in ("defaults", "name", "target")
            if not value.split("#")[0].strip():
                prefix = f"{key}."
                continue
        if skipping:
            continue
        default, _, comment = value.partition("#")
        lines.append(f"{prefix if indent else ''}{key}={default.strip()}".ljust(34) + f" {comment.strip()}".rstrip())
    return lines


def choices_with(key: str) -> list[str]:
    """Returns the choices that have ``key``: ``backend.streams`` -> ``["openvino", ...]``."""
    group, _, own = key.partition(".")
    if group not in GROUP_NAMES or not own:
        return []
    return [path.stem for path in choices(group) if own in {line.partition("=")[0] for line in keys_of(path)}]


def open_tables() -> list[str]:
    """Returns the dotted keys whose default is an empty table, to which entries are added by name."""
    paths = [(group, path) for group in GROUP_NAMES for path in choices(group)]
    lines = [(group, line.partition("=")) for group, path in paths for line in keys_of(path)]
    return sorted({f"{group}.{key}" for group, (key, _, rest) in lines if rest.split()[:1] == ["{}"]})


def known_keys() -> list[str]:
    """Returns every key and group of the configuration, dotted."""
    keys = [line.partition("=")[0] for line in keys_of(conf_folder() / "config.yaml", stop="hydra:")]
    keys += list(GROUP_NAMES)
    for group in GROUP_NAMES:
        for path in choices(group):
            keys += [f"{group}.{line.partition('=')[0]}" for line in keys_of(path)]
    return sorted(set(keys))
