"""Text for messages, made from lists and values."""

from __future__ import annotations

from typing import Any


def listed(names: list[str], most: int = 3) -> str:
    """Joins names to text such as ``a, b, c and 4 more``."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def shown(value: Any, most: int = 80) -> str:
    """Returns a value as YAML writes it, for a message: ``null``, ``true``, ``'abc'``; long text is cut."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    try:
        text = repr(value)
    except ValueError:  # an integer with thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= most else f"{text[: most - 3]}..."
