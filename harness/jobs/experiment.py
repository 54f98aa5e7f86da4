"""One validated job: its parts, built from the configuration, and whether they fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.config import LARGEST_WHOLE, at_least, build, construct, suggestion
from harness.core.errors import ConfigError
from harness.core.interfaces import Artifact, Backend, Dataset, Task, TrackerSpec
from harness.core.options import choices
from harness.core.plugins import modules_in
from harness.core.words import shown
from harness.machine.environment import thread_budget
from harness.prepare import specification
from harness.prepare.plan import QuantizationJob, Quantizer, Settings, Step, lookup, plan
from harness.scoring.budget import target_of


@dataclass
class Experiment:
    """The parts of a job. Building one checks everything that can be checked without running a network."""

    config: Mapping[str, Any]
    tracker: TrackerSpec
    backend: Backend
    dataset: Dataset
    task: Task
    quantizer: Quantizer
    settings: Settings
    threads: int
    seed: int
    _step: Step | None = field(default=None, repr=False)

    @property
    def cache(self) -> Path:
        """The folder of prepared models."""
        return Path(self.settings.cache)

    def step(self) -> Step:
        """The plan whose last step makes the artifact of this job."""
        if self._step is None:
            job = self.quantization_job()
            step = plan(self.quantizer.tracker(job), self.backend, self.settings, self.seed)
            self._step = self.quantizer.add(step, job)
        return self._step

    def quantization_job(self) -> QuantizationJob:
        """The data and settings that the quantiser may use."""
        return QuantizationJob(self.tracker, self.backend, self.config, self.threads, self.seed)

    def prepared(self) -> Artifact | None:
        """The artifact if it is in the cache, else None."""
        return lookup(self.step(), self.cache)

    def random_weights(self) -> bool:
        """Whether the tracker's weights are random, so that only its speed means something."""
        return self.tracker.random_weights


def build_experiment(config: Mapping[str, Any]) -> Experiment:
    """Builds and checks a job. Raises ConfigError, SkipJob, DataError, WeightsError."""
    threads = thread_count(config.get("threads"))
    seed = config.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= LARGEST_WHOLE:
        raise ConfigError(f"seed is {shown(seed)}; accepted: a whole number from 0 to {LARGEST_WHOLE}.")
    target_of(config)
    _check_recipe(config.get("recipe"))
    settings = construct(Settings, _section(config, "prepare"), "prepare")
    task = build(_section(config, "task"), Task, "task")
    backend = build(backend_section(config, task, threads, settings.cache), Backend, "backend")
    tracker = build(_section(config, "tracker"), TrackerSpec, "tracker")
    specification.check(tracker)
    quantizer = build(_section(config, "quantization"), Quantizer, "quantization")
    if isinstance(cache := _section(config, "dataset").get("cache", "."), str) and not cache.strip():
        raise ConfigError("dataset.cache is empty; give a folder, as dataset.cache=outputs/cache.")
    dataset = build(_section(config, "dataset"), Dataset, "dataset")
    task.check(config, tracker, dataset)
    experiment = Experiment(config, tracker, backend, dataset, task, quantizer, settings, threads, seed)
    quantizer.check(experiment.quantization_job())
    experiment.step()
    return experiment


def _check_recipe(recipe: Any) -> None:
    if recipe is None:
        return
    known = sorted({path.stem for path in choices("experiment")} | set(modules_in("harness.report.recipes")))
    if recipe not in known:
        raise ConfigError(f"recipe is {shown(recipe)}{suggestion(recipe, known)}; accepted: null, {', '.join(known)} (experiment=NAME sets it).")


def backend_section(config: Mapping[str, Any], task: Task, threads: int, cache: str) -> dict[str, Any]:
    """Returns the backend's section with the keys that the groups device and hint add."""
    section = dict(_section(config, "backend")) | {"threads": threads, "cache": cache}
    if task.uses_backend:
        section |= {key: value for key, value in _section(config, "device").items() if key != "name"}
        section |= {group: _name(config, group) for group in ("device", "hint")}
    return section


def thread_count(wanted: Any) -> int:
    """Returns the thread budget of the job. Raises ConfigError if the machine allows fewer threads than requested."""
    allowed = thread_budget()
    if wanted is None:
        return allowed
    if not isinstance(wanted, int) or isinstance(wanted, bool):
        raise ConfigError(
            f"threads is {shown(wanted)}; accepted: a whole number from 1 to {allowed}, or null for {allowed}."
        )
    at_least(wanted, 1, "threads")
    if wanted > allowed:
        raise ConfigError(
            f"threads is {wanted}; affinity and control group allow {allowed} here, so give at most that."
        )
    return wanted


def _name(config: Mapping[str, Any], group: str) -> str:
    """Returns the name chosen in a group that holds nothing but a choice. Raises ConfigError."""
    name = _section(config, group).get("name")
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{group}.name is {shown(name)}; choose one by {group}=NAME: {', '.join(path.stem for path in choices(group))}.")
    return name


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = config.get(name)
    if not isinstance(section, Mapping):
        raise ConfigError(f"the configuration has no section {shown(name)}; use the shipped conf/ or copy its {name} group.")
    return section
