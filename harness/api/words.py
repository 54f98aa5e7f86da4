"""Converts Python values to Hydra's grammar: ``backend="onnx"``, ``dataset__limit=2``, ``dataset={"root": path}``."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.core.catalog import GROUP_NAMES
from harness.core.errors import ConfigError

PLAIN = re.compile(r"[A-Za-z_][\w./-]*")
"""Text that Hydra's grammar accepts without quotes, unless it is in ``MEANING``."""
MEANING = ("true", "false", "null", "nan", "inf")


def words_of(overrides: Sequence[str], settings: Mapping[str, Any], sweeping: bool = False) -> list[str]:
    r"""Returns the overrides of a call.

    Args:
        overrides: Given as on the command line.
        settings: Given as keywords. Two underscores stand for a dot; a mapping holds the keys of a section, and the choice of a
            group as ``name``.
        sweeping: Whether a list stands for the values of a sweep; otherwise it is one value.

    Returns:
        Overrides as on the command line.

    Raises:
        ConfigError: An override is not text, or a value cannot be written in a configuration.

    >>> words_of(["seed=1"], {"backend": "onnx", "dataset__limit": 2, "dataset.init_box": (1, 2, 30, 40), "objective": None})
    ['seed=1', 'backend=onnx', 'dataset.limit=2', 'dataset.init_box=[1,2,30,40]', 'objective=null']
    >>> words_of([], {"tracker": {"name": "smat", "weights": "random"}, "hydra__run__dir": "my runs/it's one"})
    ['tracker=smat', 'tracker.weights=random', "hydra.run.dir='my runs/it\\'s one'"]
    >>> words_of([], {"backend": ["torch", "onnx"], "threads": [1, 2]}, sweeping=True)
    ['backend=torch,onnx', 'threads=1,2']
    """
    for text in overrides:
        if not isinstance(text, str) or (not text.startswith("~") and "=" not in text):
            raise ConfigError(f"{text!r} is not a setting; give 'key=value' as text, or key=value as a keyword.")
    words = list(overrides)
    for key, value in settings.items():
        words += _words(key.replace("__", "."), value, sweeping)
    return words


def _words(key: str, value: Any, sweeping: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        rest = dict(value)
        if key in GROUP_NAMES and "name" in rest:
            yield from _words(key, rest.pop("name"), sweeping)
        for name, item in rest.items():
            yield from _words(f"{key}.{name}".replace("__", "."), item, sweeping)
    elif sweeping and isinstance(value, list):
        if not value:
            raise ConfigError(f"{key} is an empty list; a sweep needs at least one value of it.")
        yield f"{key}={','.join(text_of(item, key) for item in value)}"
    else:
        yield f"{key}={text_of(value, key)}"


def text_of(value: Any, key: str = "a setting") -> str:
    """Returns a value in Hydra's grammar, which reads it back as the same value. Raises ConfigError.

    >>> [text_of(value) for value in (True, None, 0.5, "fp16", "true", "a,b", [1, "x y"], {"a": 1})]
    ['true', 'null', '0.5', 'fp16', "'true'", "'a,b'", "[1,'x y']", '{a:1}']
    """
    if hasattr(value, "item") and callable(value.item) and not hasattr(value, "__len__"):
        value = value.item()  # a NumPy number
    if hasattr(value, "tolist"):
        value = value.tolist()  # an array
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, (str, os.PathLike)):
        return _text(os.fspath(value), key)
    if isinstance(value, (list, tuple)):
        return f"[{','.join(text_of(item, key) for item in value)}]"
    if isinstance(value, Mapping):
        items = [f"{_name(name)}:{text_of(item, key)}" for name, item in value.items()]
        return "{" + ",".join(items) + "}"
    raise ConfigError(
        f"{key} is of type {type(value).__name__}; accepted: text, a number, True, False, None, a path, and lists and mappings of them."
    )


def _name(name: Any) -> str:
    """Returns a mapping's key, which Hydra's grammar accepts only without quotes."""
    return re.sub(r"([\\()\[\]{}:=,'\"\s])", r"\\\1", str(name))


def _text(text: Any, key: str) -> str:
    if not isinstance(text, str):
        raise ConfigError(f"{key} is bytes; give text.")
    if "\n" in text or "\x00" in text:
        raise ConfigError(f"{key} holds a line break or a zero byte; a setting is one line of text.")
    if PLAIN.fullmatch(text) and text.lower() not in MEANING:
        return text
    # within quotes a backslash is an escape only before a quote; here the final quote follows
    inside = re.sub(r"(\\*)'", lambda found: f"{found[1] * 2}\\'", text)
    inside = re.sub(r"(\\+)$", lambda found: found[1] * 2, inside)
    return f"'{inside}'"
