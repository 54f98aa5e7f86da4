"""The state of a search for a configuration, kept on disk so that a search that was killed can continue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError, DataError
from harness.core.files import read_record, write_json
from harness.core.schema import as_type
from harness.scoring.turns import Round

STATE_FILE = "recommend.json"
HEAT_KEYS, ROUND_KEYS = frozenset({"numbers", "done"}), frozenset({"heat", "seconds", "tail", "quiet"})


@dataclass(frozen=True)
class Request:
    """The request of a search.

    Attributes:
        fixed: Overrides that hold for all candidates.
        search: Name of the search space.
        maximize: Metrics that should be high.
        minimize: Metrics that should be low.
        require: Conditions that must hold, in the grammar of the gates.
        minutes: Time limit of the whole search.
        seed: Seed of random choices: the order in which candidates race, and which ones of a large space do.
        config_dir: A further folder of YAML groups.
    """

    fixed: tuple[str, ...] = ()
    search: str = "default"
    maximize: tuple[str, ...] = ()
    minimize: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    minutes: float = 15.0
    seed: int = 0
    config_dir: str | None = None

    def plain(self) -> dict[str, Any]:
        """Returns the request as JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


@dataclass
class Entry:
    """A candidate and its status.

    ``status``: ``waiting``, ``racing``, ``dropped`` (with the ``reason``), ``finalist``. ``kind`` identifies what it
    computes: the digest of its boxes on a few video clips. ``beaten``: it was dropped for its speed, as is every
    candidate with the same effective settings. ``place`` is its folder below that of the search, once it is a finalist.
    """

    number: int
    settings: list[list[str]]
    status: str = "waiting"
    reason: str = ""
    kind: str = ""
    in_force: str = ""
    beaten: bool = False
    place: str = ""

    @property
    def name(self) -> str:
        """The candidate's name in messages."""
        return " ".join(f"{key}={value}" for key, value in self.settings)

    @property
    def overrides(self) -> list[str]:
        """The settings as overrides for Hydra."""
        return [f"{key}={value}" for key, value in self.settings]

    @property
    def options(self) -> dict[str, str]:
        """Its settings by key."""
        return dict(self.settings)

    def drop(self, reason: str) -> None:
        """Takes it out of the race."""
        self.status, self.reason = "dropped", reason


@dataclass
class State:
    """The whole search: its request, candidates and measurements.

    ``heats``: the candidates of each heat by number, and whether it has ended. ``rounds``: the rounds of the race, each
    with its heat. ``accuracy``: kind -> the folder of the run in parallel mode that measures its accuracy.
    ``inaccurate``: the candidates dropped for their accuracy, the fastest first. ``final``: the rounds of the final.
    """

    request: dict[str, Any]
    entries: list[Entry] = field(default_factory=list)
    rounds: list[dict[str, Any]] = field(default_factory=list)
    heats: list[dict[str, Any]] = field(default_factory=list)
    raced: bool = False
    accuracy: dict[str, str] = field(default_factory=dict)
    inaccurate: list[int] = field(default_factory=list)
    final: list[dict[str, Any]] = field(default_factory=list)
    spent_s: float = 0.0
    answer: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Writes the state atomically; on a single line, because it is written after every step."""
        write_json(folder / STATE_FILE, {"schema": 1, **vars(self), "entries": [vars(entry) for entry in self.entries]}, indent=None)

    @classmethod
    def load(cls, folder: Path, request: Request) -> State | None:
        """Reads the state in ``folder``; None if there is none.

        Raises:
            ConfigError: It belongs to another request.
            DataError: It is damaged.
        """
        if not (folder / STATE_FILE).is_file():
            return None
        path, remedy = folder / STATE_FILE, "start a new search in another folder"
        found: State = as_type(cls, read_record(path), path, remedy)
        for name, items, keys in (("heats", found.heats, HEAT_KEYS), ("rounds", found.rounds, ROUND_KEYS)):
            lacking = next((keys - item.keys() for item in items if not keys <= item.keys()), None)
            if lacking:
                raise DataError(f"{path} is damaged ({name} lack {', '.join(sorted(lacking))}); {remedy}.")
        if {**found.request, "minutes": 0} != {**request.plain(), "minutes": 0}:
            raise ConfigError(f"{folder} holds a search with other settings; choose another folder, or give the same words.")
        return found

    def alive(self) -> list[Entry]:
        """The candidates that may still win."""
        return [entry for entry in self.entries if entry.status != "dropped"]

    def entry(self, number: int) -> Entry:
        """A candidate by its number."""
        return next(item for item in self.entries if item.number == number)

    def race_rounds(self, heat: int | None = None) -> list[Round]:
        """The rounds of the race or of one heat, with candidates named by their numbers."""
        return [Round(item["seconds"], bool(item["quiet"])) for item in self.rounds if heat is None or item["heat"] == heat]

    def tails(self, names: Sequence[str]) -> dict[str, float]:
        """Returns each candidate's 99th percentile in the race, in seconds (median over rounds).

        Infinity without rounds.
        """
        found: dict[str, list[float]] = {name: [] for name in names}
        for item in self.rounds:
            for name, value in item["tail"].items():
                found.setdefault(name, []).append(float(value))
        return {name: sorted(values)[len(values) // 2] if values else float("inf") for name, values in found.items()}
