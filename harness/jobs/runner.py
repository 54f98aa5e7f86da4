"""The parent's side of one job: it prepares and measures in child processes, waits, and saves. Imports no runtime."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import DataError, HarnessError, SkipJob, StoreError, exit_code_of
from harness.core.files import plain, read_record, write_json
from harness.core.results import RESULTS_FILE, Results
from harness.jobs.beside import Beside
from harness.jobs.children import JobFailed, ensure_prepared, measure, tail_of
from harness.jobs.experiment import Experiment, build_experiment
from harness.jobs.folders import start_over
from harness.jobs.outcomes import complete, mark_failed, now
from harness.jobs.worker import JOB_FILE
from harness.machine import environment

STEERING = ("resume", "objective", "mlflow", "turns")
"""Sections that control how a run is kept and compared; they do not change its measurements."""


SPEAKING = ("backend", "tracker", "dataset", "quantization", "task", "device")
"""Groups whose choices are clear without the group's name, unlike ``none`` and ``auto``."""


def named(key: str, value: str) -> str:
    """Returns a setting as it is written in a job's name: ``openvino``, but ``hint=none`` and ``threads=1``."""
    if key == "candidate":  # in a search: several settings in one
        return value
    if key in SPEAKING and value not in ("none", "auto", "multi", "off"):
        return value
    return f"{key.rpartition('.')[2]}={value}"


@dataclass
class Job:
    """One job of a single run or a sweep.

    Attributes:
        config: The resolved configuration.
        folder: Where it writes.
        overrides: The overrides of the configuration.
        varied: The keys that its sweep varies, with this job's values.
        sweep: Whether it belongs to a sweep.
        number: Its number in the sweep.
        call: Which start of its sweep it belongs to (``sweep.json``'s ``call``).
        chdir: Whether it works in its own folder (``hydra.job.chdir``).
        built: Its parts, if they were built before the sweep began.
        following: The configuration of the job that is run after it, if that is known.
        resumed: Whether its results already existed and nothing was measured.
    """

    config: Mapping[str, Any]
    folder: Path
    overrides: Sequence[str] = ()
    varied: Mapping[str, str] = field(default_factory=dict)
    sweep: bool = False
    number: int = 0
    call: str = ""
    chdir: bool = False
    built: Experiment | None = field(default=None, repr=False)
    following: Mapping[str, Any] | None = field(default=None, repr=False)
    resumed: bool = False

    @property
    def name(self) -> str:
        """The settings that the sweep varies; otherwise backend and tracker."""
        if self.varied:
            return " ".join(named(key, str(value)) for key, value in self.varied.items())
        names = [(self.config.get(group) or {}).get("name") for group in ("backend", "tracker", "hint", "quantization")]
        return " ".join(str(name) for name in names if name not in (None, "none"))

    def experiment(self) -> Experiment:
        """The job's parts; built at most once in this process. Raises what ``build_experiment`` does."""
        if self.built is None:
            self.built = build_experiment(self.config)
        return self.built

    def record(self) -> dict[str, Any]:
        """Returns the content of ``job.json``: what the job's child processes and the end of its sweep need."""
        return {
            "config": self.config,
            "overrides": list(self.overrides),
            "name": self.name,
            "varied": dict(self.varied),
            "number": self.number,
            "call": self.call,
            "chdir": str(self.folder) if self.chdir else None,
        }


def run_job(job: Job, beside: Beside | None = None) -> Results:
    """Runs a job and writes its ``results.json``; does not raise if the job fails, except SkipJob in a single run.

    Args:
        job: The job.
        beside: The processes beside this command.
    """
    make_folder(job.folder)
    resumed = finished(job)
    if resumed is not None:
        job.resumed = True
        write_json(job.folder / JOB_FILE, job.record())
        return resumed
    if is_another(job):
        start_over(job.folder)
    write_json(job.folder / JOB_FILE, job.record())
    results = Results(
        id=_identity(job.folder),
        name=job.name,
        status="ok",
        config=plain({**job.config, "resume": "off"}),
        overrides=list(job.overrides),
        started=now(),
    )
    try:
        results.environment = environment.describe()
        experiment = job.experiment()
        ensure_prepared(experiment, job.folder)
        if beside is not None and job.chdir:
            beside.ahead.close()  # what it loaded may have depended on the folder
        measure(job.folder, 1, beside, job.following)
        complete(results, job.folder, 1, experiment)
    except SkipJob as error:
        if not job.sweep:
            raise
        mark_failed(results, "skipped", "SkipJob", str(error), [], 2)
    except JobFailed as error:
        mark_failed(results, "failed", error.kind, str(error), error.tail, error.exit_code)
    except HarnessError as error:
        mark_failed(results, "failed", type(error).__name__, str(error), [], exit_code_of(error))
    results.ended = now()
    results.save(job.folder)
    return results


def record_lost(job: Job, error: Exception) -> Results:
    """Records the result of a job whose launcher process died (node, memory, time limit) before it wrote one."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]  # a launcher adds the job's log below
    message = f"the process of this job died in its launcher ({said}); its last words are in the launcher's logs."
    return record_failure(job, "Lost", message)


def record_failure(job: Job, kind: str, message: str) -> Results:
    """Records the result of a job that ended before it could write one."""
    make_folder(job.folder)
    results = Results(
        id=_identity(job.folder),
        name=job.name,
        status="failed",
        config=plain({**job.config, "resume": "off"}),
        overrides=list(job.overrides),
        started=now(),
        ended=now(),
    )
    mark_failed(results, "failed", kind, message, tail_of(job.folder), 1)
    results.save(job.folder)
    return results


def finished(job: Job) -> Results | None:
    """Returns the results of a resumed folder if they are complete and of the same configuration."""
    if job.config.get("resume", "off") == "off" or not (job.folder / RESULTS_FILE).is_file():
        return None
    with contextlib.suppress(DataError):
        found = Results.load(job.folder)
        same = _comparable(found.config) == _comparable(plain(job.config))
        if found.status == "ok" and same and _still_current(job, found):
            return found
    return None


def is_another(job: Job) -> bool:
    """Whether the folder holds a run with other settings, model or data, whose identity must not be reused."""
    with contextlib.suppress(DataError, TypeError, KeyError):
        if (job.folder / RESULTS_FILE).is_file():
            found = Results.load(job.folder)
            return _comparable(found.config) != _comparable(plain(job.config)) or (
                found.status == "ok" and not _still_current(job, found)
            )
        if (job.folder / JOB_FILE).is_file():
            return _comparable(read_record(job.folder / JOB_FILE)["config"]) != _comparable(plain(job.config))
        return False
    return True  # a run that cannot be read is not continued


def _comparable(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the parts of a configuration that decide results, with the thread budget as a number."""
    threads = config.get("threads") or environment.thread_budget()
    return {**{key: value for key, value in config.items() if key not in STEERING}, "threads": threads}


def _still_current(job: Job, found: Results) -> bool:
    """Whether model and data set are still the same as in a finished result."""
    try:
        experiment = job.experiment()
        return bool(
            found.artifact.get("key") == experiment.step().key
            and found.dataset.get("digest") == experiment.dataset.digest()
        )
    except HarnessError:
        return False


def make_folder(folder: Path) -> None:
    """Makes a run's folder. Raises StoreError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be made ({error.strerror}); set hydra.run.dir or hydra.sweep.dir to a folder "
            "that can be written."
        ) from error


def _identity(folder: Path) -> str:
    """Returns the run's identity, which stays the same when a folder is resumed."""
    path = folder / "id"
    if path.is_file():
        return path.read_text().strip()
    identity = uuid.uuid4().hex
    path.write_text(identity + "\n")
    return identity


def fixed_cost(results: Results, until: str) -> str:
    """Returns a line on the time that a job spent outside tracking, now that ``until`` is there; empty if it is not known."""
    start, last = results.metrics.get("fixed_s/start"), results.details.get("last_frame")
    if start is None or last is None:
        return ""
    return f"fixed cost: {start:.1f} s to the first tracked frame, {time.time() - last:.1f} s from the last one to {until}"
