"""YAML files that users write: they are checked before composing, and the first that cannot be read is named."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from harness.core.errors import ConfigError, in_words

MOST_NODES = 100_000
"""The most values of a file after its aliases are expanded.

Nested aliases can turn a few lines into billions of values.
"""
LARGEST_BYTES = 4_000_000


DEEPEST = 4
"""Levels of folders below ``--config-dir`` in which YAML files are looked for: groups, and groups of groups."""
MOST_FILES = 5000


def files_of(folder: Path) -> list[Path]:
    """Returns the YAML files below ``folder``, sorted.

    Raises ConfigError if there are too many for a folder of settings.
    """
    found: list[Path] = []
    seen = 0
    for place, folders, names in os.walk(folder):
        if len(Path(place).relative_to(folder).parts) >= DEEPEST:
            folders.clear()
        seen += len(names) + len(folders)
        found += [Path(place) / name for name in (*names, *folders) if name.endswith(".yaml")]
        if seen > MOST_FILES:
            raise ConfigError(f"{folder} holds over {MOST_FILES} files; give --config-dir the folder that holds your YAML groups alone.")
    return sorted(found)


def check_folder(folder: Path) -> None:
    """Raises ConfigError if ``folder`` is none, or a YAML file below it has more values, aliases expanded, than anyone can use."""
    if not folder.is_dir():
        raise ConfigError(f"--config-dir {folder} is not a folder; give the folder that holds your YAML groups.")
    for path in files_of(folder):
        if path.is_file():
            _check_size(path)
        elif path.exists() and not path.is_dir():
            raise ConfigError(f"{path} is not a regular file (a pipe or a device); a file of settings is text in UTF-8.")


def fault_below(folder: Path) -> str:
    """Describes the first YAML file below ``folder`` that cannot be read as a mapping; empty if there is none."""
    for path in files_of(folder):
        fault = _fault(path)
        if fault:
            return f"{path} {fault}"
    return ""


def _check_size(path: Path) -> None:
    if path.stat().st_size > LARGEST_BYTES:
        raise ConfigError(f"{path} has over {LARGEST_BYTES // 1_000_000} MB; a file of settings is smaller, so give another one.")
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader) if "*" in text else None
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return  # Hydra reports the error if it needs the file
    if root is not None and _nodes(root) > MOST_NODES:
        raise ConfigError(f"{path} has over {MOST_NODES} values once its aliases are expanded; write it without aliases.")


def _nodes(root: yaml.Node) -> int:
    """Returns how many values ``root`` has after aliases are expanded; infinity if a node contains itself."""
    known: dict[int, int] = {}
    open_nodes: set[int] = set()

    def count(node: yaml.Node) -> int:
        if id(node) in open_nodes:
            return MOST_NODES + 1
        if id(node) not in known:
            open_nodes.add(id(node))
            parts = [item for pair in node.value for item in pair] if isinstance(node, yaml.MappingNode) else node.value
            known[id(node)] = 1 + (sum(count(item) for item in parts) if isinstance(parts, list) else 0)
            open_nodes.discard(id(node))
        return known[id(node)]

    return count(root)


def _fault(path: Path) -> str:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        return "is not text in UTF-8; save it so"
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", "") or "it cannot be parsed"
        place = f", line {mark.line + 1}" if mark is not None else ""
        return f"is not valid YAML{place} ({problem}); correct it"
    except RecursionError:
        return "is nested too deeply; settings have a few levels"
    except OSError as error:
        return f"cannot be read: {in_words(error, 'give a readable file').rstrip('.')}"
    except (ValueError, TypeError) as error:
        return f"is not valid YAML ({' '.join(str(error).split())[:120]}); correct it"
    if found is not None and not isinstance(found, dict):
        return f"holds {'a list' if isinstance(found, list) else 'a single value'}; settings are key: value"
    return ""
