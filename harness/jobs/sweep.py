"""A sweep's record: its beginning, the list of its jobs, those that were lost, the parent run."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from harness.core.files import read_record, write_json
from harness.core.results import RESULTS_FILE, SWEEP_FILE, read_sweep
from harness.jobs import launchers, outcomes, recording, runner
from harness.jobs.compose import Plan
from harness.jobs.recorder import Recorder
from harness.jobs.task import log_job, make_job
from harness.jobs.worker import JOB_FILE
from harness.machine.progress import say
from harness.publish import mlflow as mlflow_log


def begin(plan: Plan, sweep: Path) -> None:
    """Writes ``sweep.json`` before the first job; identity and name stay when a sweep is resumed."""
    runner.make_folder(sweep)
    old = read_sweep(sweep) if (sweep / SWEEP_FILE).is_file() else {}
    record = {
        "id": old.get("id") or uuid.uuid4().hex,
        "created": old.get("created") or outcomes.now(),
        "name": old.get("name") or _name(plan),
        "call": uuid.uuid4().hex,
        "words": plan.words,
        "varied": plan.varied,
        "count": len(plan.jobs),
        "jobs": plan.folders,
    }
    write_json(sweep / SWEEP_FILE, record if plan.known else {**record, "open": True, "given": plan.given})


def close(sweep: Path) -> list[Path]:
    """Writes the list of jobs into ``sweep.json``.

    Returns:
        The folders of all jobs that this call started or planned, in order; some may hold no result.
    """
    record = read_sweep(sweep)
    started = dict(_started(sweep, record["call"]))
    planned = dict(enumerate(record["jobs"]))
    names = [started.get(number) or planned[number] for number in sorted(started | planned)]
    record.pop("given", None)
    if record.pop("open", False):
        chosen = [key for name in names for key in read_record(sweep / name / JOB_FILE)["varied"]]
        record["varied"] = list(dict.fromkeys(chosen))
    write_json(sweep / SWEEP_FILE, {**record, "count": len(names), "jobs": names})
    return [sweep / name for name in names]


def _started(sweep: Path, call: str) -> Iterator[tuple[int, str]]:
    """Yields (number, folder below the sweep's) of each job of this call that began, with any launcher."""
    for place, folders, files in os.walk(sweep):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if JOB_FILE in files and Path(place) != sweep:
            folders.clear()
            record = read_record(Path(place) / JOB_FILE)
            if record.get("call") == call:
                yield int(record["number"]), str(Path(place).relative_to(sweep))


def adopt_lost(plan: Plan, sweep: Path, error: Exception) -> None:
    """Waits for all jobs to end, then records a failed result for every job whose process died in its launcher."""
    say(f"warning: the launcher lost a job ({type(error).__name__}); waiting for the others.")
    launchers.wait_for_the_others(plan.launcher, sweep)
    jobs = {number: (plan.folders[number], *job) for number, job in enumerate(plan.jobs)}
    for number, name in _started(sweep, str(read_sweep(sweep).get("call", ""))):
        record = read_record(sweep / name / JOB_FILE)
        jobs[number] = (name, record["overrides"], record["config"])
    for number, (name, overrides, config) in sorted(jobs.items()):
        folder = sweep / name
        if not (folder / RESULTS_FILE).is_file():
            runner.record_lost(make_job(config, folder, overrides, sweep, number), error)
            log_job(folder, sweep)


def log_parent(sweep: Path, target: mlflow_log.Target, failed: bool, recorder: Recorder | None = None) -> None:
    """Completes the sweep's run in MLflow; if the store cannot be reached, this is reported but not fatal."""
    state = "failed" if failed else "ok"
    if target.kind != "off" and (recorder is None or not recorder.log_sweep(sweep, target, state)):
        recording.log_sweep(sweep, target, state)


def _name(plan: Plan) -> str:
    names = [str((plan.config.get(group) or {}).get("name", "")) for group in ("task", "tracker")]
    chosen = ", ".join(plan.varied) or ("one job" if plan.known else plan.sweeper.rpartition(".")[2])
    return f"{' '.join(name for name in names if name)}: {chosen}"
