"""The call of a run, kept in its folder so that ``resume`` can continue it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError, DataError
from harness.core.files import read_record, write_json

LAST = Path("outputs/last.json")
COMMAND_FILE = "command.json"
COMPARING = "turns."
"""Keys that change how jobs are compared, not what they measure; if only these are given, all else stays as it was."""
PLACES = ("hydra.run.dir", "hydra.sweep.dir")


@dataclass(frozen=True)
class Call:
    """The words of a user's call.

    Attributes:
        overrides: Overrides in Hydra's grammar.
        multirun: Whether a sweep is requested.
        config_dir: A further folder of YAML groups (absolute).
        words: The whole command line, for records; by default the overrides.
    """

    overrides: tuple[str, ...] = ()
    multirun: bool = False
    config_dir: str | None = None
    words: tuple[str, ...] = field(default=())

    def value(self, key: str) -> str | None:
        """Returns the value to which the call sets ``key``, or None."""
        return next((plain_value(text.partition("=")[2]) for text in self.overrides if key_of(text) == key), None)


def key_of(override: str) -> str:
    """Returns the key or group of an override: ``+a.b=1`` -> ``a.b``."""
    return override.lstrip("+~").partition("=")[0]


def varied_keys(jobs: Sequence[Sequence[str]]) -> list[str]:
    """Returns the keys whose values differ between the overrides of jobs, in the order of the command line."""
    values: dict[str, set[str]] = {}
    for overrides in jobs:
        for text in overrides:
            values.setdefault(key_of(text), set()).add(text.partition("=")[2])
    return [key for key, found in values.items() if len(found) > 1]


def plain_value(text: str) -> str:
    """Returns a value without the quotes and backslashes that Hydra's grammar needs around special characters."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    return re.sub(r"\\([^\w\s])", r"\1", text)


def quoted(path: str | Path) -> str:
    """Returns a path as a value of Hydra's grammar, with any characters; ``unquoted`` reverses it.

    In quotes, the grammar reads a backslash as an escape only if a quote follows.
    """
    text = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), str(path))
    return f"'{text}'"


def unquoted(text: str) -> str:
    """Returns the text that a quoted value of Hydra's grammar stands for; an unquoted value is returned unchanged."""
    if len(text) < 2 or text[0] not in "'\"" or text[-1] != text[0]:
        return text
    return re.sub(rf"(\\+)(?={text[0]}|$)", lambda found: "\\" * (len(found[1]) // 2), text[1:-1])


def continued(call: Call) -> Call:
    """Turns ``resume=last`` or ``resume=FOLDER`` into the call that continues in that folder.

    Raises:
        DataError: There is no such run.
    """
    wanted = call.value("resume") or "off"
    if wanted == "off":
        return call
    if wanted == "last":
        if not LAST.is_file():
            raise DataError(f"resume=last: no run is recorded in {LAST}; give a run's folder or leave resume out.")
        wanted = str(last_folder(LAST))
    folder = Path(wanted)
    if not (folder / COMMAND_FILE).is_file():
        raise DataError(
            f"resume={wanted}: that is not a run's folder (it has no {COMMAND_FILE}); give one under outputs/."
        )
    record = _read_call(folder / COMMAND_FILE)
    own = [text for text in call.overrides if key_of(text) != "resume"]
    if all(key_of(text).startswith(COMPARING) for text in own):
        own = [*record["overrides"], *own]
        call = replace(call, multirun=bool(record["multirun"]), config_dir=record["config_dir"])
    own = [text for text in own if key_of(text) not in ("resume", *PLACES)]
    return replace(call, overrides=(*own, *(f"{key}={quoted(folder)}" for key in ("resume", *PLACES))))


def check_kind(folder: Path, multirun: bool) -> None:
    """Raises ConfigError if a sweep would continue in the folder of a single run, or the other way round."""
    kept = bool(_read_call(folder / COMMAND_FILE)["multirun"]) if (folder / COMMAND_FILE).is_file() else multirun
    if kept != multirun:
        kinds = ("a sweep", "a single run") if kept else ("a single run", "a sweep")
        raise ConfigError(
            f"resume={folder}: that folder holds {kinds[0]}, and these settings make {kinds[1]}; give resume={folder} alone, or all the "
            f"settings of {kinds[0]}{' with -m' if kept else ''}."
        )


def _read_call(path: Path) -> dict[str, Any]:
    """Reads the call that a folder keeps and checks its types, because users may edit files. Raises DataError."""
    found = read_record(path)
    overrides, config_dir = found.get("overrides"), found.get("config_dir")
    words = isinstance(overrides, list) and all(isinstance(text, str) for text in overrides)
    if not words or not isinstance(found.get("multirun"), bool) or not (config_dir is None or isinstance(config_dir, str)):
        raise DataError(f"{path} is not as a run writes it (overrides: a list of words, multirun, config_dir); begin a new run.")
    return found


def last_folder(path: Path) -> Path:
    """Returns the folder of the last run, which ``last.json`` names. Raises DataError."""
    found = read_record(path).get("folder")
    if not isinstance(found, str) or not found or "\0" in found:
        raise DataError(f"{path} names no folder of a run; give the folder itself.")
    return Path(found)


def record(call: Call, folder: Path, multirun: bool) -> None:
    """Writes what ``resume`` needs: the call in the run's folder, and which run was the last.

    Args:
        call: The call as given; a call that resumes does not change the folder's first record.
        folder: The folder of the run or sweep.
        multirun: Whether it is a sweep, which may also be decided by a recipe.
    """
    if (call.value("resume") or "off") == "off" or not (folder / COMMAND_FILE).is_file():
        said = {"words": list(call.words), "overrides": list(call.overrides), "multirun": multirun}
        write_json(folder / COMMAND_FILE, {**said, "config_dir": call.config_dir})
    write_json(LAST, {"folder": str(folder.resolve())})
