"""Backends by their recorded names: their titles in tables and their style in pictures."""

from __future__ import annotations

import importlib
from collections.abc import Hashable, Mapping
from functools import cache
from typing import TypeVar

from harness.core import plugins
from harness.core.errors import ConfigError
from harness.core.interfaces import Backend
from harness.present import theme
from harness.present.theme import Style

Key = TypeVar("Key", bound=Hashable)


@cache
def shipped() -> dict[str, type[Backend]]:
    """Returns the backends of this package by name: their light halves, which import no runtime."""
    found: dict[str, type[Backend]] = {}
    for module in plugins.modules_in("harness.backends").values():
        named = vars(importlib.import_module(module)).values()
        classes = [item for item in named if isinstance(item, type) and issubclass(item, Backend) and item is not Backend]
        found |= {item.name: item for item in classes if item.__module__.startswith(f"{module}.")}
    return found


def class_named(name: str) -> type[Backend] | None:
    """Returns the backend recorded by this name, of this or an installed package; None if it is not installed."""
    plugin = plugins.find("backends", name)
    if name in shipped() or plugin is None:
        return shipped().get(name)
    try:
        found = plugin.load()
    except ConfigError:  # a broken package must not prevent a report
        return None
    return found if isinstance(found, type) and issubclass(found, Backend) else None


def title_of(name: str) -> str:
    """Returns the framework's name in published tables; the name itself for a backend that is not installed."""
    found = class_named(name)
    return (found.title if found else "") or name


def family(name: str) -> str:
    """Returns the backend that a name contains (``pytorch_cpu`` -> ``torch``), else the name in lower case."""
    small = name.lower()
    words = {word: backend for backend, item in shipped().items() for word in (*item.aliases, backend)}
    return next((words[word] for word in sorted(words, key=len, reverse=True) if word in small), small)


def styles(names: Mapping[Key, str]) -> dict[Key, Style]:
    """Returns a style for each of several runs drawn side by side, with a hue per backend.

    Args:
        names: Item -> the name of its backend, or a name that contains it.
    """
    families = {key: family(name) for key, name in names.items()}
    colors = {name: found.color for name in set(families.values()) if (found := class_named(name)) and found.color}
    return theme.styles(families, colors)


def color_of(name: str) -> str:
    """Returns the colour of a backend; an unused one if it has none."""
    found = class_named(family(name))
    return (found.color if found else "") or theme.OTHERS[0]
