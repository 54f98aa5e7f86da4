"""What a search for a configuration has found so far, kept on disk, so that one that was killed goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError, DataError
from harness.core.files import read_record, write_json
from harness.scoring.turns import Round

STATE_FILE = "recommend.json"


@dataclass(frozen=True)
class Request:
    """What a person asks for.

    Attributes:
        fixed: Overrides that hold for all candidates.
        search: Name of the search space.
        maximize: Metrics that should be high.
        minimize: Metrics that should be low.
        require: Conditions that must hold, in the grammar of the gates.
        minutes: For all of it.
        seed: Of what is drawn: the order in which candidates race, and which of a large space do.
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
        """As JSON has it."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


@dataclass
class Entry:
    """A candidate and what became of it.

    ``status``: ``waiting``, ``racing``, ``dropped`` (with the ``reason``), ``finalist``. ``kind`` is what it computes: the digest of its
    boxes on a few pieces of video. ``beaten``: it was dropped for its speed, and so is whatever is the same in force. ``place`` is its folder below the search's, once it is a finalist.
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
        """For people."""
        return " ".join(f"{key}={value}" for key, value in self.settings)

    @property
    def overrides(self) -> list[str]:
        """As Hydra takes them."""
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
    """The whole search: its request, candidates, and all that was measured.

    ``heats``: the candidates of each heat by number, and whether it has ended. ``rounds``: those of the race, each with its heat.
    ``accuracy``: kind -> the folder of the run in parallel mode that tells its accuracy; ``inaccurate``: those dropped for it, the
    fastest first. ``final``: the rounds of the final.
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
        """Writes it, atomically."""
        write_json(folder / STATE_FILE, {"schema": 1, **asdict(self)})

    @classmethod
    def load(cls, folder: Path, request: Request) -> State | None:
        """The state in ``folder``, or None where there is none.

        Raises:
            ConfigError: It belongs to another request.
            DataError: It is damaged.
        """
        if not (folder / STATE_FILE).is_file():
            return None
        raw = read_record(folder / STATE_FILE)
        try:
            entries = [Entry(**item) for item in raw["entries"]]
            found = cls(
                dict(raw["request"]), entries, list(raw["rounds"]), list(raw["heats"]), bool(raw["raced"]), dict(raw["accuracy"]),
                list(raw["inaccurate"]), list(raw["final"]), float(raw["spent_s"]), dict(raw["answer"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{folder / STATE_FILE} is damaged ({error!r}); start a new search in another folder.") from error
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
        """The rounds of the race or of one heat, candidates named by their numbers."""
        return [Round(item["seconds"], bool(item["quiet"])) for item in self.rounds if heat is None or item["heat"] == heat]

    def tails(self, names: Sequence[str]) -> dict[str, float]:
        """The longest hundredth of each candidate's frames in the race, in seconds (median over rounds); infinite without any."""
        found: dict[str, list[float]] = {name: [] for name in names}
        for item in self.rounds:
            for name, value in item["tail"].items():
                found.setdefault(name, []).append(float(value))
        return {name: sorted(values)[len(values) // 2] if values else float("inf") for name, values in found.items()}
