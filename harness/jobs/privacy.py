"""Removes passwords from addresses in composed configurations, from any source, before Hydra writes a file."""

from __future__ import annotations

from omegaconf import DictConfig, ListConfig
from omegaconf.base import Node

from harness.core import secrets


def without_secrets(config: DictConfig) -> DictConfig:
    """Returns the configuration with public addresses; the whole addresses are kept in memory.

    Args:
        config: The composed configuration; it is changed in place. Interpolations stay as they are.
    """
    todo: list[Node] = [config]
    while todo:
        node = todo.pop()
        if isinstance(node, (DictConfig, ListConfig)):
            held = node.__dict__["_content"]
            if isinstance(held, (dict, list)):
                todo += list(held.values() if isinstance(held, dict) else held)
        elif isinstance(node, Node) and isinstance(value := node._value(), str) and "://" in value:
            public = secrets.remember(value)
            if public != value:
                node.__dict__["_val"] = public
    return config


def plain_without_secrets(container: dict[str, object]) -> dict[str, object]:
    """Does the same for a resolved configuration, including values from interpolations (``${oc.env:...}``)."""
    found = secrets.hidden(container)
    assert isinstance(found, dict)
    return found


__all__ = ["plain_without_secrets", "without_secrets"]
