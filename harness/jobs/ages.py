"""Ages as users write them (``30d``), and the times that they mean."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from harness.core.errors import ConfigError

SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400}


def seconds_of(text: str, where: str) -> float:
    """The seconds of an age: ``12h``, ``30d``, ``8w``. Raises ConfigError.

    >>> seconds_of("30d", "--older-than"), seconds_of("1.5h", "--older-than")
    (2592000.0, 5400.0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([hdw])", text.strip().lower())
    if not found or float(found[1]) * SECONDS[found[2]] > 1e10:
        raise ConfigError(f"{where} is {text!r}; accepted: a number with h (hours), d (days) or w (weeks), as 30d.")
    return float(found[1]) * SECONDS[found[2]]


def since(seconds: float) -> str:
    """Returns the time that many seconds ago in the format of results (ISO 8601, UTC); texts in it sort by time."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
