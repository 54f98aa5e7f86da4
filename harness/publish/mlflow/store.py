"""Communication with an MLflow store: connecting, its experiment, finding and making runs exactly once."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from filelock import FileLock, Timeout

from harness.core import secrets
from harness.core.catalog import catalog
from harness.core.errors import StoreError, first_words
from harness.publish.mlflow import schema
from harness.publish.mlflow.place import check_database, moved_from
from harness.publish.mlflow.reach import reach
from harness.publish.mlflow.target import DATABASE, Target, check_writable, escaped

ID_TAG = "harness.id"
COMPLETE_TAG = "harness.complete"
PARENT_TAG = "mlflow.parentRunId"
VIEW = "harness"
"""The key of the shared view (the important columns) with which the harness's link opens an experiment."""
LOCK_SECONDS = 600.0
"""Seconds: on a busy machine MLflow takes minutes to create a store's tables, and other processes wait for it."""
PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "AWS_MAX_ATTEMPTS": "2",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Short limits, because an unreachable store must not delay a job: ``sync`` sends the results later.

Users may set others.
"""
TAGS = ("backend", "device", "hint", "quantization", "threads", "task", "tracker", "status")
"""Tags that are columns of MLflow's list of runs, before the catalogue's metrics for it."""
NARROW = 105
"""Width in pixels of a column of a tag."""


# ------------------------------------------------------------------------------------------ reaching it


def load() -> None:
    """Loads MLflow and its store over a database, which takes most of the time of a first ``client``."""
    _set_patience()
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


def _set_patience() -> None:
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)


def client(target: Target) -> Any:
    """Returns a client on the target's store, which is created if needed, by one process at a time.

    Raises StoreError.
    """
    _set_patience()
    if target.kind == "server":
        reach(target.tracking_uri)
        _authenticate(target)
        _open_once(target.address)
    import mlflow

    for name in ("alembic", "alembic.runtime.migration", "mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)  # importing mlflow sets its own levels
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it prints tracebacks of errors reported anyway
    if target.kind != "local":
        return mlflow.MlflowClient(tracking_uri=target.address)
    root = Path(target.root)
    check_writable(root)
    # the first connection creates the database's tables, which only one process may do
    check_database(root)
    with _lock(root / ".create.lock"), no_stray_folder(root):
        try:
            found = _opened(root / DATABASE, target.address)
        except Exception as error:  # MLflow's, its database's and its migrations' errors share no base class
            raise StoreError(f"the MLflow store in {root} cannot be opened ({first_words(error)}); restore it from a copy, or choose another folder.") from error
    _check_place(root)
    return found


def open_ahead(target: Target) -> None:
    """Opens a local store that exists and asks it for a run, which takes long the first time in a process. Reports no errors: logging will."""
    if target.kind == "local" and (Path(target.root) / DATABASE).is_file():
        with contextlib.suppress(Exception), exclusive(target):
            store = client(target)
            found = store.get_experiment_by_name(target.experiment)
            if found is not None:
                find_runs(store, str(found.experiment_id), "none")


def _opened(database: Path, address: str) -> Any:
    """Returns a client on a local store, whose database is made if it is missing."""
    import mlflow

    made = not database.exists() and not schema.begin(database, mlflow.__version__)
    found = mlflow.MlflowClient(tracking_uri=address)
    found.search_experiments(max_results=1)
    if made:
        schema.keep(database, mlflow.__version__)
    return found


@contextlib.contextmanager
def no_stray_folder(root: Path) -> Iterator[None]:
    """Removes the empty folder that MLflow makes under the escaped name if the store's path has escaped characters."""
    stray = Path(escaped(root.resolve()))
    made = [path for path in (stray, *stray.parents) if not path.exists()]
    try:
        yield
    finally:
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()


def _open_once(address: str) -> None:
    """Raises StoreError if a database cannot be opened immediately; MLflow would try for minutes."""
    if urlsplit(address).scheme.split("+")[0] in ("http", "https", "databricks"):
        return
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(address)
        engine.connect().close()
        engine.dispose()
    except Exception as error:  # drivers' errors share no base class, and a driver may be missing
        said = secrets.masked(first_words(error))
        raise StoreError(f"cannot open the MLflow database {secrets.public(address)} ({said})") from error


def _authenticate(target: Target) -> None:
    """Passes the credentials of an http(s) address to MLflow by its own variables, so that no message contains them."""
    if target.credentials is not None:
        os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"] = target.credentials


def _check_place(root: Path) -> None:
    old = moved_from(root)
    if old is not None:
        raise StoreError(
            f"the store {root} was moved here from {old}, so its artifacts would go to the old place; "
            f"run `python -m harness repair --root {root}`"
        )


@contextlib.contextmanager
def exclusive(target: Target) -> Iterator[None]:
    """Allows one writer at a time on a local store, because of SQLite. A server handles this itself."""
    if target.kind != "local":
        yield
        return
    with _lock(Path(target.root) / ".store.lock"):
        yield


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    try:
        with FileLock(path, timeout=LOCK_SECONDS):
            yield
    except Timeout as error:
        raise StoreError(f"{path} is held by another process for ten minutes; is one stuck?") from error


# ------------------------------------------------------------------------------------------ experiments


def experiment_id(store: Any, target: Target) -> str:
    """Returns the experiment's id; creates the experiment if it does not exist. Raises StoreError if it was deleted."""
    found = store.get_experiment_by_name(target.experiment)
    if found is None:
        location = (Path(target.root).resolve() / "artifacts").as_uri() if target.kind == "local" else None
        try:
            store.create_experiment(target.experiment, artifact_location=location)
        except Exception:
            if store.get_experiment_by_name(target.experiment) is None:
                raise
        found = store.get_experiment_by_name(target.experiment)
    if found.lifecycle_stage == "deleted":
        raise StoreError(
            f"the MLflow experiment {target.experiment!r} was deleted; restore it in the UI or set mlflow.experiment "
            "to another"
        )
    return str(found.experiment_id)


def columns() -> list[str]:
    """Returns the columns of MLflow's list of runs by MLflow's names: settings first, then metrics."""
    shown = [entry.name for entry in catalog() if "mlflow" in entry.places and not entry.pattern]
    return [*(f"tags.`{name}`" for name in TAGS), *(f"metrics.`{name}`" for name in shown)]


def view() -> dict[str, Any]:
    """Returns the state of MLflow's list of runs for links: columns, and since MLflow 3.15 their order and widths."""
    shown = columns()
    widths = {name: NARROW for name in shown if name.startswith("tags.")}
    return {"selectedColumns": shown, "columnOrder": shown, "columnWidths": widths}


def page_of(target: Target) -> str:
    """Returns the UI's path to the target's experiment, with the important columns."""
    store = client(target)
    experiment = experiment_id(store, target)
    store.set_experiment_tag(experiment, f"mlflow.sharedViewState.{VIEW}", json.dumps(view()))
    return f"/#/experiments/{experiment}/runs?viewStateShareKey={VIEW}&workflowType=machine_learning"


def artifact_page(experiment: str, run_id: str, name: str) -> str:
    """Returns the UI's address of a run's file, for a link in another run's note."""
    return f"#/experiments/{experiment}/runs/{run_id}/artifactPath/{quote(name)}?workflowType=machine_learning"


def compare_page(run_ids: list[str], experiments: list[str]) -> str:
    """Returns the UI's path to the comparison of runs."""
    runs, homes = (quote(json.dumps(list(dict.fromkeys(items)))) for items in (run_ids, experiments))
    return f"/#/compare-runs?runs={runs}&experiments={homes}&workflowType=machine_learning"


# ------------------------------------------------------------------------------------------------ runs


def find_runs(store: Any, experiment: str, identity: str) -> list[Any]:
    """Returns the runs with ``identity``: at most one, unless a response was lost and the request repeated."""
    return list(store.search_runs([experiment], f"tags.`{ID_TAG}` = '{identity}'", max_results=10))


def open_run(
    store: Any, experiment: str, identity: str, name: str, started: int, parent: str | None, tags: Mapping[str, str]
) -> Any:
    """Returns the run with this identity, created if it is missing. The caller holds the folder's lock."""
    found = find_runs(store, experiment, identity)
    if not found:
        given = {ID_TAG: identity, "mlflow.runName": name, **tags}
        if parent:
            given[PARENT_TAG] = parent
        store.create_run(experiment, start_time=started, tags=given, run_name=name)
        found = find_runs(store, experiment, identity)
    # the complete run, else the same one for all callers
    ordered = sorted(found, key=lambda run: (COMPLETE_TAG not in run.data.tags, run.info.run_id))
    for other in ordered[1:]:
        if COMPLETE_TAG not in other.data.tags:
            store.delete_run(other.info.run_id)
    if parent and ordered[0].data.tags.get(PARENT_TAG) != parent:
        store.set_tag(ordered[0].info.run_id, PARENT_TAG, parent)
    return ordered[0]


def upload(store: Any, run: Any, staged: Path, target: Target) -> None:
    """Sends everything under ``staged`` to the run's artifacts, several files at once if the store allows it."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    del store
    if any(staged.iterdir()):
        get_artifact_repository(run.info.artifact_uri, tracking_uri=target.address).log_artifacts(str(staged))
