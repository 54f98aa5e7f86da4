"""The candidates of a search space, limited to the settings that the user fixed and the devices of this machine.

A space (``conf/search/NAME.yaml``) is a list of branches; each maps keys to the values to try. Keys of one backend are
only in its branch, so that no combination without sense is tried.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.core.errors import ConfigError

MOST_CANDIDATES = 2000
SPREADING = ("auto", "multi", "hetero")
"""Devices that stand for others, so that no runtime lists them."""
THREADS = "max"
"""The word for all threads of the budget."""


@dataclass(frozen=True)
class Candidate:
    """One configuration: its settings by key, in the order of the space."""

    number: int
    settings: tuple[tuple[str, str], ...]

    @property
    def overrides(self) -> list[str]:
        """The settings as overrides for Hydra."""
        return [f"{key}={value}" for key, value in self.settings]

    @property
    def name(self) -> str:
        """The candidate's name in messages."""
        return " ".join(f"{key}={value}" for key, value in self.settings)


def candidates(section: Mapping[str, Any], fixed: Mapping[str, str], threads: int, devices: Sequence[str]) -> list[Candidate]:
    """All configurations of a search space.

    Args:
        section: ``search`` of the configuration: ``branches``, a list of mappings from key to values.
        fixed: Settings of the user: these keys stay as they are, and branches without that value are left out.
        threads: The budget, for the value ``max``.
        devices: Names of the devices of this machine (``cpu``, ``gpu``, ...).

    Returns:
        The candidates without duplicates, in the order of the space.

    Raises:
        ConfigError: The section is malformed, or nothing is left.
    """
    seen: dict[tuple[tuple[str, str], ...], None] = {}
    for place, branch in enumerate(_branches(section)):
        options = _options(branch, fixed, threads, devices, place)
        if options is None:
            continue
        for values in itertools.product(*options.values()):
            seen.setdefault(tuple(zip(options, values, strict=True)))
            if len(seen) > MOST_CANDIDATES:
                raise ConfigError(f"search: the space has over {MOST_CANDIDATES} candidates; fix some keys, or choose a smaller space.")
    if not seen:
        raise ConfigError(_why_empty(section, fixed, devices))
    return [Candidate(number, settings) for number, settings in enumerate(seen)]


def _why_empty(section: Mapping[str, Any], fixed: Mapping[str, str], devices: Sequence[str]) -> str:
    """Returns a sentence on a space of which nothing is left: every branch is for devices that are not here, or keys are fixed."""
    tried = [[_word(item, 1) for item in branch.get("device", ["cpu"])] for branch in _branches(section)]
    wanted = list(dict.fromkeys(word for words in tried for word in words))
    if not set(wanted) & {*devices, *SPREADING}:
        return (
            f"search: this space is for {', '.join(wanted)}, and the runtimes see {', '.join(devices)} here "
            "(python -m harness devices lists them); choose another space."
        )
    given = ", ".join(f"{key}={value}" for key, value in fixed.items())
    return f"search: no candidate is left with {given or 'the devices of this machine'}; fix fewer keys, or choose another space."


def _branches(section: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = section.get("branches")
    if not isinstance(found, list) or not found or not all(isinstance(item, Mapping) and item for item in found):
        raise ConfigError("search.branches is not a list of mappings from key to values; see conf/search/default.yaml.")
    return found


def _options(
    branch: Mapping[str, Any], fixed: Mapping[str, str], threads: int, devices: Sequence[str], place: int
) -> dict[str, list[str]] | None:
    """Returns key -> values to try, without fixed keys.

    None if the branch does not fit the fixed keys or the devices.
    """
    options: dict[str, list[str]] = {}
    for key, values in branch.items():
        if not isinstance(values, list) or not values:
            raise ConfigError(f"search.branches[{place}].{key} is {values!r}; accepted: a list of values.")
        words = [_word(value, threads) for value in values]
        if key == "device":
            words = [word for word in words if word in devices or word in SPREADING]
        if key in fixed:
            if fixed[key] not in words and "." not in key and key != "threads":
                return None
            continue
        if not words:
            return None
        options[str(key)] = list(dict.fromkeys(words))
    return options


def _word(value: Any, threads: int) -> str:
    if value == THREADS:
        return str(threads)
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)
