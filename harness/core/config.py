"""Builds checked objects from plain mappings: every part of the harness is a dataclass built from its YAML section.

A section names its class in ``target`` (``package.module.Class``); the other keys are the class's fields. So a new
tracker, backend, data set or task is a module and a YAML file, and there is no registry to edit.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
import math
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from harness.core import plugins
from harness.core.errors import ConfigError, HarnessError, told
from harness.core.files import at_home
from harness.core.words import shown

T = TypeVar("T")

LARGEST_WHOLE = 2**63 - 1
"""The largest whole number of a setting; runtimes and random generators take no larger ones."""


def load_class(target: str, base: type[T], where: str) -> type[T]:
    """Returns the class named by ``package.module.Class``, which must derive from ``base``. Raises ConfigError."""
    module_name, _, class_name = target.rpartition(".")
    if not all(part.isidentifier() for part in target.split(".")) or not module_name:
        raise ConfigError(f"{where}.target is {target!r}; a class is named as package.module.Class.")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{where}.target names module {module_name!r}, but {error.name!r} is not found; put it on the Python path "
            f"(the current folder is on it: {Path.cwd()})."
        ) from error
    except HarnessError:
        raise
    except (Exception, SystemExit) as error:  # whatever a user's own module raises
        raise ConfigError(f"{where}.target names module {module_name!r}, whose import failed: {told(error)}.") from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type) or not issubclass(found, base):
        raise ConfigError(f"{where}.target: {target} is not a {base.__name__}; name a class that derives from it.")
    if inspect.isabstract(found):
        lacking = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        raise ConfigError(f"{where}.target: {target} lacks {lacking}, which every {base.__name__} needs; define it.")
    return found


def build(section: Mapping[str, Any], base: type[T], where: str) -> T:
    """Builds the object that ``section`` describes and checks every field's type. Raises ConfigError.

    ``where`` is the section's place in the configuration (``tracker``), used in errors.
    """
    cls = class_of(section, base, where)
    if not dataclasses.is_dataclass(cls):
        raise ConfigError(f"{where}.target: {cls.__module__}.{cls.__qualname__} is not a dataclass; its fields are its settings.")
    return construct(cls, {key: value for key, value in section.items() if key != "target"}, where)


def class_of(section: Mapping[str, Any], base: type[T], where: str) -> type[T]:
    """Returns the class that ``section`` names, without building an object. Raises ConfigError.

    A section without ``target`` takes the class of the installed plug-in with its ``name``.
    """
    target = section.get("target") if isinstance(section, Mapping) else None
    if isinstance(target, str):
        return load_class(target, base, where)
    plugin = _plugin(section, where)
    if plugin is None:
        raise ConfigError(f"{where} has no target; a section needs target: package.module.Class.")
    return load_class(plugin.target.replace(":", "."), base, where)


def _plugin(section: Any, where: str) -> plugins.Plugin | None:
    """Returns the plug-in that a section without ``target`` means; ``where`` is the singular form of the role."""
    role, name = f"{where}s", section.get("name") if isinstance(section, Mapping) else None
    return plugins.find(role, name) if role in plugins.ROLES and isinstance(name, str) else None


def construct(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Returns ``cls(**values)``, with types checked against the dataclass's annotations. Raises ConfigError."""
    try:
        hints = typing.get_type_hints(cls)
    except (NameError, TypeError, AttributeError) as error:
        raise ConfigError(f"{where}: an annotation of {cls.__module__}.{cls.__qualname__} cannot be read: {error}.") from error
    known = {item.name: item for item in dataclasses.fields(cls) if item.init}  # type: ignore[arg-type]
    arguments = {}
    for key, value in values.items():
        if key not in known:
            if key == "name":
                continue
            raise ConfigError(f"{where} has no key {key!r}{suggestion(key, known)}; keys: {', '.join(sorted(known))}.")
        arguments[key] = check(value, hints[key], f"{where}.{key}")
    for name, item in known.items():
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        if required and name not in arguments:
            raise ConfigError(f"{where}.{name} is missing; it has no default.")
    try:
        instance = cls(**arguments)
    except HarnessError:
        raise
    except Exception as error:  # whatever a user's own __post_init__ raises
        raise ConfigError(f"{where}: {cls.__module__}.{cls.__qualname__} cannot be made: {told(error)}.") from error
    if "name" in values and "name" not in known:
        # The name comes from the YAML file; one class may be used under several names (smat, smat_demo).
        object.__setattr__(instance, "name", str(values["name"]))
    return instance


def check(value: Any, hint: Any, where: str) -> Any:
    """Returns ``value`` as type ``hint``.

    Converts only if nothing is lost (int to float, str to Path, list to tuple).
    """
    _check_usable(value, where)
    origin = typing.get_origin(hint)
    if origin is Literal:
        return _check_literal(value, typing.get_args(hint), where)
    if origin in (typing.Union, types.UnionType):
        return _check_union(value, typing.get_args(hint), where)
    if origin in (list, tuple) or (origin is not None and issubclass(origin, (Iterable,))):
        return _check_container(value, origin, typing.get_args(hint), where)
    return _check_plain(value, hint, where)


def _check_usable(value: Any, where: str) -> None:
    """Raises ConfigError for a value that no setting can take and that would fail only deep inside a library."""
    if isinstance(value, str) and "\0" in value:
        raise ConfigError(f"{where} contains a zero byte, which no name and no path may have; leave it out.")
    if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        raise ConfigError(f"{where} is too large; accepted: whole numbers up to {LARGEST_WHOLE}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where} is {value}; accepted: finite numbers.")


def _check_literal(value: Any, accepted: tuple[Any, ...], where: str) -> Any:
    if value not in accepted or isinstance(value, bool) != any(
        item is value for item in accepted if isinstance(item, bool)
    ):
        words = ", ".join(str(item) for item in accepted)
        raise ConfigError(f"{where} is {shown(value)}{suggestion(value, accepted)}; accepted: {words}.")
    return value


def _check_union(value: Any, options: tuple[Any, ...], where: str) -> Any:
    if value is None and type(None) in options:
        return None
    # bool before int before float: the narrowest type that fits wins
    for option in options:
        try:
            return check(value, option, where)
        except ConfigError:
            continue
    raise ConfigError(f"{where} is {shown(value)}; accepted: {' or '.join(_type_name(option) for option in options)}.")


def _check_container(value: Any, origin: Any, arguments: tuple[Any, ...], where: str) -> Any:
    if isinstance(value, Mapping) and issubclass(origin, Mapping):
        return dict(value)
    if isinstance(value, (list, tuple)) and not issubclass(origin, Mapping):
        inner = arguments[0] if arguments else Any
        items = [check(item, inner, f"{where}[{index}]") for index, item in enumerate(value)]
        return tuple(items) if origin is tuple else items
    raise ConfigError(f"{where} is {shown(value)}; accepted: {_type_name(origin)}.")


def _check_plain(value: Any, hint: Any, where: str) -> Any:
    if hint is Any:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Path and isinstance(value, str):
        return at_home(value)
    if isinstance(hint, type) and isinstance(value, hint) and not (isinstance(value, bool) and hint is not bool):
        return value
    raise ConfigError(f"{where} is {shown(value)}; accepted: {_type_name(hint)}.")


_TYPE_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "a word",
    bool: "true or false",
    Path: "a path",
    list: "a list",
    tuple: "a list",
    type(None): "null",
    dict: "a mapping",
}


def _type_name(hint: Any) -> str:
    if typing.get_origin(hint) is Literal:
        return " or ".join(str(item) for item in typing.get_args(hint))
    return _TYPE_WORDS.get(typing.get_origin(hint) or hint, str(hint))


def suggestion(word: Any, known: Iterable[Any]) -> str:
    """Returns `` (did you mean 'x'?)`` if a similar word is known, otherwise an empty string."""
    close = difflib.get_close_matches(str(word), [str(item) for item in known], n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


MOST = 1_000_000
"""The largest count or number of seconds of any setting; a job with more would never end."""
MOST_AT_ONCE = 4096
"""The largest number of things that run at once (requests, streams, workers), each of which takes memory."""


def at_least(value: float | None, least: float, where: str, most: float = MOST) -> None:
    """Raises ConfigError if ``value`` is given and below ``least`` or above ``most``."""
    if value is not None and not least <= value <= most:
        raise ConfigError(f"{where} is {value}; accepted: {least} to {most}.")


def conf_folder() -> Path:
    """Returns the folder of the shipped configuration: inside the package (wheel) or beside it (checkout)."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise ConfigError(f"the configuration folder is missing beside {package}; reinstall the package.")


def python_path() -> str:
    """Returns PYTHONPATH for child processes, so that they can import what this process can."""
    seen: dict[str, None] = {}
    for entry in [str(Path(__file__).resolve().parents[2]), *sys.path]:
        if entry != "" and not entry.endswith(".zip"):
            seen.setdefault(str(Path(entry).resolve()))
        elif entry == "":
            seen.setdefault(str(Path.cwd()))
    return ":".join(seen)
