"""Logs a job's or a sweep's folder exactly once, even if called repeatedly; finds what is still to be sent."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from harness.core import secrets
from harness.core.errors import HarnessError, StoreError, first_words
from harness.core.files import found_below
from harness.core.results import RESULTS_FILE, VERDICT_FILE, Results, read_sweep
from harness.publish.mlflow import content, store as stores
from harness.publish.mlflow.models import log_model
from harness.publish.mlflow.store import COMPLETE_TAG
from harness.publish.mlflow.target import Logged, LoggingFailed, State, Target, explicit_target, of_run, target_of
from harness.scoring.compared import Job

SWEEP_FILE = "sweep.json"
REPORT_FILE = "report.html"
PICTURES = "plots"
LOCK_FILE = ".mlflow.lock"
FOLDER_SECONDS = 60.0
T = TypeVar("T")


# --------------------------------------------------------------------------------------------- a job


def log_folder(
    folder: Path,
    uri: str | None = None,
    experiment: str | None = None,
    enabled: bool = True,
    parent: Path | None = None,
    target: Target | None = None,
) -> Logged | None:
    """Logs a job's folder (``parent``: its sweep's folder). Raises LoggingFailed; the state is kept beside the results."""
    results = Results.load(folder)
    target = target or explicit_target(uri, experiment, enabled) or target_of(results.config)
    target = of_run(target, None)
    if target.kind == "off":
        return None
    return _guarded(folder, target, lambda store: _log_job(store, folder, results, parent, target), lambda store: _complete(store, folder, results.id, content.digest_of(folder), target))


def _guarded(folder: Path, target: Target, work: Callable[[Any], T], there: Callable[[Any], T | None]) -> T:
    """Runs ``work(store)``, one process at a time per folder; on failure leaves a note for ``sync``. Raises LoggingFailed.

    A response may be lost although the store has everything, so ``there(store)`` checks before a failure is reported.
    """
    old = State.load(folder, target)
    State(target, True, old.logged if old else None, old.stamp if old else "", old.files if old else {}).save(folder)
    try:
        with FileLock(folder / LOCK_FILE, timeout=FOLDER_SECONDS):
            store = stores.client(target)
            with stores.exclusive(target):
                return work(store)
    except (StoreError, Timeout) as error:
        raise LoggingFailed(_not_logged(str(error), folder)) from error
    except HarnessError:
        raise
    except Exception as error:  # MLflow's, its database's and its transport's errors share no base class
        with contextlib.suppress(Exception):  # the store has just failed and may fail again
            found = there(stores.client(target))
            if found is not None:
                return found
        reason = _in_words(error)
        raise LoggingFailed(_not_logged(f"{target.tracking_uri}: {reason}", folder)) from error


def _in_words(error: Exception) -> str:
    """Why a store did not take something, from what MLflow and its libraries say."""
    if isinstance(error, (LookupError, AttributeError, TypeError, RecursionError)):
        return "what answers there does not answer as MLflow does"
    said = secrets.masked(first_words(error))
    return re.sub(r"API request to \S+ failed with exception .*Max retries exceeded.*", "a request failed again and again", said)


def _not_logged(reason: str, folder: Path) -> str:
    return (
        f"not logged to MLflow: {reason.rstrip('.')}. The results are complete in {folder}, and `python -m harness sync` "
        "sends them later."
    )


def _log_job(store: Any, folder: Path, results: Results, parent: Path | None, target: Target) -> Logged:
    experiment = stores.experiment_id(store, target)
    above = _parent_run(store, parent, experiment) if parent else None
    stamp = content.digest_of(folder)
    run = stores.open_run(
        store, experiment, results.id, content.storable(results.name), content.milliseconds(results.started), above, {}
    )
    logged = Logged(run.info.run_id, experiment, target.tracking_uri)
    files = _known_files(folder, run, target)
    if run.data.tags.get(COMPLETE_TAG) != stamp or _lacks_pictures(folder, files):
        report = _report_page(experiment, folder, logged.run_id, parent, above)
        files = _write_job(store, run, experiment, folder, results, target, files, report)
        state = "FAILED" if results.status == "failed" else "FINISHED"  # skipped is not a crash; tag and note state it
        store.set_terminated(logged.run_id, state, content.milliseconds(results.ended))
        store.set_tag(logged.run_id, COMPLETE_TAG, stamp)
    State(target, False, logged, stamp, files).save(folder)
    return logged


def _report_page(experiment: str, folder: Path, run_id: str, sweep: Path | None, parent_id: str | None) -> str:
    """Returns the address of the report on a job: its own, else its sweep's; empty if there is none.

    A sweep's report is made while its jobs are logged, after its verdict.
    """
    if (folder / REPORT_FILE).is_file():
        return stores.artifact_page(experiment, run_id, REPORT_FILE)
    if sweep is not None and parent_id is not None and any((sweep / name).is_file() for name in (REPORT_FILE, VERDICT_FILE)):
        return stores.artifact_page(experiment, parent_id, REPORT_FILE)
    return ""


def _complete(store: Any, folder: Path, identity: str, stamp: str, target: Target) -> Logged | None:
    """Returns the run if the store has all of it in the state ``stamp``, and records this in the folder's note."""
    experiment = stores.experiment_id(store, target)
    for run in stores.find_runs(store, experiment, identity):
        files = _known_files(folder, run, target)
        if run.data.tags.get(COMPLETE_TAG) == stamp and not _lacks_pictures(folder, files):
            logged = Logged(run.info.run_id, experiment, target.tracking_uri)
            State(target, False, logged, stamp, files).save(folder)
            return logged
    return None


def _known_files(folder: Path, run: Any, target: Target) -> dict[str, str]:
    """Returns digests of the files that this run already has."""
    old = State.load(folder, target)
    return dict(old.files or {}) if old and old.logged and old.logged.run_id == run.info.run_id else {}


def _lacks_pictures(folder: Path, files: Mapping[str, str]) -> bool:
    """Whether a job was logged before its pictures were drawn, as in the middle of a sweep. Without a record of its files it is complete."""
    return bool(files) and (folder / PICTURES).is_dir() and not any(name.startswith(f"{PICTURES}/") for name in files)


def _write_job(
    store: Any, run: Any, experiment: str, folder: Path, results: Results, target: Target, known: dict[str, str], report: str
) -> dict[str, str]:
    from mlflow.entities import Metric, Param, RunTag

    run_id = run.info.run_id
    when = content.milliseconds(results.ended)  # not the clock, so that a metric logged again is the same point
    metrics = [Metric(name, float(value), when, 0) for name, value in content.all_metrics(folder, results).items()]
    job = Job(folder, results)  # its frames are read once
    metrics += [Metric(name, value, when, step) for name, step, value in content.series_of(job)]
    params = {key: value for key, value in content.params_of(results).items() if key not in run.data.params}
    tags = content.tags_of(folder, results, report)
    with tempfile.TemporaryDirectory() as scratch:
        staged = Path(scratch)
        tables = content.stage_job(job, staged)
        tags["mlflow.loggedArtifacts"] = _table_tag(tables)
        files = _upload(store, run, staged, target, known)
    model = log_model(store, run, experiment, folder, results, target)
    if model:
        tags["harness.model_id"] = model
    _send(store, run_id, metrics, [Param(*item) for item in params.items()], [RunTag(*item) for item in tags.items() if item[1]])
    _log_dataset(store, run, results)
    return files


def _send(store: Any, run_id: str, metrics: list[Any], params: list[Any], tags: list[Any]) -> None:
    """All of a run's numbers and words, in as few requests as MLflow's limits allow (1000 items in one, 100 params, 100 tags)."""
    parts = zip_longest(chunks(metrics, 800), chunks(params, 90), chunks(tags, 90), fillvalue=())
    for some_metrics, some_params, some_tags in parts:
        store.log_batch(run_id, metrics=some_metrics, params=some_params, tags=some_tags)


def _table_tag(tables: Sequence[str]) -> str:
    """Returns MLflow's own list of the artifacts that its UI draws as tables."""
    import json

    return json.dumps([{"path": path, "type": "table"} for path in tables]) if tables else ""


def _upload(store: Any, run: Any, staged: Path, target: Target, known: dict[str, str]) -> dict[str, str]:
    """Sends files that the run does not have in this form; returns the digests of all its files."""
    now = content.digests(staged)
    for name, digest in now.items():
        if known.get(name) == digest:
            (staged / name).unlink()
    stores.upload(store, run, staged, target)
    return known | now


def _log_dataset(store: Any, run: Any, results: Results) -> None:
    """Logs the data set as an MLflow input, once."""
    if not results.dataset.get("digest") or (run.inputs and run.inputs.dataset_inputs):
        return
    from mlflow.entities import Dataset, DatasetInput, InputTag

    found = results.dataset
    section = results.config.get("dataset", {})
    dataset = Dataset(
        name=content.storable(f"{found['name']}-{found['split']}".strip("-")),
        digest=str(found["digest"])[:36],
        source_type="local",
        source=content.storable(str(section.get("root") or section.get("path") or found["name"])),
        profile=f'{{"sequences": {found.get("sequences", 0)}, "frames": {found.get("frames", 0)}}}',
    )
    inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", "evaluation")])]
    try:
        store.log_inputs(run.info.run_id, datasets=inputs)
    except Exception as error:  # MLflow's and its database's errors share no base class
        if not re.search("unique|duplicate", str(error), re.IGNORECASE):
            raise
        store.log_inputs(run.info.run_id, datasets=inputs)  # another job entered the same data set at the same moment


# ------------------------------------------------------------------------------------------- a sweep


def _parent_run(store: Any, sweep: Path, experiment: str) -> str:
    record = read_sweep(sweep)
    name = content.storable(str(record.get("name") or f"sweep {sweep.name}"))
    with FileLock(sweep / ".mlflow.parent.lock", timeout=FOLDER_SECONDS):  # jobs of a sweep may log at the same time
        run = stores.open_run(
            store, experiment, record["id"], name, content.milliseconds(record["created"]), None, {"sweep": "true"}
        )
    return str(run.info.run_id)


def log_sweep(sweep: Path, target: Target, state: str) -> Logged | None:
    """Completes a sweep's parent run: summary, report, plots; ``state`` is ``ok`` or ``failed``. Raises LoggingFailed."""
    if target.kind == "off":
        return None
    return _guarded(sweep, target, lambda store: _log_sweep(store, sweep, target, state), lambda store: _complete(store, sweep, str(read_sweep(sweep)["id"]), state, target))


def _log_sweep(store: Any, sweep: Path, target: Target, state: str) -> Logged:
    from mlflow.entities import Metric, RunTag

    experiment = stores.experiment_id(store, target)
    record = read_sweep(sweep)
    run_id = _parent_run(store, sweep, experiment)
    run = store.get_run(run_id)
    tags = content.sweep_tags(sweep, record, state)
    ends = [content.milliseconds(results.ended) for results in _results_of(sweep)]
    metrics = [Metric(name, float(value), max(ends, default=0), 0) for name, value in content.sweep_metrics(sweep).items()]
    _send(store, run_id, metrics, [], [RunTag(*item) for item in tags.items()])
    with tempfile.TemporaryDirectory() as scratch:
        tables = content.stage_sweep(sweep, Path(scratch))
        files = _upload(store, run, Path(scratch), target, _known_files(sweep, run, target))
    if tables:
        store.set_tag(run_id, "mlflow.loggedArtifacts", _table_tag(tables))
    ended = max((content.milliseconds(results.ended) for results in _results_of(sweep)), default=0)
    store.set_terminated(run_id, "FINISHED" if state == "ok" else "FAILED", ended or None)
    store.set_tag(run_id, COMPLETE_TAG, state)
    logged = Logged(run_id, experiment, target.tracking_uri)
    State(target, False, logged, state, files).save(sweep)
    return logged


def _results_of(sweep: Path) -> list[Results]:
    listed = read_sweep(sweep).get("jobs") or []
    found = {sweep / str(name) for name in listed} | {path.parent for path in sweep.glob(f"*/{RESULTS_FILE}")}
    return [Results.load(folder) for folder in sorted(found) if (folder / RESULTS_FILE).is_file()]


def sweep_state(sweep: Path) -> str | None:
    """``ok`` or ``failed`` for a sweep that ended; None for one that still runs or was stopped."""
    statuses, record = [results.status for results in _results_of(sweep)], read_sweep(sweep)
    missing = len(statuses) < int(record.get("count", 0))
    # while a sweeper still chooses its jobs, their number is not known
    if (missing or record.get("open")) and not (sweep / "summary.csv").is_file():
        return None
    return "failed" if missing or "failed" in statuses else "ok"


# ----------------------------------------------------------------------------------- still to be sent


@dataclass(frozen=True)
class Pending:
    """A folder whose present state its store does not have. ``sweep``: whether it is a sweep, not a job."""

    folder: Path
    target: Target
    sweep: bool
    parent: Path | None = None

    def send(self) -> Logged | None:
        """Logs the folder. Raises LoggingFailed."""
        if self.sweep:
            return log_sweep(self.folder, self.target, sweep_state(self.folder) or "failed")
        return log_folder(self.folder, parent=self.parent, target=self.target)


def pending(folders: Iterable[Path], target: Target | None = None, again: bool = False) -> list[Pending]:
    """Returns the jobs and sweeps under ``folders`` that are to be sent, jobs before their sweeps.

    ``target`` overrides their own targets; ``again`` includes those already sent, to check whether the store has them.
    """
    jobs: dict[Path, Pending] = {}
    sweeps: dict[Path, Pending] = {}
    for folder in folders:
        found = found_below(folder, (RESULTS_FILE, SWEEP_FILE))
        for path in (path for path in found if path.name == RESULTS_FILE):
            _add_job(path.parent, target, again, jobs)
        for path in (path for path in found if path.name == SWEEP_FILE):
            _add_sweep(path.parent, target, again, jobs, sweeps)
    return [*jobs.values(), *sweeps.values()]


def _add_job(folder: Path, asked: Target | None, again: bool, found: dict[Path, Pending]) -> None:
    own = State.load(folder)
    results = Results.load(folder)
    if asked is None and own is None and "mlflow" not in results.config:
        return  # scored files: the command that scored them chose the target
    first = own.target if own else (target_of(results.config) if "mlflow" in results.config else None)
    goal = of_run(asked, first) if asked else first
    if goal is None or goal.kind == "off":
        return
    if again or not _sent(folder, goal, content.digest_of(folder)):
        parent = folder.parent if (folder.parent / SWEEP_FILE).is_file() else None
        found[folder] = Pending(folder, goal, False, parent)


def _sent(folder: Path, goal: Target, stamp: str) -> bool:
    """Whether the store of ``goal`` has ``folder`` in the state ``stamp``."""
    state = State.load(folder, goal)
    return state is not None and not state.pending and state.stamp == stamp and not _lacks_pictures(folder, state.files or {})


def _add_sweep(
    sweep: Path, asked: Target | None, again: bool, jobs: dict[Path, Pending], found: dict[Path, Pending]
) -> None:
    ended = sweep_state(sweep)
    if ended is None:
        return
    own = State.load(sweep)
    children = [job.target for job in jobs.values() if job.parent == sweep]
    first = own.target if own else next(iter(children), None)
    goal = of_run(asked, first) if asked else first
    if goal is None or goal.kind == "off":
        return
    if again or not _sent(sweep, goal, ended):
        found[sweep] = Pending(sweep, goal, True)


def chunks(items: list[Any], size: int) -> Iterable[list[Any]]:
    """Yields ``items`` in lists of at most ``size``, MLflow's limit for a request."""
    return (items[start : start + size] for start in range(0, len(items), size))
