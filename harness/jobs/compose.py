"""The configurations of a call's jobs, composed by Hydra before anything runs.

Hydra is used through its own classes, so that its sweepers, launchers, callbacks and search-path plug-ins work. Each
configuration is composed once: the sweep's launcher gets the configurations that were composed here.
"""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, configure_log, run_job
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from harness.core import yaml_files
from harness.core.config import conf_folder
from harness.core.errors import ConfigError, HarnessError
from harness.jobs import launchers, privacy
from harness.jobs.complaints import about_anything, in_our_words, with_quotes
from harness.jobs.hydra_state import own_state, registered
from harness.jobs.paths import anchored
from harness.jobs.resume import key_of, quoted, varied_keys

CONFIG_NAME = "config"
KEPT_JOBS = 200
"""The most composed configurations of a sweep that are kept; further ones are composed again, to save memory."""
BASIC_SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


class OnceLoader(ConfigLoaderImpl):  # type: ignore[misc]
    """Hydra's loader; it returns the configurations of a sweep's jobs that were composed before the sweep began."""

    def __init__(self, config_search_path: ConfigSearchPath) -> None:
        super().__init__(config_search_path)
        self.kept: dict[tuple[str, ...], DictConfig] = {}

    def load_configuration(self, *arguments: Any, **options: Any) -> DictConfig:
        """Composes a configuration without passwords in addresses, because Hydra writes configurations to files."""
        return privacy.without_secrets(super().load_configuration(*arguments, **options))

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """Returns the configuration of one job: a copy of the kept one, or a newly composed one."""
        kept = self.kept.get(tuple(sweep_overrides))
        if kept is not None:
            return copy.deepcopy(kept)
        return privacy.without_secrets(super().load_sweep_config(master_config, sweep_overrides))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "kept": {}}  # a launcher's process gets the loader, not all of the sweep


class Lightened(Callback):  # type: ignore[misc]
    """Drops the configurations of finished jobs that Hydra keeps until a sweep ends: a megabyte each, never read."""

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **rest: Any) -> None:
        """Called after the job and after every other callback."""
        del config, rest
        job_return.cfg = job_return.hydra_cfg = None


@dataclass
class Composed:
    """Hydra's side of a plan: the loader, and the configuration of the whole call with its node ``hydra``."""

    hydra: Any
    loader: OnceLoader
    root: DictConfig


@dataclass
class Plan:
    """The plan of a call: its jobs' overrides and configurations, before anything has run.

    Attributes:
        words: The command line as it was given.
        multirun: Whether it is a sweep.
        jobs: (overrides, resolved configuration) of each job; empty if a sweeper chooses jobs while it runs
            (``known``).
        varied: The keys whose values differ between jobs; if a sweeper chooses jobs, those that it was asked to vary.
        given: The keys that the call sets for all jobs alike.
        sweeper: Class of the sweeper.
        folder: Where the call writes.
        timed: Whether ``folder`` is named after the time; another command may choose the same name.
        launcher: Class of the launcher.
        skips: Jobs (by number) whose settings make no sense together, with the reason.
        folders: Each job's folder, relative to the sweep's.
        known: Whether ``jobs`` holds all jobs of the call.
        config: The resolved configuration of the call itself, without what a sweep varies.
        composed: Hydra's side of it.
    """

    words: list[str]
    multirun: bool
    jobs: list[tuple[list[str], dict[str, Any]]]
    varied: list[str]
    folder: str = ""
    timed: bool = False
    given: list[str] = field(default_factory=list)
    sweeper: str = BASIC_SWEEPER
    launcher: str = launchers.BASIC
    skips: dict[int, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    known: bool = True
    config: dict[str, Any] = field(default_factory=dict)
    composed: Composed | None = field(default=None, repr=False)


def make_plan(overrides: list[str], multirun: bool, config_dir: str | None, words: list[str]) -> Plan:
    """Composes every job of a call.

    Args:
        overrides: As Hydra takes them: ``key=value``, ``group=choice``, ``+key=value``, ``~key``.
        multirun: Whether a sweep is requested; a recipe may make the call a sweep too.
        config_dir: A further folder of YAML groups.
        words: The command line, for the sweep's record.

    Raises:
        ConfigError: The call cannot be composed; the message is one sentence.
    """
    with hydra_of(config_dir) as (hydra, loader), our_words(config_dir):
        root = _root(loader, overrides, multirun)
        swept = _swept(loader, overrides)
        multirun = multirun or root.hydra.mode == RunMode.MULTIRUN
        if swept and not multirun:
            raise ConfigError(
                f"{swept[0]} names several values, which makes a sweep; add -m to run one (from Python: harness.sweep), or put it in quotes if it is one value: "
                f"{with_quotes(swept[0])}."
            )
        mode = RunMode.MULTIRUN if multirun else RunMode.RUN
        if root.hydra.mode != mode:
            root.hydra.mode = mode
            root.hydra.overrides.hydra.append(f"hydra.mode={mode.name}")  # the sweep's jobs are composed with it
        place = root.hydra.sweep if multirun else root.hydra.run
        timed = "${now:" in str(OmegaConf.to_container(place, resolve=False)["dir"])  # type: ignore[call-overload]
        plan = Plan(words, multirun, [], [], str(place.dir), timed, composed=Composed(hydra, loader, root))
        plan.launcher = str(root.hydra.launcher.get("_target_") or launchers.BASIC)
        if multirun:
            launchers.check(OmegaConf.to_container(root.hydra.launcher, resolve=False))  # type: ignore[arg-type]
            _add_jobs(plan, overrides)
        else:
            plan.jobs = [(overrides, job_config(root, Path(plan.folder)))]
        plan.config = plan.jobs[0][1] if plan.jobs else _as_far_as_known(root)
    return plan


def compose_root(config_dir: str | None, overrides: list[str]) -> DictConfig:
    """The configuration of a single run, with its node ``hydra``. Raises ConfigError."""
    with hydra_of(config_dir) as (_, loader), our_words(config_dir):
        return loader.load_configuration(CONFIG_NAME, overrides, RunMode.RUN)


@contextmanager
def hydra_of(config_dir: str | None = None) -> Iterator[tuple[Any, OnceLoader]]:
    """Opens Hydra on the shipped configuration, that of plug-ins and ``config_dir``.

    Restores its global state afterwards.
    """
    _check_names(config_dir)
    with own_state(), registered():
        search_path = create_config_search_path(str(conf_folder()))
        if config_dir:
            search_path.prepend("command-line", f"file://{os.path.abspath(config_dir)}", SearchPathQuery(provider="schema"))
        assert isinstance(search_path, ConfigSearchPathImpl)
        loader = OnceLoader(search_path)
        hydra = Hydra("harness", loader)
        GlobalHydra.instance().initialize(hydra)
        yield hydra, loader


def _check_names(config_dir: str | None) -> None:
    """Raises ConfigError for a folder whose path, kept in the configuration, Hydra would read as an interpolation."""
    for what, folder in (("the current folder", os.getcwd()), ("--config-dir", config_dir or "")):
        if "${" in folder:
            raise ConfigError(f"{what} is {folder}: Hydra takes ${{...}} for a variable; rename the folder, or run in another one.")


@contextmanager
def our_words(config_dir: str | None = None) -> Iterator[None]:
    """Turns any error of Hydra, OmegaConf or the YAML reader into a ConfigError, which names a broken file."""
    if config_dir:
        yaml_files.check_folder(Path(config_dir))
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        broken = yaml_files.fault_below(Path(config_dir)) if config_dir else ""
        known = isinstance(error, (HydraException, OmegaConfBaseException))
        said = f"{broken}." if broken else in_our_words(error) if known else about_anything(error)
        raise ConfigError(said) from error


def _root(loader: OnceLoader, overrides: list[str], multirun: bool) -> DictConfig:
    """Composes the call's configuration. A recipe for a sweep may leave open what a single run must choose."""
    mode = RunMode.MULTIRUN if multirun else RunMode.RUN
    try:
        return loader.load_configuration(CONFIG_NAME, overrides, mode, validate_sweep_overrides=multirun)
    except HydraException:
        if multirun:
            raise
        root = loader.load_configuration(CONFIG_NAME, overrides, RunMode.MULTIRUN, validate_sweep_overrides=False)
        if root.hydra.mode != RunMode.MULTIRUN:
            raise
        return root


def _swept(loader: OnceLoader, overrides: list[str]) -> list[str]:
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(overrides)
    return [text for text, item in zip(overrides, parsed, strict=True) if item.is_sweep_override()]


def _add_jobs(plan: Plan, overrides: list[str]) -> None:
    """Adds the composed jobs that Hydra's own sweeper will launch; other sweepers choose their jobs while they run."""
    assert plan.composed is not None
    root, loader = plan.composed.root, plan.composed.loader
    swept = _swept(loader, overrides)
    plan.sweeper = str(root.hydra.sweeper.get("_target_"))
    plan.given = [key_of(text) for text in overrides if text not in swept]
    if plan.sweeper != BASIC_SWEEPER:
        plan.known, plan.varied = False, [key_of(text) for text in (*_params(root), *swept)]
        return
    task = OmegaConf.to_container(root.hydra.overrides.task, resolve=False)
    parsed = OverridesParser.create(config_loader=loader).parse_overrides([*_params(root), *task])  # type: ignore[misc]
    batches = [list(batch) for group in BasicSweeper.split_arguments(parsed, None) for batch in group]
    for number, batch in enumerate(batches):
        composed = loader.load_sweep_config(root, batch)
        with open_dict(composed.hydra.job):
            composed.hydra.job.num = composed.hydra.job.id = number
        plan.folders.append(str(composed.hydra.sweep.subdir))
        plan.jobs.append((batch, job_config(composed, Path(plan.folder) / plan.folders[-1])))
        if number < KEPT_JOBS:
            loader.kept[tuple(batch)] = composed
    twice = next((name for name in plan.folders if plan.folders.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"hydra.sweep.subdir names the folder {twice!r} for several jobs of the sweep; use ${{hydra.job.num}} in it.")
    plan.varied = varied_keys([batch for batch, _ in plan.jobs])


def _params(root: DictConfig) -> list[str]:
    """Returns the sweep that a recipe defines in ``hydra.sweeper.params``, as overrides."""
    params = root.hydra.sweeper.get("params") or {}
    return [f"{key}={value}" for key, value in params.items()]


def job_config(composed: DictConfig, folder: Path) -> dict[str, Any]:
    """The resolved configuration of one job, ``${hydra:...}`` included.

    Args:
        composed: The job's configuration with its node ``hydra``.
        folder: Where the job will write.
    """
    with read_write(composed.hydra.runtime), open_dict(composed.hydra.runtime):
        composed.hydra.runtime.output_dir = os.path.abspath(folder)
    HydraConfig.instance().set_config(composed)
    try:
        found = _without_hydra(composed)
    finally:
        OmegaConf.set_readonly(composed.hydra, False)
    return anchored(found, Path(composed.hydra.runtime.cwd)) if composed.hydra.job.chdir else found


def _without_hydra(composed: DictConfig) -> dict[str, Any]:
    own = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    OmegaConf.copy_cache(from_config=composed, to_config=own)
    return resolved(own)


def _as_far_as_known(root: DictConfig) -> dict[str, Any]:
    """The sections that do not depend on what a sweeper will choose."""
    found = {}
    for key in root:
        with contextlib.suppress(OmegaConfBaseException):
            if key != "hydra" and OmegaConf.is_config(section := root[key]):
                found[str(key)] = OmegaConf.to_container(section, resolve=True, throw_on_missing=True)
    return found


def resolved(composed: Any) -> dict[str, Any]:
    """A composed configuration as plain values.

    Raises:
        MissingMandatoryValue: A key has no value.
    """
    container = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    assert isinstance(container, dict)
    return privacy.plain_without_secrets({str(key): value for key, value in container.items()})


def settle(plan: Plan, folder: Path) -> None:
    """Makes the plan write to ``folder``, even if ``${now:...}`` has another value in another process."""
    assert plan.composed is not None
    key = "hydra.sweep.dir" if plan.multirun else "hydra.run.dir"
    plan.folder = str(folder)
    for config in (plan.composed.root, *plan.composed.loader.kept.values()):
        OmegaConf.update(config, key, plan.folder)
    plan.composed.root.hydra.overrides.hydra.append(f"{key}={quoted(folder)}")


def launch(plan: Plan, task: TaskFunction) -> None:
    """Runs the plan's job or jobs through Hydra: its callbacks, sweeper and launcher, working folder and environment.

    Args:
        plan: The result of ``make_plan``.
        task: Called for each job with its configuration, possibly in a process of the launcher.
    """
    assert plan.composed is not None
    composed = plan.composed
    config = composed.root
    with own_state():
        GlobalHydra.instance().initialize(composed.hydra)
        callbacks = Callbacks(config)
        callbacks.callbacks.insert(0, Lightened())  # on_job_end runs in reverse order, so this one is last
        context = HydraContext(composed.loader, callbacks)
        configure_log(config.hydra.hydra_logging, config.hydra.verbose)
        if plan.multirun:
            callbacks.on_multirun_start(config=config, config_name=CONFIG_NAME)
            sweeper = Plugins.instance().instantiate_sweeper(config=config, hydra_context=context, task_function=task)
            sweeper.sweep(OmegaConf.to_container(config.hydra.overrides.task, resolve=False))  # type: ignore[arg-type]
            callbacks.on_multirun_end(config=config, config_name=CONFIG_NAME)
        else:
            callbacks.on_run_start(config=config, config_name=CONFIG_NAME)
            done = run_job(task, config, "hydra.run.dir", None, context)
            callbacks.on_run_end(config=config, config_name=CONFIG_NAME, job_return=done)
            _ = done.return_value  # raises the job's exception


@dataclass(frozen=True)
class Place:
    """Hydra's information about the running job.

    Attributes:
        folder: Where the job writes (absolute).
        base: The folder that the call was made in (absolute).
        sweep: The sweep's folder (absolute), or None.
        number: The job's number in its sweep, or 0.
        overrides: The job's overrides.
        launcher: The launcher's configuration.
        chdir: Whether the job works in its own folder.
    """

    folder: Path
    base: Path
    sweep: Path | None
    number: int
    overrides: list[str]
    launcher: dict[str, Any]
    chdir: bool


def this_place() -> Place:
    """Returns Hydra's information about the running job; must be called in its process."""
    found = HydraConfig.get()
    base = Path(found.runtime.cwd)
    sweep = base / found.sweep.dir if found.mode == RunMode.MULTIRUN else None
    return Place(
        folder=Path(found.runtime.output_dir),
        base=base,
        sweep=sweep,
        number=int(found.job.num) if sweep else 0,
        overrides=[str(text) for text in found.overrides.task],
        launcher=resolved(found.launcher),
        chdir=bool(found.job.chdir),
    )
