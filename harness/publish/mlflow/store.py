"""Speaking to an MLflow store: reaching it, its experiment, finding and making runs exactly once."""

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
"""Key of the shared view (the columns that matter) under which our link opens an experiment."""
LOCK_SECONDS = 600.0
"""On a busy machine MLflow takes minutes to create a store's tables, and all who come meanwhile wait for it."""
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
"""A store that cannot be reached must not delay a job: results are on disk, and ``sync`` sends them. Whoever needs other limits sets them."""
TAGS = ("backend", "device", "hint", "quantization", "threads", "task", "tracker", "status")
"""Tags that are columns of MLflow's list of runs, before the metrics that the catalogue names for it."""
NARROW = 105
"""Width in pixels of a column of a tag."""


# ------------------------------------------------------------------------------------------ reaching it


def client(target: Target) -> Any:
    """A client on the target's store, which is created at need, by one process at a time. Raises StoreError."""
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    if target.kind == "server":
        reach(target.tracking_uri)
        _authenticate(target)
        _open_once(target.address)
    import mlflow

    for name in ("alembic", "alembic.runtime.migration", "mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)  # importing mlflow sets its own levels
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it prints a traceback of what it raises, which we tell
    if target.kind != "local":
        return mlflow.MlflowClient(tracking_uri=target.address)
    root = Path(target.root)
    check_writable(root)
    # the first contact creates the database's tables, which is one process's work
    check_database(root)
    with _lock(root / ".create.lock"), no_stray_folder(root):
        try:
            found = _opened(root / DATABASE, target.address)
        except Exception as error:  # MLflow's, its database's and its migrations' errors share no base class
            raise StoreError(f"the MLflow store in {root} cannot be opened ({first_words(error)}); restore it from a copy, or choose another folder.") from error
    _check_place(root)
    return found


def _opened(database: Path, address: str) -> Any:
    """A client on a local store, whose database is made if it is not there."""
    import mlflow

    made = not database.exists() and not schema.begin(database, mlflow.__version__)
    found = mlflow.MlflowClient(tracking_uri=address)
    found.search_experiments(max_results=1)
    if made:
        schema.keep(database, mlflow.__version__)
    return found


@contextlib.contextmanager
def no_stray_folder(root: Path) -> Iterator[None]:
    """Removes the empty folder that MLflow makes under the escaped name, if the store's path has signs to escape."""
    stray = Path(escaped(root.resolve()))
    made = [path for path in (stray, *stray.parents) if not path.exists()]
    try:
        yield
    finally:
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()


def _open_once(address: str) -> None:
    """Raises StoreError if a database does not open at once; MLflow would try for minutes."""
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
    """Hands the credentials of an http(s) address to MLflow by its own variables, so that they stand in no message."""
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
    """One writer at a time on a local store: SQLite takes no more. A server sees to that itself."""
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
    """The experiment's id; created where it does not exist, by whoever comes first. Raises StoreError if deleted."""
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
    """The columns of MLflow's list of runs, in its words: what tells the runs apart, then what was measured."""
    shown = [entry.name for entry in catalog() if "mlflow" in entry.places and not entry.pattern]
    return [*(f"tags.`{name}`" for name in TAGS), *(f"metrics.`{name}`" for name in shown)]


def view() -> dict[str, Any]:
    """The state of MLflow's list of runs that our link opens: its columns, and from MLflow 3.15 on their order and widths."""
    shown = columns()
    widths = {name: NARROW for name in shown if name.startswith("tags.")}
    return {"selectedColumns": shown, "columnOrder": shown, "columnWidths": widths}


def page_of(target: Target) -> str:
    """The UI's path to the target's experiment, with the columns that matter."""
    store = client(target)
    experiment = experiment_id(store, target)
    store.set_experiment_tag(experiment, f"mlflow.sharedViewState.{VIEW}", json.dumps(view()))
    return f"/#/experiments/{experiment}/runs?viewStateShareKey={VIEW}&workflowType=machine_learning"


def artifact_page(experiment: str, run_id: str, name: str) -> str:
    """The UI's address of a file of a run, as a note of another run links to it."""
    return f"#/experiments/{experiment}/runs/{run_id}/artifactPath/{quote(name)}?workflowType=machine_learning"


def compare_page(run_ids: list[str], experiments: list[str]) -> str:
    """The UI's path to the comparison of runs."""
    runs, homes = (quote(json.dumps(list(dict.fromkeys(items)))) for items in (run_ids, experiments))
    return f"/#/compare-runs?runs={runs}&experiments={homes}&workflowType=machine_learning"


# ------------------------------------------------------------------------------------------------ runs


def find_runs(store: Any, experiment: str, identity: str) -> list[Any]:
    """The runs that bear ``identity``: at most one, but for a request that was answered into the void and repeated."""
    return list(store.search_runs([experiment], f"tags.`{ID_TAG}` = '{identity}'", max_results=10))


def open_run(
    store: Any, experiment: str, identity: str, name: str, started: int, parent: str | None, tags: Mapping[str, str]
) -> Any:
    """The run with this identity, created if it is not there. The caller holds the folder's lock."""
    found = find_runs(store, experiment, identity)
    if not found:
        given = {ID_TAG: identity, "mlflow.runName": name, **tags}
        if parent:
            given[PARENT_TAG] = parent
        store.create_run(experiment, start_time=started, tags=given, run_name=name)
        found = find_runs(store, experiment, identity)
    # the run that is complete, else the same one for all who look
    ordered = sorted(found, key=lambda run: (COMPLETE_TAG not in run.data.tags, run.info.run_id))
    for other in ordered[1:]:
        if COMPLETE_TAG not in other.data.tags:
            store.delete_run(other.info.run_id)
    if parent and ordered[0].data.tags.get(PARENT_TAG) != parent:
        store.set_tag(ordered[0].info.run_id, PARENT_TAG, parent)
    return ordered[0]


def upload(store: Any, run: Any, staged: Path, target: Target) -> None:
    """Sends everything under ``staged`` to the run's artifacts, several files at once where the store allows it."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    del store
    if any(staged.iterdir()):
        get_artifact_repository(run.info.artifact_uri, tracking_uri=target.address).log_artifacts(str(staged))
