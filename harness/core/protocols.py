"""The protocols by which a track is scored, and how a data set's setting chooses among them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.errors import ConfigError

PROTOCOLS = {
    "got10k": "GOT-10k's: frames pooled, the first left out (ao, sr50, sr75)",
    "ope": "one-pass evaluation: means over sequences (auc, op50, op75, precision20, norm_precision20)",
}
"""Every protocol with its description."""


def protocol_names(given: str | Sequence[str] | None, known: Sequence[str]) -> tuple[str, ...]:
    """Returns the protocols that ``dataset.protocol`` names, or the first of ``known`` if it names none.

    Raises ConfigError for a protocol by which the data set cannot be scored.
    """
    if given is None:
        return tuple(known[:1])
    names = [given] if isinstance(given, str) else list(given)
    for name in names:
        if name not in known:
            raise ConfigError(
                f"dataset.protocol is {name!r}; accepted: {', '.join(known)}, a list of them, or null for {known[0]}."
            )
    if not names:
        raise ConfigError(f"dataset.protocol is an empty list; accepted: {', '.join(known)}, or null for {known[0]}.")
    return tuple(dict.fromkeys(names))
