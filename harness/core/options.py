"""The groups and keys that the shipped configuration knows, read from its YAML files."""

from __future__ import annotations

import re
from pathlib import Path

from harness.core.catalog import GROUP_NAMES
from harness.core.config import conf_folder


def keys_of(path: Path, stop: str = "") -> list[str]:
    """``key: default   # comment`` of a YAML file; nested keys dotted; name, target and defaults left out."""
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
    """The choices of ``key``'s group that have it: ``backend.streams`` -> ``["openvino", ...]``."""
    group, _, own = key.partition(".")
    if group not in GROUP_NAMES or not own:
        return []
    paths = sorted((conf_folder() / group).glob("*.yaml"))
    return [path.stem for path in paths if own in {line.partition("=")[0] for line in keys_of(path)}]


def open_tables() -> list[str]:
    """Keys whose default is an empty table, dotted: entries are added by name."""
    paths = [(group, path) for group in GROUP_NAMES for path in (conf_folder() / group).glob("*.yaml")]
    lines = [(group, line.partition("=")) for group, path in paths for line in keys_of(path)]
    return sorted({f"{group}.{key}" for group, (key, _, rest) in lines if rest.split()[:1] == ["{}"]})


def known_keys() -> list[str]:
    """Every key and group that the shipped configuration knows, dotted."""
    keys = [line.partition("=")[0] for line in keys_of(conf_folder() / "config.yaml", stop="hydra:")]
    keys += list(GROUP_NAMES)
    for group in GROUP_NAMES:
        for path in (conf_folder() / group).glob("*.yaml"):
            keys += [f"{group}.{line.partition('=')[0]}" for line in keys_of(path)]
    return sorted(set(keys))
