"""Passwords in addresses: they are removed before anything is written or printed, and kept only in memory.

An address such as ``http://user:secret@host:5000`` is split once, when it is read. Files, tags and messages get the
public form ``http://host:5000``. The whole address stays in an environment variable of this process, which its children
inherit.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

VARIABLE = "HARNESS_ADDRESSES"
"""JSON: public address -> whole address."""
MASK = "***"
_SCHEME = r"[A-Za-z][A-Za-z0-9+.\-]*://"
_WITH_USER = rf"(?:{_SCHEME}[^/?#\s'\"]*@|{_SCHEME}[^/?#\s'\"@:\[]+:(?!\d+(?:[/?#'\"\]),\s]|$)|\s|$)\S*@)"
"""An address up to its user-info's end: as it should be written, or ``user:`` with what is no port after it, up to the last ``@``."""
_USER_INFO = re.compile(rf"(?P<whole>{_WITH_USER})")
_QUERY = re.compile(r"(?P<key>[?&](?:[\w-]*(?:password|passwd|pwd|token|secret|credential|api_?key|access_?key)[\w-]*)=)[^&#\s'\"]+", re.I)
_ADDRESS = re.compile(rf"(?:{_WITH_USER}|{_SCHEME})[^\s'\"]+")
_UNFIT = re.compile(r"[/?#\s'\"\\]")
"""Signs that a user-info holds only percent-encoded."""


def public(text: str) -> str:
    """Returns ``text`` without the user-info of the addresses in it and with secret query values masked."""
    return _QUERY.sub(rf"\g<key>{MASK}", _USER_INFO.sub(lambda found: f"{found['whole'].partition('://')[0]}://", text))


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
    """Returns the address with the credentials remembered for it, or the address itself if there are none."""
    return _kept().get(address, address)


def masked(text: str) -> str:
    """Returns ``text`` for display: without the user-info of any address and without any remembered secret."""
    for address in _kept().values():
        text = text.replace(address, public(address))
        secret = _user_info(address).partition(":")[2]
        for form in {secret, unquote(secret)}:  # drivers of databases speak of the decoded one
            if len(form) > 2:
                text = text.replace(form, MASK)
    return public(text)


def unfit(address: str) -> bool:
    """Whether the credentials remembered for an address have signs that it holds only percent-encoded: it would be read wrongly."""
    return bool(_UNFIT.search(_user_info(whole(address))))


def _user_info(address: str) -> str:
    found = _USER_INFO.match(address)
    return found["whole"].partition("://")[2][:-1] if found else ""


def hidden(value: Any) -> Any:
    """Returns a configuration (mappings, lists, scalars) with public addresses; the whole addresses are remembered."""
    if isinstance(value, str):
        return remember(value) if "://" in value else value
    if isinstance(value, Mapping):
        return {key: hidden(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [hidden(item) for item in value]
    return value


def hidden_words(words: Iterable[str]) -> list[str]:
    """Returns the words of a command line with public addresses; the whole addresses are remembered."""
    return [remember(word) for word in words]


def _kept() -> dict[str, str]:
    try:
        found = json.loads(os.environ.get(VARIABLE, "{}"))
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
