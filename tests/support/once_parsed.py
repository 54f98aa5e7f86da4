"""Lets YAML that was read before be read no more: commands compose their configurations from the same fifteen files again and again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

from omegaconf import OmegaConf


@contextlib.contextmanager
def read_once() -> Iterator[None]:
    """Inside of it the same text is parsed once; what is made of it is made anew each time. Faulty text is read as ever."""
    kept: dict[str, Any] = {}
    usual = OmegaConf.load

    def load(file: Any) -> Any:
        if not hasattr(file, "read"):
            return usual(file)
        text = file.read()
        if text not in kept:
            file.seek(0)
            found = usual(file)
            if not OmegaConf.is_dict(found) or not found:
                return found
            kept[text] = OmegaConf.to_container(found, resolve=False)
        return OmegaConf.create(kept[text])

    with mock.patch.object(OmegaConf, "load", load):
        yield
