"""Names of files that every system accepts: Windows reserves some for devices and drops dots and spaces at the end."""

from __future__ import annotations

import re

_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)", re.IGNORECASE)


def portable(name: str) -> bool:
    """Whether Windows accepts this file name: no device, no forbidden character, no dot or space at the end."""
    device = _DEVICES.fullmatch(name.partition(".")[0].rstrip())
    return device is None and not name.endswith((".", " ")) and not re.search(r'[\x00-\x1f<>:"/\\|?*]', name)


def as_portable(name: str, otherwise: str) -> str:
    """Returns a name of letters, digits and ``_ . -`` that every system accepts.

    ``otherwise`` if nothing is left of it.
    """
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip(".") or otherwise
    return plain if portable(plain) else f"_{plain}"
