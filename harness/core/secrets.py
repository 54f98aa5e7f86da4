"""Passwords in addresses: taken out before anything is written or printed, and kept in memory alone.

An address such as ``http://user:secret@host:5000`` is split once, where it enters: the files, tags and messages get the
public form ``http://host:5000``, and the whole one stays in an environment variable of this process, from which its children
inherit it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

VARIABLE = "HARNESS_ADDRESSES"
"""JSON: public address -> whole address."""
MASK = "***"
_USER_INFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*://)[^/?#\s'\"]*@")
_QUERY = re.compile(r"(?P<key>[?&](?:[\w-]*(?:password|passwd|pwd|token|secret|credential|api_?key|access_?key)[\w-]*)=)[^&#\s'\"]+", re.I)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^\s'\"]+")


def public(text: str) -> str:
    """``text`` with the user-info of every address in it left out and secret query values masked."""
    return _QUERY.sub(rf"\g<key>{MASK}", _USER_INFO.sub(r"\g<scheme>", text))


def remember(text: str) -> str:
    """Keeps the whole form of every address in ``text`` in memory.

    Args:
        text: An address, or any text with addresses in it (a word of the command line).

    Returns:
        The text with the public forms.
    """
    found = {public(whole): whole for whole in _ADDRESS.findall(text) if public(whole) != whole}
    if found:
        os.environ[VARIABLE] = json.dumps(_kept() | found)
    return public(text)


def whole(address: str) -> str:
    """The address with the credentials that were remembered for it; itself if there are none."""
    return _kept().get(address, address)


def masked(text: str) -> str:
    """``text`` for people: without the user-info of any address and without any remembered secret."""
    for address in _kept().values():
        text = text.replace(address, public(address))
        user_info = re.match(r"[^:]+://([^/?#]*)@", address)
        secret = user_info[1].partition(":")[2] if user_info else ""
        if len(secret) > 2:
            text = text.replace(secret, MASK)
    return public(text)


def hidden(value: Any) -> Any:
    """A configuration (mappings, lists, scalars) with the public forms of all addresses in it; these are remembered."""
    if isinstance(value, str):
        return remember(value) if "://" in value else value
    if isinstance(value, Mapping):
        return {key: hidden(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [hidden(item) for item in value]
    return value


def hidden_words(words: Iterable[str]) -> list[str]:
    """The words of a command line with public addresses; the whole ones are remembered."""
    return [remember(word) for word in words]


def _kept() -> dict[str, str]:
    try:
        found = json.loads(os.environ.get(VARIABLE, "{}"))
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
