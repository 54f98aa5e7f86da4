"""What Hydra keeps for a whole process: put back after a call of ours, for callers who use Hydra themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from hydra.version import VersionBase, setbase
from omegaconf.basecontainer import BaseContainer

VERSION = "1.3"
"""The behaviour of Hydra that the harness is written for."""


@contextmanager
def own_state() -> Iterator[None]:
    """Inside, Hydra is as after its import, in the behaviour of ``VERSION``; afterwards it is as the caller had it."""
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
