"""Turns Hydra's errors into one sentence: what is wrong, where, what is accepted, what to do."""

from __future__ import annotations

import difflib
import re
import shlex

from harness.core.config import suggestion
from harness.core.errors import in_words
from harness.core.options import choices_with, known_keys, open_tables
from harness.core.words import shown
from harness.jobs import launchers

LONG = 300
"""Settings with more characters than this are cut in messages."""


def in_our_words(error: Exception) -> str:
    """Describes an error of Hydra or OmegaConf in one sentence.

    Args:
        error: The exception raised while the configuration was composed or resolved.
    """
    text = " ".join(str(error).split())
    override = str(getattr(error, "override", None) or "")  # set if Hydra's grammar cannot read an override
    called = "while evaluating" in text and "Unknown function" not in text  # a function such as range(...) that fails
    if override.partition("=")[2] and not called and len(override) < LONG:
        return (
            f"the command line cannot be understood at {override}: signs such as = # ( [ {{ ' mean something there; to have them in a "
            f"value, put the value in quotes: {with_quotes(override)}."
        )
    engine = re.search(r"hydra/launcher/(submitit_\w+|joblib)", text)
    if engine:
        return f"this launcher needs Hydra's {engine.group(1)} plugin, which is not installed; {launchers.INSTALL}."
    choice = re.search(r"Could not find '([^']+)/([^'/]+)'", text)
    if choice:
        group, word = choice.groups()
        accepted = _choices(error)
        if accepted:
            return f"{group}={word} is unknown{suggestion(word, accepted)}; accepted: {', '.join(accepted)}."
    key = re.search(r"Could not override '([^']+)'|Key '([^']+)' is not in struct", text)
    if key:
        return _unknown_key(next(item for item in key.groups() if item))
    unread = getattr(error, "override", None)
    if isinstance(unread, str):  # the message of Hydra's parser is not useful to users
        return (
            f"{shown(unread)} cannot be read as a setting; give it as KEY=VALUE, and put a value with signs or letters beyond "
            "ASCII into quotes of its own, as in \"KEY='VALUE'\" (python -m harness --help shows how settings are given)."
        )
    text = text.split(" Config search path")[0].split(" See https://hydra.cc")[0]
    text = re.sub(r"\b[A-Z]\w+Error(:| while| raised)", r"\1", text).replace(" :", ":").replace("  ", " ").strip().rstrip(".")[:400]
    return f"the command line cannot be understood: {text}; python -m harness --help shows how settings are given."


def with_quotes(override: str) -> str:
    """Returns an override with its value (of a list, each entry) in quotes, as it is written in a shell."""
    key, _, value = override.partition("=")
    entries = value[1:-1].split(",") if value.startswith("[") and value.endswith("]") else None
    text = _in_quotes(value) if entries is None else f"[{','.join(map(_in_quotes, entries))}]"
    return shlex.quote(f"{key}={text}") if "'" in text else f"'{key}={text}'"


def _in_quotes(value: str) -> str:
    """Returns a value quoted so that Hydra's grammar accepts any text."""
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def about_anything(error: Exception) -> str:
    """Describes errors of other classes than Hydra's: a number for a group, endless nesting, an unreadable file."""
    text = " ".join(str(error).split())
    if "Config group override" in text:
        return "a group was given a number, true or null; its choices are names, as in device=cpu (python -m harness --help lists them)."
    if isinstance(error, RecursionError):
        return "the settings are nested too deeply to be read; a few levels are enough."
    if isinstance(error, OSError):
        return f"the configuration cannot be read: {in_words(error)}"
    return f"the settings cannot be understood ({text[:200].rstrip('.')}); python -m harness --help shows how they are given."


def _unknown_key(word: str) -> str:
    if table := _table(word):
        return f"{table} takes entries by name, and a new one needs a plus: +{table}.NAME=VALUE."
    if owners := choices_with(word):
        group = word.partition(".")[0]
        return (
            f"{word} is a key of {' and '.join(f'{group}={name}' for name in owners)} and not of the {group} that is chosen "
            f"here; choose {'that' if len(owners) == 1 else 'one of them'}, or leave the key out."
        )
    return f"there is no key {word!r}{_closest_key(word)}; python -m harness --help lists groups and keys."


def _choices(error: Exception) -> list[str]:
    """Returns the group's choices as Hydra lists them in its message."""
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
    """Returns the open table that ``word`` is or belongs to; Hydra adds entries to such a table only with a plus."""
    return next((key for key in open_tables() if word == key or word.startswith(f"{key}.")), None)


def _closest_key(word: str) -> str:
    keys = known_keys()
    close = difflib.get_close_matches(word, keys, n=1)
    if not close:  # the right key in the wrong group
        close = [key for key in keys if key.rpartition(".")[2] == word.rpartition(".")[2]][:1]
    return f" (did you mean {close[0]!r}?)" if close else ""
