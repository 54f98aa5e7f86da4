"""One job as Hydra calls it, in the sweep's process or in a launcher's: run, save, log, return the objective."""

from __future__ import annotations

import contextlib
import os
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError, HarnessError, StoreError, in_words, unexpected
from harness.core.results import Results, read_sweep
from harness.core.words import shown
from harness.jobs import compose, launchers, recording, rounds, runner
from harness.jobs.beside import Beside
from harness.jobs.children import check_log
from harness.jobs.experiment import Experiment
from harness.jobs.paths import anchored
from harness.jobs.recorder import Recorder
from harness.jobs.resume import key_of, plain_value
from harness.machine.progress import say
from harness.publish import mlflow as mlflow_log

LOGGED_EVERY_S = 60.0
"""Between two moments at which a sweep that still runs is logged: logging as each job ends would double what a short one costs."""


@dataclass
class JobTask:
    """The function that Hydra calls for every job of a call. In a launcher's process its attributes are empty at first.

    Attributes:
        built: Parts of jobs that were built before the first job ran, with their configurations, by number.
        errors: Errors in this process that prevented jobs from writing a result.
        left: Folders of the sweep's jobs that ended in this process and are not logged yet.
        logged: When jobs were last logged (``time.monotonic``).
        recorder: The process that logs for this one, if there is one.
        beside: The processes beside a command whose jobs run one after the other; None if others run them.
    """

    built: dict[int, tuple[Mapping[str, Any], Experiment]] = field(default_factory=dict)
    errors: list[Exception] = field(default_factory=list)
    left: list[Path] = field(default_factory=list)
    logged: float = field(default_factory=time.monotonic)
    recorder: Recorder | None = None
    beside: Beside | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"built": {}, "errors": [], "left": [], "logged": 0.0, "recorder": None, "beside": None}

    def __call__(self, composed: Any) -> float | tuple[float, ...] | None:
        """Runs the job.

        Args:
            composed: Its configuration, composed by Hydra.

        Returns:
            Its objective (``objective``), for a sweeper that optimises; None if none is configured.
        """
        place = compose.this_place()
        with contextlib.chdir(place.base):
            config = compose.resolved(composed)
            config = anchored(config, place.base) if place.chdir else config
            job = make_job(config, place.folder, place.overrides, place.sweep, place.number)
            job.chdir, job.built = place.chdir, self._built(place.number, config)
            job.following = self.built[place.number + 1][0] if place.number + 1 in self.built else None
            results: Results | None
            try:
                results = one_job(job, place, self.beside)
                self._keep_logged(job, place)
            except Exception as error:
                results = self._ended(job, place, error)
            return objective_of(results, config)

    def _keep_logged(self, job: runner.Job, place: compose.Place) -> None:
        """Logs a sweep's jobs so far if the last time was long ago.

        Logs this job at once if others may run in parallel.

        At the end of the sweep all jobs are logged again, with their pictures and the values known only then.
        """
        if place.sweep is None or not (rounds_of(job.config) == 1 or _whole(place)):
            return
        if _apart(place):
            log_job(job.folder, place.sweep)
            return
        self.left.append(job.folder)
        if time.monotonic() - self.logged >= LOGGED_EVERY_S:
            self.log_left(place.sweep)

    def log_left(self, sweep: Path) -> None:
        """Logs the jobs that ended in this process and are not logged yet. Their pictures are drawn at the sweep's end."""
        while self.left:
            log_job(self.left.pop(0), sweep, self.recorder)
        self.logged = time.monotonic()

    def _built(self, number: int, config: Mapping[str, Any]) -> Experiment | None:
        """Returns the job's parts, once, if they were built from exactly this configuration."""
        found = self.built.pop(number, None)
        return found[1] if found is not None and found[0] == config else None

    def _ended(self, job: runner.Job, place: compose.Place, error: Exception) -> Results | None:
        """Handles a job that ended without a result: in a sweep it gets a failed result, and the sweep continues."""
        if isinstance(error, OSError):
            error = StoreError(in_words(error))
        self.errors.append(error)
        if place.sweep is None:
            return None
        said = str(error) if isinstance(error, HarnessError) else unexpected(error)
        if not isinstance(error, HarnessError):
            _keep_traceback(error, job.folder)
        say(f"error: {said}")
        with contextlib.suppress(HarnessError, OSError):
            return runner.record_failure(job, type(error).__name__, said)
        return None


def _keep_traceback(error: Exception, folder: Path) -> None:
    """Adds the traceback of an internal error to the job's log, whose last lines are in its result.

    ``-v`` prints it.
    """
    text = "".join(traceback.format_exception(error))
    if os.environ.get("HARNESS_VERBOSE"):
        say(text.rstrip())
    with contextlib.suppress(OSError, StoreError):
        folder.mkdir(parents=True, exist_ok=True)
        check_log(folder / "worker.log")
        with open(folder / "worker.log", "a", encoding="utf-8") as log:
            log.write(text)


def make_job(
    config: Mapping[str, Any], folder: Path, overrides: Sequence[str], sweep: Path | None, number: int = 0
) -> runner.Job:
    """Makes a job for the runner, named after the settings that its sweep varies."""
    chosen = {key_of(text): plain_value(text.partition("=")[2]) for text in overrides}
    record = read_sweep(sweep) if sweep else {}
    keys = [key for key in chosen if key not in record["given"]] if record.get("open") else record.get("varied", [])
    varied = {key: chosen[key] for key in keys if key in chosen}
    return runner.Job(config, folder, list(overrides), varied, sweep is not None, number, str(record.get("call", "")))


def one_job(job: runner.Job, place: compose.Place, beside: Beside | None) -> Results:
    """Runs, saves and logs one job; ``beside`` as in ``run_job``. Raises the error that prevents it from writing a result."""
    sweep = place.sweep
    record = read_sweep(sweep) if sweep else {}
    of = f"/{record['count']}" if record.get("count") else ""
    say(f"[{job.number + 1}{of}] {job.name}: {job.folder}" if sweep else f"{job.name}: {job.folder}")
    with launchers.own_cores(place.launcher if _apart(place) else {}, job.config.get("threads"), job.name):
        results = runner.run_job(job, beside)
        if _whole(place) and rounds_of(job.config) > 1:
            rounds.more_rounds([job.folder], rounds_of(job.config))
            results = Results.load(job.folder)
    if results.status != "ok" and sweep is not None and results.error:
        say(f"{results.status}: {results.error['message']}")
    if sweep is not None and not job.resumed and (cost := runner.fixed_cost(results, "its results")):
        say(cost)
    return results


def _apart(place: compose.Place) -> bool:
    """Whether the job is one of a sweep whose launcher runs jobs in other processes."""
    return place.sweep is not None and launchers.elsewhere(str(place.launcher.get("_target_")))


def _whole(place: compose.Place) -> bool:
    """Whether further rounds of a job run directly after the first, at the same place, before a sweeper gets the result."""
    return _apart(place) or (place.sweep is not None and bool(read_sweep(place.sweep).get("open")))


def rounds_of(config: Mapping[str, Any]) -> int:
    """``task.repeats`` of a configuration."""
    return int((config.get("task") or {}).get("repeats") or 1)


# ----------------------------------------------------------------------------------------- objective


def objectives(config: Mapping[str, Any]) -> list[str]:
    """The names of the metrics that a job returns to its sweeper.

    Raises:
        ConfigError: ``objective`` is neither a metric's name nor a list of them.
    """
    wanted = config.get("objective")
    names = [wanted] if isinstance(wanted, str) else [] if wanted is None else wanted
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise ConfigError(f"objective is {shown(wanted)}; accepted: a metric's name or a list, as objective=fps or objective=[fps,ao].")
    return names


def objective_of(results: Results | None, config: Mapping[str, Any]) -> float | tuple[float, ...] | None:
    """Returns a job's value for its sweeper: the metrics that ``objective`` names.

    Returns:
        A number, several if several are named, None if none is named; NaN for a job that did not succeed and for a
        metric that it does not have.
    """
    names = objectives(config)
    metrics = results.metrics if results is not None and results.status == "ok" else {}
    for name in names if metrics else ():
        if name not in metrics:
            say(f"warning: objective={name}: this job has no such metric, so its sweeper gets not a number.")
    values = tuple(float(metrics.get(name, float("nan"))) for name in names)
    return values[0] if len(values) == 1 else values or None


# -------------------------------------------------------------------------------------------- MLflow


def log_job(folder: Path, sweep: Path | None, recorder: Recorder | None = None) -> None:
    """Logs a job as its folder is. If a store cannot be reached, this is reported; the folder is complete anyway.

    Args:
        folder: The job's.
        sweep: Its sweep's, or None.
        recorder: The process that logs for this one, if there is one.
    """
    target = mlflow_log.target_of(Results.load(folder).config)
    if target.kind != "off" and (recorder is None or not recorder.log(folder, sweep)):
        recording.log(folder, sweep)
