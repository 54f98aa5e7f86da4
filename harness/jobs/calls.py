"""Running jobs without a command line: ``run`` and ``sweep`` for one kind of call, ``execute`` for either.

Calls may follow each other in one process, but must not run at the same time: Hydra keeps one configuration per
process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core import secrets
from harness.core.errors import ConfigError, HarnessError, SkipJob, reason, tolerated, unexpected
from harness.core.files import new_folder
from harness.core.results import RESULTS_FILE, Results
from harness.jobs import compose, ending, finishing, folders, launchers, resume, rounds, runner, sweep as sweeps, turns
from harness.jobs.beside import Beside
from harness.jobs.compose import Plan
from harness.jobs.ending import Show
from harness.jobs.experiment import build_experiment
from harness.jobs.recorder import Recorder
from harness.jobs.resume import Call
from harness.jobs.task import JobTask, log_job, objectives, rounds_of
from harness.machine.progress import say
from harness.publish import mlflow as mlflow_log

if TYPE_CHECKING:
    from harness.report.summary import Summary


class JobsFailed(HarnessError):
    """Jobs that could not be run although the call was correct."""


@dataclass(frozen=True)
class JobRecord:
    """The result of a job.

    Attributes:
        folder: The job's folder.
        results: The content of its ``results.json``.
        summary: Its table, if it succeeded.
        target: Where it was logged.
    """

    folder: Path
    results: Results
    target: mlflow_log.Target
    summary: Summary | None = None

    @property
    def error(self) -> str | None:
        """Why it did not succeed, or None."""
        return None if self.results.status == "ok" else str((self.results.error or {}).get("message", "the job failed"))

    @property
    def exit_code(self) -> int:
        """0, or the exit code of a command with this error."""
        return 0 if self.results.status == "ok" else int((self.results.error or {}).get("exit_code", 1))


@dataclass(frozen=True)
class SweepRecord:
    """The result of a sweep.

    Attributes:
        folder: The sweep's folder.
        jobs: The record of each job that has a result, in order.
        target: Where it was logged.
        summary: The comparison of its jobs; None if it could not be made, for which a warning was printed, or if a child
            process made it.
        error: Why the sweep could not be completed, or None.
        failed: Whether a job failed or is missing. A skipped job does not make a sweep fail.
    """

    folder: Path
    jobs: tuple[JobRecord, ...]
    target: mlflow_log.Target
    summary: Summary | None
    error: str | None = None
    failed: bool = False

    @property
    def exit_code(self) -> int:
        """0, or 1 if something failed."""
        return 1 if self.failed or self.error else 0


def run(overrides: Sequence[str] = (), config_dir: str | Path | None = None) -> JobRecord:
    """Runs one job.

    Args:
        overrides: As on the command line: ``["backend=onnx", "dataset.limit=2"]``.
        config_dir: A further folder of YAML groups.

    Returns:
        The job's record, also if the job failed (``record.error``).

    Raises:
        HarnessError: The call is wrong (ConfigError, DataError, ...), or no result could be written.
    """
    found = execute(call_of(overrides, False, config_dir))
    if isinstance(found, SweepRecord):
        raise ConfigError("these settings make a sweep; call sweep instead of run.")
    return found


def sweep(overrides: Sequence[str] = (), config_dir: str | Path | None = None) -> SweepRecord:
    """Runs a sweep: ``["backend=torch,onnx,openvino"]``.

    Args:
        overrides: As on the command line after ``-m``.
        config_dir: A further folder of YAML groups.

    Returns:
        The sweep's record, including jobs that failed or were skipped.

    Raises:
        HarnessError: The call is wrong, or no job could be run.
    """
    found = execute(call_of(overrides, True, config_dir))
    assert isinstance(found, SweepRecord)
    return found


def call_of(overrides: Sequence[str], multirun: bool, config_dir: str | Path | None) -> Call:
    """Makes a call from its parts. Raises ConfigError if ``config_dir`` is not a folder."""
    if config_dir is not None and not Path(config_dir).is_dir():
        raise ConfigError(f"--config-dir {config_dir} is not a folder; give the folder that holds your YAML groups.")
    overrides = secrets.hidden_words(overrides)
    words = (*(["-m"] if multirun else []), *overrides)
    return Call(tuple(overrides), multirun, str(Path(config_dir).resolve()) if config_dir else None, words)


def execute(call: Call, show: Show | None = None, recorder: Recorder | None = None, alone: bool = False) -> JobRecord | SweepRecord:
    """Composes, checks, runs and finishes the jobs of a call.

    Args:
        call: The requested jobs; a recipe in it may make it a sweep.
        show: Called with the folder, the table and the warnings of the summary as soon as it exists, before it is logged.
        recorder: A process that logs for this one; without it this one loads MLflow.
        alone: Whether this process is there for the call alone: then child processes make a sweep's end, and its record has no
            summary.

    Raises:
        HarnessError: The call is wrong, or no result could be written.
    """
    if "${" in str(Path.cwd()):
        raise ConfigError(f"the path of the current folder ({Path.cwd()}) contains ${{, which settings take for a reference; change to another folder.")
    wanted = resume.continued(call)
    plan = compose.make_plan(list(wanted.overrides), wanted.multirun, wanted.config_dir, list(call.words))
    task = JobTask(recorder=recorder)
    if not plan.folder.strip():
        raise ConfigError(f"hydra.{'sweep' if plan.multirun else 'run'}.dir is empty; give the folder to write to, or leave it out.")
    if resumes(wanted):
        resume.check_kind(Path(plan.folder), plan.multirun)
    check_plan(plan, task)
    if plan.timed:
        compose.settle(plan, new_folder(Path(plan.folder)))
    else:
        runner.make_folder(Path(plan.folder))
    with folders.held(Path(plan.folder)):
        if not resumes(wanted):
            folders.check_unused(Path(plan.folder))
        resume.record(call, Path(plan.folder), plan.multirun)
        with contextlib.closing(Beside(chosen_recorder(plan, task))) as beside:
            if launchers.elsewhere(plan.launcher):
                await_recorder(task)  # others measure, and do not say when
            else:
                task.beside = beside
                if 0 in task.built and not resumes(wanted):
                    beside.ahead.start(task.built[0][0])
            return _sweep(plan, task, show, alone) if plan.multirun else _single(plan, task, show)


def resumes(call: Call) -> bool:
    """Whether a call resumes an earlier one in its folder."""
    return (call.value("resume") or "off") != "off"


def check_plan(plan: Plan, task: JobTask) -> None:
    """Builds every job once, so that mistakes are found before the first one runs.

    Args:
        plan: Gets the jobs whose settings make no sense together, with the reason (``skips``).
        task: Gets the built parts if jobs run in this process.

    Raises:
        HarnessError: All jobs would fail for this reason.
    """
    objectives(plan.config)
    turns.check(plan.config.get("turns") or {})
    mlflow_log.target_of(plan.config)
    errors: dict[int, HarnessError] = {}
    for number, (_, config) in enumerate(plan.jobs):
        try:
            mlflow_log.target_of(config)
            built = build_experiment(config)
            if not launchers.elsewhere(plan.launcher) and len(task.built) < compose.KEPT_JOBS:
                task.built[number] = (config, built)
        except SkipJob as error:
            if not plan.multirun:
                raise
            plan.skips[number] = str(error)
        except HarnessError as error:
            errors[number] = error
    if errors and len(errors) + len(plan.skips) == len(plan.jobs):
        raise next(iter(errors.values()))


def _single(plan: Plan, task: JobTask, show: Show | None) -> JobRecord:
    folder = Path(plan.folder).resolve()
    finishing.load()  # all that the end needs, before anything is measured: then only the work is left
    compose.launch(plan, task)
    if task.errors:
        first = task.errors[0]
        raise JobsFailed(str(first) if isinstance(first, HarnessError) else unexpected(first)) from first
    results = Results.load(folder)
    if rounds_of(results.config) > 1:
        await_recorder(task)
        rounds.more_rounds([folder], rounds_of(results.config))
        results = Results.load(folder)
    target = mlflow_log.target_of(results.config)
    found = None
    if results.status == "ok":
        found = ending.finish_job(folder, rounds_of(results.config) > 1, show)
    log_job(folder, None, task.recorder)  # after the report, which is part of the record
    if cost := runner.fixed_cost(results, "the record"):
        say(cost)
    return JobRecord(folder, results, target, found)


def _sweep(plan: Plan, task: JobTask, show: Show | None, alone: bool) -> SweepRecord:
    place = Path(plan.folder)
    sweeps.begin(plan, place)
    error = None
    try:
        compose.launch(plan, task)
    except KeyboardInterrupt:
        task.log_left(place)
        raise
    except Exception as found:
        if "Invalid plugin" in str(found):  # Hydra's word for a class that is none of its plug-ins
            raise ConfigError("hydra.sweeper or hydra.launcher names no plug-in of Hydra; choose one by hydra/sweeper=NAME or hydra/launcher=NAME, or leave it out.") from found
        apart = launchers.elsewhere(plan.launcher)
        if apart:
            sweeps.adopt_lost(plan, place, found)
        if not plan.known or not apart:
            error = f"the sweeper could not go on: {reason(found)}"
            if not any((folder / RESULTS_FILE).is_file() for folder in sweeps.close(place)):
                advice = "" if isinstance(found, OSError) else "; see the documentation of its plug-in"
                raise JobsFailed(f"{error.rstrip('.')}{advice}.") from found
    wanted = sweeps.close(place)
    places = [folder for folder in wanted if (folder / RESULTS_FILE).is_file()]
    if not places:
        raise JobsFailed(f"no job of the sweep left a result in {place}; see the messages above.")
    repeats = 1 if launchers.elsewhere(plan.launcher) else max(rounds_of(Results.load(item).config) for item in places)
    await_recorder(task)
    rounds.more_rounds(places, repeats)
    if not launchers.elsewhere(plan.launcher):
        take_turns(place, places, plan.config.get("turns") or {})
    summary = ending.finish_sweep(place, places, repeats > 1, show, task.recorder, alone)
    target = mlflow_log.target_of(plan.config)
    jobs = tuple(JobRecord(folder, Results.load(folder), target) for folder in places)
    failed = len(places) < len(wanted) or any(job.results.status == "failed" for job in jobs)
    with tolerated("warning: the sweep is not logged to MLflow", say):
        sweeps.log_parent(place, target, failed or error is not None, task.recorder)
    return SweepRecord(place, jobs, target, summary, error, failed)


def take_turns(sweep: Path, jobs: Sequence[Path], settings: Mapping[str, Any]) -> None:
    """Measures a sweep's jobs in turns; a failure there loses only the intervals, never the sweep."""
    with tolerated("warning: the jobs could not be measured in turns", say):
        turns.of_sweep(sweep, jobs, settings, say)


def chosen_recorder(plan: Plan, task: JobTask) -> Recorder | None:
    """The recorder with the store that it will be needed for; one that will have nothing to log is ended."""
    target = mlflow_log.target_of(plan.config)
    if task.recorder is not None and target.kind == "off":
        task.recorder.close()
        task.recorder = None
    if task.recorder is not None:
        task.recorder.target = target
    return task.recorder


def await_recorder(task: JobTask) -> None:
    """Waits until the recorder sleeps, so that it disturbs no measurement."""
    if task.recorder is not None:
        task.recorder.wait()
