"""Names of files that every system takes: Windows keeps some for devices, and drops dots and blanks at the end."""

from __future__ import annotations

import re

_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)", re.IGNORECASE)


def portable(name: str) -> bool:
    """Whether Windows takes this name of a file or folder, as far as devices, the end and forbidden signs go."""
    device = _DEVICES.fullmatch(name.partition(".")[0].rstrip())
    return device is None and not name.endswith((".", " ")) and not re.search(r'[\x00-\x1f<>:"/\\|?*]', name)


def as_portable(name: str, otherwise: str) -> str:
    """A name made of letters, digits and ``_ . -`` that every system takes; ``otherwise`` where nothing is left of it."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip(".") or otherwise
    return plain if portable(plain) else f"_{plain}"
