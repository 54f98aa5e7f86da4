"""The operations of a search: compose, prepare, load, track, measure, log. Tests replace them with stand-ins."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from harness.core.errors import SkipJob, tolerated
from harness.core.files import write_json
from harness.core.results import Results
from harness.jobs import compose, finishing, runner, turns
from harness.jobs.children import ensure_prepared
from harness.jobs.experiment import build_experiment
from harness.jobs.sweep import log_parent
from harness.jobs.task import log_job
from harness.jobs.turns import Entrant, Standing, Turns
from harness.jobs.worker import JOB_FILE
from harness.machine.environment import thread_budget
from harness.publish import mlflow as mlflow_log
from harness.scoring.compared import Comparison

Say = Callable[[str], None]


class Lab(Protocol):
    """A machine on which candidates are measured."""

    def now(self) -> float:
        """Seconds of a monotonic clock."""
        ...

    def compose(self, words: Sequence[str]) -> dict[str, Any]:
        """Composes the configuration of overrides. Raises ConfigError."""
        ...

    def devices(self) -> list[str]:
        """The devices of this machine, as values of ``device=``."""
        ...

    def threads(self) -> int:
        """The thread budget."""
        ...

    def check(self, config: dict[str, Any]) -> None:
        """Raises HarnessError if the parts of a configuration do not fit each other or this machine."""
        ...

    def entrant(self, name: str, config: dict[str, Any], overrides: list[str], folder: Path) -> Entrant:
        """Prepares a candidate for turns. Raises HarnessError if it cannot be run."""
        ...

    def standing(self, entrants: Sequence[Entrant], lost: dict[str, str]) -> AbstractContextManager[list[Standing]]:
        """Loads the entrants side by side; those that cannot be loaded are put into ``lost`` with the reason."""
        ...

    def round(self, ways: Sequence[Standing], number: int, seconds: float) -> Turns:
        """Runs one round of turns. Raises HarnessError if the process of an entrant ended."""
        ...

    def measure(self, job: runner.Job) -> Results:
        """Measures a job in full; finished results are kept."""
        ...

    def report(self, found: Comparison, folder: Path, title: str, call: str, say: Say) -> None:
        """Writes the report."""
        ...

    def publish(self, sweep: Path, jobs: Sequence[Path], config: dict[str, Any], failed: bool, say: Say) -> None:
        """Draws and logs the jobs and the search as a whole."""
        ...


class Machine:
    """This computer.

    Args:
        devices: Returns the devices of this machine.
        config_dir: A further folder of YAML groups.
    """

    def __init__(self, devices: Callable[[], list[str]], config_dir: str | None = None) -> None:
        self._devices, self._config_dir = devices, config_dir
        self._composed: dict[tuple[str, ...], dict[str, Any]] = {}

    def now(self) -> float:
        """The monotonic clock."""
        return time.monotonic()

    def compose(self, words: Sequence[str]) -> dict[str, Any]:
        """Composes by Hydra; each list of overrides only once."""
        key = tuple(words)
        if key not in self._composed:
            self._composed[key] = compose.make_plan(list(words), False, self._config_dir, []).jobs[0][1]
        return self._composed[key]

    def devices(self) -> list[str]:
        """The devices that the runtimes report."""
        return self._devices()

    def threads(self) -> int:
        """The number of threads that CPU affinity and the control group allow."""
        return thread_budget()

    def check(self, config: dict[str, Any]) -> None:
        """Builds the parts of the job, which checks them."""
        build_experiment(config)

    def names(self, config: dict[str, Any]) -> list[str]:
        """The sequences that a configuration uses."""
        return build_experiment(config).dataset.used_names()

    def shared(self, config: dict[str, Any], other: dict[str, Any]) -> dict[str, str]:
        """Sequences of the first configuration that the second uses too, by name or by content."""
        return build_experiment(config).dataset.shared_with(build_experiment(other).dataset)

    def entrant(self, name: str, config: dict[str, Any], overrides: list[str], folder: Path) -> Entrant:
        """Builds the parts and prepares the model, in a child process."""
        experiment = build_experiment(config)
        if not experiment.task.takes_turns():
            raise SkipJob("its task is not measured in turns")
        write_json(folder / JOB_FILE, {"config": config, "overrides": overrides, "name": name, "varied": {}})
        ensure_prepared(experiment, folder)
        return Entrant(name, folder, experiment.threads)

    def standing(self, entrants: Sequence[Entrant], lost: dict[str, str]) -> AbstractContextManager[list[Standing]]:
        """Starts a process for each entrant."""
        return turns.standing(entrants, lost)

    def round(self, ways: Sequence[Standing], number: int, seconds: float) -> Turns:
        """Runs every entrant twice, the second time in reverse order."""
        found = Turns([way.name for way in ways])
        turns.add_round(found, ways, seconds, number)
        return found

    def measure(self, job: runner.Job) -> Results:
        """Measures in a child process."""
        return runner.run_job(job)

    def report(self, found: Comparison, folder: Path, title: str, call: str, say: Say) -> None:
        """Writes the report of a sweep; a failure is only a warning, because the answer is known."""
        with tolerated("warning: the report could not be made", say):
            from harness.report.summary import write_comparison

            write_comparison(found, folder, title, call)

    def publish(self, sweep: Path, jobs: Sequence[Path], config: dict[str, Any], failed: bool, say: Say) -> None:
        """Logs to MLflow; a failure is only a warning."""
        for folder in jobs:
            if Results.load(folder).status == "ok" and not (folder / finishing.PLOTS).is_dir():
                finishing.draw(folder)
            log_job(folder, sweep)
        with tolerated("warning: the search is not logged to MLflow", say):
            log_parent(sweep, mlflow_log.target_of(config), failed)
