"""Finds entries of the catalogue of metrics: by name, by pattern, in order, and by the place where they are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from harness.core.errors import ConfigError
from harness.core.interfaces import Metric, Need, Place


class Catalog:
    """Entries by name or pattern.

    Args:
        entries: The metrics, in the order in which they are shown.

    Raises:
        ConfigError: Two entries have the same name.
    """

    def __init__(self, entries: Iterable[Metric]) -> None:
        self._entries = tuple(entries)
        self._exact: dict[str, Metric] = {}
        for entry in self._entries:
            if entry.name in self._exact:
                raise ConfigError(f"two entries of the catalogue of metrics are named {entry.name!r}; rename one.")
            self._exact[entry.name] = entry
        self._patterns = [
            (re.compile(re.escape(entry.name).replace(r"\*", "([^/]+)")), entry)
            for entry in self._entries
            if entry.pattern
        ]
        self._place = {entry.name: index for index, entry in enumerate(self._entries)}

    def __iter__(self) -> Iterator[Metric]:
        return iter(self._entries)

    def find(self, name: str) -> Metric | None:
        """Finds the entry of the metric ``name``.

        If a pattern describes it, the entry gets the metric's own name and title.

        Args:
            name: A metric's name as in results.json, such as ``fps`` or ``realtime/30/ao``.

        Returns:
            The entry, or None if the catalogue has none.
        """
        entry = self._exact.get(name)
        if entry is not None and not entry.pattern:
            return entry
        for pattern, found in self._patterns:
            match = pattern.fullmatch(name)
            if match:
                parts = match.groups()
                return replace(
                    found,
                    name=name,
                    title=found.title.format(*parts),
                    meaning=found.meaning.format(*parts),
                    entry=found.name,
                )
        return None

    def get(self, name: str) -> Metric:
        """Like ``find``, but returns a plain entry for a metric that no entry describes."""
        return self.find(name) or Metric(name, name, "", "", 4, "other", f"the task's own figure {name}")

    def order(self, names: Iterable[str]) -> list[str]:
        """``names`` in the catalogue's order (numbers in names by size); those without an entry last, by name."""

        def rank(name: str) -> tuple[int, list[tuple[int, float, str]]]:
            found = self.find(name)
            return (len(self._entries) if found is None else self._place[found.entry or found.name], natural(name))

        return sorted(set(names), key=rank)

    def shown(self, place: Place, names: Iterable[str]) -> list[Metric]:
        """The metrics among ``names`` that are shown at ``place``, in the catalogue's order."""
        found = [self.get(name) for name in self.order(names)]
        return [entry for entry in found if place in entry.places]

    def needing(self, need: Need, names: Iterable[str]) -> list[str]:
        """Those of ``names`` that need ``need``, in the order given."""
        return [name for name in names if (entry := self.find(name)) is not None and need in entry.needs]


def natural(name: str) -> list[tuple[int, float, str]]:
    """A key to sort names by in which ``realtime/30/ao`` comes before ``realtime/120/ao``."""
    parts = re.split(r"(\d+(?:\.\d+)?)", name)
    return [(0, float(part), "") if index % 2 else (1, 0.0, part) for index, part in enumerate(parts)]
