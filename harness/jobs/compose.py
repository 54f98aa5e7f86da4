"""What a command line asks for: its jobs' configurations, composed by Hydra before anything runs, and Hydra's complaints
in our words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.config import conf_folder, suggestion
from harness.core.errors import ConfigError
from harness.core.options import choices_with, open_tables
from harness.jobs import launchers

HYDRA_FLAGS = ("--cfg", "-c", "--info", "-i", "--resolve", "--package", "-p")


@dataclass
class Plan:
    """What a command line asks for: its jobs' overrides and configurations, before anything has run."""

    words: list[str]
    multirun: bool
    jobs: list[tuple[list[str], dict[str, Any]]]
    varied: list[str]
    folder: str = ""
    timed: bool = False
    """Whether ``folder``, where it is to write, is named by the time: a name that another command may choose too."""
    launcher: str = launchers.BASIC
    skips: dict[int, str] = field(default_factory=dict)


def split_words(words: Sequence[str]) -> tuple[list[str], list[str], bool, str | None]:
    """(overrides, Hydra's flags, multirun, config dir) of a command line."""
    overrides, flags, multirun, config_dir = [], [], False, None
    rest = iter(words)
    for word in rest:
        if word in ("-m", "--multirun"):
            multirun = True
        elif word in ("--config-dir", "-cd"):
            config_dir = next(rest, None)
        elif word.startswith("--config-dir="):
            config_dir = word.partition("=")[2]
        elif word in HYDRA_FLAGS:
            flags.append(word)
            if word not in ("--resolve",):
                flags.append(next(rest, ""))
        elif word.startswith("-"):
            raise ConfigError(
                f"{word} is no option of the harness; options: -m (sweep), -v (tracebacks), --config-dir DIR, --help."
            )
        else:
            overrides.append(word)
    if config_dir is not None and not Path(config_dir).is_dir():
        raise ConfigError(f"--config-dir {config_dir} is not a folder; give the folder that holds your YAML groups.")
    return overrides, flags, multirun, str(Path(config_dir).resolve()) if config_dir else None


def make_plan(overrides: list[str], multirun: bool, config_dir: str | None, words: list[str]) -> Plan:
    """Composes every job of the command line. Raises ConfigError in one sentence."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    search = [f"hydra.searchpath=[file://{config_dir}]"] if config_dir else []
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=str(conf_folder()), version_base="1.3"):
        try:
            plain, swept = _split_sweeps(overrides)
            root = compose("config", overrides=[*search, *plain, *_first_of(swept)], return_hydra_config=True)
            mode = str(root.hydra.mode or "").rsplit(".", 1)[-1]
            multirun = multirun or mode == "MULTIRUN"
            if swept and not multirun:
                raise ConfigError(f"{swept[0]} names several values, which makes a sweep; add -m to run one.")
            if multirun:
                plain = _with_sweeper_params(root, plain, swept)
                batches = _expand(plain)
            else:
                batches = [plain]
            jobs = []
            for batch in batches:
                composed = compose("config", overrides=[*search, *batch])
                jobs.append((batch, resolved(composed)))
            place = root.hydra.sweep if multirun else root.hydra.run
            timed = "${now:" in str(OmegaConf.to_container(place, resolve=False)["dir"])
            folder = str(place.dir)
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(in_our_words(error)) from error
    launcher = str(root.hydra.launcher.get("_target_") or launchers.BASIC)
    if multirun:
        launchers.check(OmegaConf.to_container(root.hydra.launcher, resolve=False))  # type: ignore[arg-type]
    return Plan(words, multirun, jobs, _varied(jobs) if multirun else [], folder, timed, launcher)


def resolved(composed: Any) -> dict[str, Any]:
    from omegaconf import OmegaConf

    container = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def _split_sweeps(overrides: list[str]) -> tuple[list[str], list[str]]:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    plain: list[str] = []
    swept: list[str] = []
    for text, parsed in zip(overrides, OverridesParser.create().parse_overrides(overrides), strict=True):
        (swept if parsed.is_sweep_override() else plain).append(text)
    return plain, swept


def _first_of(swept: list[str]) -> list[str]:
    return _expand(swept)[0] if swept else []


def _expand(overrides: list[str]) -> list[list[str]]:
    """The jobs that Hydra's basic sweeper makes of ``overrides``, in its order."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides(overrides)
    return [list(batch) for group in BasicSweeper.split_arguments(parsed, None) for batch in group]


def _with_sweeper_params(root: Any, plain: list[str], swept: list[str]) -> list[str]:
    """Adds the sweep that a recipe states in ``hydra.sweeper.params``, where the command line does not override it."""
    params = root.hydra.sweeper.get("params") or {}
    given = {key_of(text) for text in (*plain, *swept)}
    return [*(f"{key}={value}" for key, value in params.items() if key not in given), *plain, *swept]


def key_of(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]


def _varied(jobs: list[tuple[list[str], dict[str, Any]]]) -> list[str]:
    """The keys whose values differ between jobs, in the order of the command line."""
    values: dict[str, set[str]] = {}
    for batch, _ in jobs:
        for text in batch:
            values.setdefault(key_of(text), set()).add(text.partition("=")[2])
    return [key for key, found in values.items() if len(found) > 1]


def in_our_words(error: Exception) -> str:
    """Hydra's complaint as one sentence: what, what is accepted, what to do."""
    text = " ".join(str(error).split())
    engine = re.search(r"hydra/launcher/(submitit_\w+|joblib)", text)
    if engine:
        return f"this launcher needs Hydra's {engine.group(1)} plugin, which is not installed; {launchers.INSTALL}."
    choice = re.search(r"Could not find '([^']+)/([^'/]+)'", text)
    if choice:
        group, word = choice.groups()
        accepted = _choices(text, error)
        if accepted:
            return f"{group}={word} is unknown{suggestion(word, accepted)}; accepted: {', '.join(accepted)}."
    key = re.search(r"Could not override '([^']+)'|Key '([^']+)' is not in struct", text)
    if key:
        word = next(item for item in key.groups() if item)
        if table := _table(word):
            return f"{table} takes entries by name, and a new one needs a plus: +{table}.NAME=VALUE."
        if owners := choices_with(word):
            group = word.partition(".")[0]
            return (
                f"{word} is a key of {' and '.join(f'{group}={name}' for name in owners)} and not of the {group} that is chosen "
                f"here; choose {'that' if len(owners) == 1 else 'one of them'}, or leave the key out."
            )
        return f"there is no key {word!r}{_closest_key(word)}; python -m harness --help lists groups and keys."
    text = text.split(" Config search path")[0].rstrip(".")
    return f"the command line cannot be understood: {text}; python -m harness --help shows how settings are given."


def _choices(text: str, error: Exception) -> list[str]:
    """The group's choices, as Hydra lists them in its message."""
    lines = str(error).splitlines()
    for index, line in enumerate(lines):
        if line.startswith("Available options in"):
            names = []
            for item in lines[index + 1 :]:
                if not item.startswith("\t"):
                    break
                names.append(item.strip())
            return names
    return []


def _table(word: str) -> str | None:
    """The open table that ``word`` is, or is an entry of: one that Hydra lets nobody fill without a plus."""
    return next((key for key in open_tables() if word == key or word.startswith(f"{key}.")), None)


def _closest_key(word: str) -> str:
    from harness.core.options import known_keys

    keys = known_keys()
    close = difflib.get_close_matches(word, keys, n=1)
    if not close:  # the right key in the wrong group
        close = [key for key in keys if key.rpartition(".")[2] == word.rpartition(".")[2]][:1]
    return f" (did you mean {close[0]!r}?)" if close else ""
