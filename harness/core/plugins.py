"""Products of other packages, found by their entry points, and the modules of one of the harness's own packages.

A package adds to the harness by an entry point in the group ``harness.<role>`` of its metadata::

    [project.entry-points."harness.backends"]
    mine = "my_package.backend:Mine"

Finding a plug-in reads metadata and imports nothing; ``Plugin.load`` imports. The YAML files of a product lie in the
folder ``conf/`` of the package (``my_package/conf/backend/mine.yaml``), which is added to Hydra's search path.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError

ROLES = ("backends", "trackers", "datasets", "tasks", "metrics", "sections", "commands")
CONF = "conf"


@dataclass(frozen=True)
class Plugin:
    """An entry point of another package.

    Attributes:
        role: What it adds: one of ``ROLES``.
        name: The name by which users choose it.
        target: ``package.module:object``.
        package: The distribution that it belongs to.
    """

    role: str
    name: str
    target: str
    package: str

    def load(self) -> Any:
        """Imports the object.

        Returns:
            What ``target`` names: a class, a module, a metric or a list of metrics, as the role wants it.

        Raises:
            ConfigError: The module cannot be imported, or has no such object.
        """
        module, _, attributes = self.target.partition(":")
        try:
            found = importlib.import_module(module.strip())
            for attribute in filter(None, attributes.strip().split(".")):
                found = getattr(found, attribute)
        except Exception as error:  # whatever another package raises while it is imported
            raise ConfigError(
                f"the plug-in {self.name!r} (harness.{self.role}) of package {self.package} cannot be loaded "
                f"({type(error).__name__}: {error}); update or uninstall {self.package}."
            ) from error
        return found


def found(role: str) -> tuple[Plugin, ...]:
    """The plug-ins of a role, by name.

    Args:
        role: One of ``ROLES``.

    Raises:
        ConfigError: Two packages use the same name.
    """
    if role not in ROLES:
        raise ValueError(f"unknown role {role!r}; roles: {', '.join(ROLES)}")
    return _found(tuple(sys.path))[role]


def find(role: str, name: str) -> Plugin | None:
    """The plug-in ``name`` of a role, or None."""
    return next((plugin for plugin in found(role) if plugin.name == name), None)


def conf_folders() -> tuple[Path, ...]:
    """The folders ``conf/`` of all packages that have a plug-in, in the order of their names. Imports nothing."""
    packages = sorted({plugin.target.partition(":")[0].strip().partition(".")[0] for role in ROLES for plugin in found(role)})
    return tuple(folder for package in packages for folder in _conf_of(package))


def modules_in(package: str) -> dict[str, str]:
    """Returns the modules and packages directly in a package, as name -> full module name. Imports none of them.

    Args:
        package: For example ``harness.backends``.
    """
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec else []
    names = sorted(item.name for item in pkgutil.iter_modules(places))
    return {name: f"{package}.{name}" for name in names}


@functools.lru_cache(maxsize=1)
def _found(path: tuple[str, ...]) -> dict[str, tuple[Plugin, ...]]:
    """Returns all plug-ins of the packages on ``path``, which is ``sys.path``.

    If it changes, packages are searched again.
    """
    del path
    entries = metadata.entry_points()
    return {role: _of_role(role, entries.select(group=f"harness.{role}")) for role in ROLES}


def _of_role(role: str, entries: metadata.EntryPoints) -> tuple[Plugin, ...]:
    plugins: dict[str, Plugin] = {}
    for entry in entries:
        plugin = Plugin(role, entry.name, entry.value, entry.dist.name if entry.dist else "unknown")
        other = plugins.setdefault(plugin.name, plugin)
        if other.target != plugin.target:
            raise ConfigError(
                f"the packages {other.package} and {plugin.package} both add {plugin.name!r} to harness.{role}; "
                "uninstall one of them."
            )
    return tuple(plugins[name] for name in sorted(plugins))


def _conf_of(package: str) -> list[Path]:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    places = list(spec.submodule_search_locations or []) if spec else []
    return [folder for place in places if (folder := Path(place) / CONF).is_dir()]
