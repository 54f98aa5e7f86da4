"""Hydra's global state, which is restored after each call for callers who use Hydra themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import setup_globals
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.version import VersionBase, setbase
from omegaconf.basecontainer import BaseContainer

from harness.core import plugins
from harness.core.errors import ConfigError, told

VERSION = "1.3"
"""The behaviour of Hydra that the harness is written for."""


@contextmanager
def own_state() -> Iterator[None]:
    """Resets Hydra to its initial state with the behaviour of ``VERSION``; afterwards restores the caller's state."""
    running, config, base = GlobalHydra.instance(), HydraConfig.instance(), VersionBase.instance()
    before = running.hydra, config.cfg, base.version_base
    resolvers = dict(BaseContainer._resolvers)
    running.clear()
    setbase(VERSION)
    setup_globals()
    try:
        yield
    finally:
        running.hydra, config.cfg, base.version_base = before
        BaseContainer._resolvers.clear()
        BaseContainer._resolvers.update(resolvers)


class PluginSearchPath(SearchPathPlugin):  # type: ignore[misc]
    """Adds the YAML folders of other packages' products to Hydra's search path, after the harness's own."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Appends the folders ``conf/`` of installed plug-ins after the harness's own."""
        for folder in plugins.conf_folders():
            search_path.append("harness-plugin", f"file://{folder}")


@contextmanager
def registered() -> Iterator[None]:
    """Adds the harness's search-path plug-in to those that Hydra finds in the namespace ``hydra_plugins``."""
    try:
        known = Plugins.instance().plugin_type_to_subclass_list[SearchPathPlugin]
        nested = PluginSearchPath in known
        Plugins.instance().register(PluginSearchPath)
    except Exception as error:  # whatever somebody's plug-in raises while Hydra imports it
        raise ConfigError(
            f"a plug-in of Hydra cannot be loaded ({told(error)}); update or uninstall the package that puts it into hydra_plugins."
        ) from error
    try:
        yield
    finally:
        if not nested:
            known.remove(PluginSearchPath)
