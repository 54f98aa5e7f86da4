"""The types of the files of a run, which users may edit or receive from others; errors name the path of the wrong key.

Keys that are not named here are kept as they are: a task's own record is checked by the task (``harness.core.records``).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from harness.core.errors import DataError
from harness.core.words import shown

DEEPEST = 40
"""The most levels of nesting in a file that is read; the harness's own files have fewer than ten."""


def checked(kind: str, raw: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Returns the values of a file with their types checked.

    Args:
        kind: What the file holds: ``results``, ``sweep``, ``manifest`` (of a bundle) or ``numbers``.
        raw: What was read.
        path: The file, for the message.

    Raises:
        DataError: A value has another type; the message names the key's path.
    """
    from pydantic import ValidationError

    if depth(raw) > DEEPEST:
        raise DataError(f"{path} is nested more than {DEEPEST} levels deep; it is no file of this harness, so give another.")
    try:
        return dict(_types(kind).validate_python(dict(raw), strict=True))
    except ValidationError as error:
        first = error.errors()[0]
        where, given = ".".join(map(str, first["loc"])), shown(first.get("input"))
        raise DataError(f"{path}: {where} is {given}; {first['msg'].lower()}; restore the file, or make it again.") from error


def as_type(kind: Any, raw: Any, path: Path, remedy: str) -> Any:
    """Returns what a file holds as a type: a dataclass, or whatever else pydantic checks.

    Args:
        kind: The type.
        raw: What was read.
        path: The file, for the sentence.
        remedy: What to do if it does not fit.

    Raises:
        DataError: A value is missing or has another type; the sentence has the key's path.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(raw)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{path} is damaged ({'.'.join(map(str, first['loc']))}: {first['msg'].lower()}); {remedy}.") from error


def depth(value: Any) -> int:
    """Returns the levels of nesting of mappings and lists; counts no more than ``DEEPEST`` + 1."""
    level, deepest = [value], 0
    while level:
        deepest += 1
        if deepest > DEEPEST:
            break
        level = [
            item
            for part in level
            if isinstance(part, (dict, list))
            for item in (part.values() if isinstance(part, dict) else part)
            if isinstance(item, (dict, list))
        ]
    return deepest


@lru_cache(maxsize=4)
def _types(kind: str) -> Any:
    """Returns the validator of a kind of file; pydantic is loaded only when a file is read."""
    from pydantic import TypeAdapter

    makers: dict[str, Any] = {"results": _results, "sweep": _sweep, "manifest": _manifest, "numbers": lambda: dict[str, float | None]}
    return TypeAdapter(makers[kind]())


def _mapping(name: str, types: dict[str, Any]) -> Any:
    """Returns a mapping type: these keys, if present, have these types; other keys are kept."""
    import typing_extensions
    from pydantic import ConfigDict

    make: Any = typing_extensions.TypedDict
    made = make(name, types, total=False)
    made.__pydantic_config__ = ConfigDict(extra="allow")
    return made


def _results() -> Any:
    number: Any = float | None
    text: Any = str | None
    return _mapping(
        "ResultsFile",
        {
            "id": str,
            "name": str,
            "status": Literal["ok", "failed", "skipped"],
            "config": dict[str, Any],
            "schema": int,
            "error": _mapping("Error", {"kind": text, "message": text, "exit_code": int}) | None,
            "overrides": list[str],
            "metrics": dict[str, number],
            "sequences": dict[str, dict[str, number]],
            "dataset": _mapping("DatasetOfRun", {
                "name": text, "split": text, "digest": text, "sequences": number, "frames": number, "scored_frames": number,
                "truth": bool | None,
            }),
            "scoring": _mapping("ScoringOfRun", {
                "protocol": text, "feedback": text, "truth_rule": text, "invalid_truth": number, "random_weights": bool | None,
                "mask": bool | None, "bounds": bool | None,
            }),
            "environment": _mapping("EnvironmentOfRun", {
                "machine": text, "processor": text, "features": list[Any] | None, "memory_mb": number, "versions": dict[str, Any],
            }),
            "effective": dict[str, Any],
            "artifact": _mapping("ArtifactOfRun", {
                "key": text, "format": text, "precision": text, "folder": text, "files": dict[str, str] | None, "mb": number,
            }),
            "files": list[str],
            "details": _mapping("DetailsOfRun", {
                "other_load_cores": number, "last_frame": number, "rounds": list[dict[str, number]] | None,
            }),
            "warnings": list[str],
            "started": str,
            "ended": str,
        },
    )  # fmt: skip


def _manifest() -> Any:
    text: Any = str | None
    run: Any = _mapping("RunOfBundle", {"folder": str, "id": str, "name": text, "status": text, "truth": text})
    return _mapping("ManifestFile", {"format": text, "version": int, "runs": list[run], "files": dict[str, Any]})


def _sweep() -> Any:
    text: Any = str | None
    return _mapping(
        "SweepFile",
        {
            "id": text,
            "created": text,
            "name": text,
            "call": text,
            "words": list[str] | None,
            "varied": list[str] | None,
            "given": list[str] | None,
            "count": int,
            "jobs": list[Any] | None,
            "open": bool,
        },
    )
