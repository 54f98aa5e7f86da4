"""Backends by the names that runs record: what they are called in tables, and how they look in pictures."""

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
    """The backends of this package by name: their light halves, which import no runtime."""
    found: dict[str, type[Backend]] = {}
    for module in plugins.modules_in("harness.backends").values():
        named = vars(importlib.import_module(module)).values()
        classes = [item for item in named if isinstance(item, type) and issubclass(item, Backend) and item is not Backend]
        found |= {item.name: item for item in classes if item.__module__.startswith(f"{module}.")}
    return found


def class_named(name: str) -> type[Backend] | None:
    """The backend that a run records by this name: one of ours or of an installed package; None if it is not here."""
    plugin = plugins.find("backends", name)
    if name in shipped() or plugin is None:
        return shipped().get(name)
    try:
        found = plugin.load()
    except ConfigError:  # a report is not lost since a package is broken
        return None
    return found if isinstance(found, type) and issubclass(found, Backend) else None


def title_of(name: str) -> str:
    """The framework's name as published tables have it; the name itself of a backend that is not here."""
    found = class_named(name)
    return (found.title if found else "") or name


def family(name: str) -> str:
    """The backend that a name speaks of (``pytorch_cpu`` -> ``torch``); the name itself, in small letters, if it speaks of none."""
    small = name.lower()
    words = {word: backend for backend, item in shipped().items() for word in (*item.aliases, backend)}
    return next((words[word] for word in sorted(words, key=len, reverse=True) if word in small), small)


def styles(names: Mapping[Key, str]) -> dict[Key, Style]:
    """A style for each of several runs drawn side by side, hue by backend.

    Args:
        names: What is drawn -> the name of its backend, or one that speaks of it.
    """
    families = {key: family(name) for key, name in names.items()}
    colors = {name: found.color for name in set(families.values()) if (found := class_named(name)) and found.color}
    return theme.styles(families, colors)


def color_of(name: str) -> str:
    """The colour of a backend; that of a spare hue if it has none."""
    found = class_named(family(name))
    return (found.color if found else "") or theme.OTHERS[0]
