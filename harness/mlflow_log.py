"""From a job's folder to MLflow, and nothing else: the only importer of mlflow.

Everything logged is read from disk, and logging may be repeated: a run bears the job's identity as a tag, so that it is
found again, completed where something is missing, and never doubled. Logging late (``sync``) and logging
elsewhere (``import``) are this same function.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from harness.errors import HarnessError, StoreError
from harness.results import RESULTS_FILE, Results, read_json, write_json

STATE_FILE = "mlflow.json"
DATABASE = "mlflow.db"
ID_TAG = "harness.id"
COMPLETE_TAG = "harness.complete"
_PARAM_LIMIT = 500
_SKIPPED_FILES = ("id", "job.json", STATE_FILE, "failure.json")


class LoggingFailed(HarnessError):
    """The store did not take it; the job's folder is complete, and ``sync`` sends it later."""


@dataclass(frozen=True)
class Target:
    """Where runs go: ``local`` (a store under ``root``), ``server`` (``uri``) or ``off``."""

    kind: str = "local"
    root: str = "mlruns"
    uri: str | None = None
    experiment: str = "harness"

    @property
    def tracking_uri(self) -> str:
        """MLflow's address of the store."""
        if self.kind == "server":
            if not self.uri:
                raise StoreError("mlflow=server needs mlflow.uri=ADDRESS, as in mlflow.uri=http://127.0.0.1:5000.")
            return self.uri
        return f"sqlite:///{Path(self.root).resolve()}/{DATABASE}"


@dataclass(frozen=True)
class Logged:
    """A run in MLflow."""

    run_id: str
    experiment_id: str
    uri: str


def target_of(config: Mapping[str, Any]) -> Target:
    """The target that the ``mlflow`` section names. Raises StoreError."""
    section = config.get("mlflow") or {}
    target = Target(
        str(section.get("name", "local")),
        str(section.get("root", "mlruns")),
        section.get("uri"),
        str(section.get("experiment", "harness")),
    )
    if target.kind not in ("local", "server", "off"):
        raise StoreError(f"mlflow={target.kind} is unknown; accepted: local, server, off.")
    if target.kind == "local":
        check_writable(Path(target.root))
    if target.kind == "server":
        _ = target.tracking_uri
    return target


def check_writable(root: Path) -> None:
    """Raises StoreError where the store's folder cannot be written."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe = root / f".probe-{os.getpid()}"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise StoreError(
            f"the MLflow store {root} cannot be written ({error.strerror}); set mlflow.root to a folder that can, or mlflow=off."
        ) from error


# ------------------------------------------------------------------------------------------ the store


def client(target: Target) -> Any:
    """A client on the target's store, which is created at need, by one process at a time."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    import logging

    import mlflow

    for name in ("alembic", "alembic.runtime.migration", "mlflow", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.ERROR)  # importing mlflow sets its own levels
    uri = target.tracking_uri
    if target.kind == "local":
        root = Path(target.root)
        check_writable(root)
        with store_lock(root):
            found = mlflow.MlflowClient(tracking_uri=uri)
            found.search_experiments(max_results=1)  # creates the database's tables
            return found
    return mlflow.MlflowClient(tracking_uri=uri)


@contextlib.contextmanager
def store_lock(root: Path) -> Iterator[None]:
    """Held while the store is created: MLflow's first contact with a database is not safe for several processes."""
    try:
        with FileLock(root / ".store.lock", timeout=120):
            yield
    except Timeout as error:
        raise StoreError(f"{root / '.store.lock'} is held by another process for two minutes; is one stuck?") from error


def experiment_id(store: Any, target: Target) -> str:
    """The experiment's id; created where it does not exist, by whoever comes first."""
    found = store.get_experiment_by_name(target.experiment)
    if found is None:
        location = None
        if target.kind == "local":
            location = (Path(target.root).resolve() / "artifacts").as_uri()
        try:
            return str(store.create_experiment(target.experiment, artifact_location=location))
        except Exception:
            found = store.get_experiment_by_name(target.experiment)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise StoreError(
            f"the MLflow experiment {target.experiment!r} was deleted; restore it in the UI or set mlflow.experiment to another."
        )
    return str(found.experiment_id)


def find_run(store: Any, experiment: str, identity: str) -> Any:
    """The run that bears ``identity``, or None."""
    runs = store.search_runs([experiment], f"tags.`{ID_TAG}` = '{identity}'", max_results=1)
    return runs[0] if runs else None


# ------------------------------------------------------------------------------------------- logging


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
    if target.kind == "off":
        return None
    found: Logged = _guarded(folder, target, lambda store: _log_job(store, folder, results, parent, target))
    return found


def explicit_target(uri: str | None, experiment: str | None, enabled: bool = True) -> Target | None:
    """A target from a command's options, or None where none is given."""
    if not enabled:
        return Target("off")
    if uri is None and experiment is None:
        return None
    return Target("server" if uri else "local", uri=uri, experiment=experiment or "harness")


def _guarded(folder: Path, target: Target, work: Any) -> Any:
    """Runs ``work(store)``; on failure leaves a note for ``sync`` and raises LoggingFailed."""
    try:
        return work(client(target))
    except StoreError as error:
        _note(folder, target, pending=True)
        raise LoggingFailed(f"not logged to MLflow: {error}") from error
    except Exception as error:
        _note(folder, target, pending=True)
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise LoggingFailed(
            f"not logged to MLflow at {target.tracking_uri} ({reason}); the results are complete in {folder}, "
            "and `python -m harness sync` sends them later."
        ) from error


def _note(folder: Path, target: Target, pending: bool, logged: Logged | None = None) -> None:
    write_json(
        folder / STATE_FILE,
        {
            "pending": pending,
            "target": {
                "kind": target.kind,
                "root": str(Path(target.root).resolve()),
                "uri": target.uri,
                "experiment": target.experiment,
            },
            "run_id": logged.run_id if logged else None,
            "experiment_id": logged.experiment_id if logged else None,
            "uri": target.tracking_uri,
        },
    )


def _log_job(store: Any, folder: Path, results: Results, parent: Path | None, target: Target) -> Logged:
    experiment = experiment_id(store, target)
    parent_run = _parent_run(store, parent, experiment, target) if parent else None
    stamp = digest_of(folder)
    run = _open_run(store, folder, results.id, experiment, results.name, parent_run, _milliseconds(results.started))
    logged = Logged(run.info.run_id, experiment, target.tracking_uri)
    if run.data.tags.get(COMPLETE_TAG) != stamp:
        _write_job(store, logged.run_id, folder, results)
        store.set_tag(logged.run_id, COMPLETE_TAG, stamp)
    state = {"ok": "FINISHED", "skipped": "KILLED"}.get(results.status, "FAILED")
    store.set_terminated(logged.run_id, state, _milliseconds(results.ended))
    _note(folder, target, pending=False, logged=logged)
    return logged


def digest_of(folder: Path) -> str:
    """Changes whenever a job's results or an added metric change; tells whether a run is up to date."""
    digest = hashlib.sha256((folder / RESULTS_FILE).read_bytes())
    if (folder / "agreement.json").is_file():
        digest.update((folder / "agreement.json").read_bytes())
    return digest.hexdigest()[:16]


def _open_run(
    store: Any, folder: Path, identity: str, experiment: str, name: str, parent: str | None, started: int
) -> Any:
    """The run with this identity, created where it is not there. One process at a time per job folder."""
    with FileLock(folder / ".mlflow.lock"):
        run = find_run(store, experiment, identity)
        if run is None:
            tags = {ID_TAG: identity, "mlflow.runName": name}
            if parent:
                tags["mlflow.parentRunId"] = parent
            run = store.create_run(experiment, start_time=started, tags=tags, run_name=name)
        return run


def _parent_run(store: Any, sweep: Path, experiment: str, target: Target) -> str:
    record = read_json(sweep / "sweep.json")
    run = _open_run(
        store,
        sweep,
        record["id"],
        experiment,
        record.get("name") or f"sweep {sweep.name}",
        None,
        _milliseconds(record["created"]),
    )
    return str(run.info.run_id)


def _write_job(store: Any, run_id: str, folder: Path, results: Results) -> None:
    from mlflow.entities import Metric, Param, RunTag

    when = _milliseconds(results.ended)
    metrics = [Metric(name, float(value), when, 0) for name, value in all_metrics(folder, results).items()]
    metrics += [Metric(name, float(value), when, step) for name, step, value in _series(folder)]
    tags = [RunTag(key, value[:5000]) for key, value in tags_of(results).items()]
    params = [Param(key, value[:_PARAM_LIMIT]) for key, value in params_of(results).items()]
    for part in chunks(params, 90):
        store.log_batch(run_id, params=part)
    for part in chunks(tags, 90):
        store.log_batch(run_id, tags=part)
    for part in chunks(metrics, 900):
        store.log_batch(run_id, metrics=part)
    _log_dataset(store, run_id, results)
    _log_files(store, run_id, folder, results)


def all_metrics(folder: Path, results: Results) -> dict[str, float]:
    """The job's metrics, with the agreement that only the sweep's end could tell."""
    found = dict(results.metrics)
    if (folder / "agreement.json").is_file():
        found |= {key: value for key, value in read_json(folder / "agreement.json").items() if value is not None}
    return found


def _series(folder: Path) -> list[tuple[str, int, float]]:
    from harness.report import native

    return [(name, int(step), float(value)) for name, points in native.series(folder).items() for step, value in points]


def params_of(results: Results) -> dict[str, str]:
    """The resolved configuration as ``group.key``, and the choice of each group under its plain name."""
    found: dict[str, str] = {}
    for group, section in results.config.items():
        if isinstance(section, Mapping):
            found |= {f"{group}.{key}": str(value) for key, value in _flat(section)}
            if "name" in section:
                found[group] = str(section["name"])
        else:
            found[group] = str(section)
    return {key: value for key, value in found.items() if value != ""}


def _flat(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def tags_of(results: Results) -> dict[str, str]:
    """What a person filters by."""
    environment = results.environment
    tags = {group: results.choice(group) for group in ("backend", "device", "hint", "quantization", "tracker", "task")}
    tags |= {
        "dataset": results.choice("dataset"),
        "threads": str(results.config.get("threads", "")),
        "commit": str(environment.get("commit", "")),
        "dirty": str(environment.get("dirty", "")),
        "machine": str(environment.get("machine", "")),
        "processor": str(environment.get("processor", "")),
        "artifact_key": str(results.artifact.get("key", "")),
        "precision": str(results.artifact.get("precision", "")),
        "dataset_digest": str(results.dataset.get("digest", "")),
        "status": results.status,
        "random_weights": str(bool(results.scoring.get("random_weights"))),
        "overrides": " ".join(results.overrides),
    }
    tags |= {f"effective.{key}": value for key, value in results.effective.items()}
    if results.error:
        tags["error"] = str(results.error.get("message", ""))
    note = []
    if results.scoring.get("random_weights"):
        note.append("**Random weights**: speed alone was measured; there is no accuracy.")
    if results.error:
        note.append(f"{results.status}: {results.error.get('message', '')}")
    note += [f"Warning: {warning}" for warning in results.warnings]
    if note:
        tags["mlflow.note.content"] = "\n\n".join(note)
    return {key: value for key, value in tags.items() if value}


def _log_dataset(store: Any, run_id: str, results: Results) -> None:
    """The data set as an MLflow input, once."""
    if not results.dataset.get("digest"):
        return
    from mlflow.entities import Dataset, DatasetInput, InputTag

    if store.get_run(run_id).inputs.dataset_inputs:
        return
    found = results.dataset
    section = results.config.get("dataset", {})
    dataset = Dataset(
        name=f"{found['name']}-{found['split']}".strip("-"),
        digest=str(found["digest"])[:36],
        source_type="local",
        source=str(section.get("root") or section.get("path") or found["name"]),
        profile=f'{{"sequences": {found.get("sequences", 0)}, "frames": {found.get("frames", 0)}}}',
    )
    store.log_inputs(run_id, datasets=[DatasetInput(dataset, [InputTag("mlflow.data.context", "evaluation")])])


def _log_files(store: Any, run_id: str, folder: Path, results: Results) -> None:
    """Configuration, results, track files, plots, samples; the prepared model under ``model/``."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in _SKIPPED_FILES or path.name == "rounds":
            continue
        if path.is_dir():
            store.log_artifacts(run_id, str(path), path.name)
        else:
            store.log_artifact(run_id, str(path))
    store.log_dict(run_id, dict(results.config), "config.yaml")
    store.log_dict(run_id, dict(results.environment), "environment.json")
    for name, table in _tables(folder).items():
        store.log_table(run_id, table, f"tables/{name}.json") if not _has(
            store, run_id, f"tables/{name}.json"
        ) else None
    _log_model(store, run_id, results)


def _has(store: Any, run_id: str, path: str) -> bool:
    return any(item.path == path for item in store.list_artifacts(run_id, os.path.dirname(path)))


def _tables(folder: Path) -> Mapping[str, Any]:
    from harness.report import native

    found: Mapping[str, Any] = native.tables(folder)
    return found


def _log_model(store: Any, run_id: str, results: Results) -> None:
    for path in model_files(results):
        store.log_artifact(run_id, str(path), "model")


def model_files(results: Results) -> list[Path]:
    """The files of the prepared model that are still in the cache."""
    found = []
    for name in results.artifact.get("files", {}).values():
        path = Path(name)
        found += [item for item in (path, path.with_suffix(".bin")) if item.is_file()]
    return sorted(set(found))


def log_sweep(sweep: Path, target: Target, state: str) -> Logged | None:
    """Completes a sweep's parent run: summary, report, plots, the FPS of each child as a metric."""
    if target.kind == "off":
        return None

    def work(store: Any) -> Logged:
        experiment = experiment_id(store, target)
        record = read_json(sweep / "sweep.json")
        run_id = _parent_run(store, sweep, experiment, target)
        from mlflow.entities import RunTag

        tags = {"sweep": "true", "overrides": " ".join(record.get("words", [])), "status": state}
        store.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items() if value])
        for name in ("summary.csv", "summary.md", "report.html", "sweep.json"):
            if (sweep / name).is_file():
                store.log_artifact(run_id, str(sweep / name))
        if (sweep / "plots").is_dir():
            store.log_artifacts(run_id, str(sweep / "plots"), "plots")
        store.set_terminated(run_id, "FINISHED" if state == "ok" else "FAILED")
        logged = Logged(run_id, experiment, target.tracking_uri)
        _note(sweep, target, pending=False, logged=logged)
        return logged

    found: Logged = _guarded(sweep, target, work)
    return found


def chunks(items: list[Any], size: int) -> Iterable[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _milliseconds(moment: str) -> int:
    try:
        return int(datetime.fromisoformat(moment).timestamp() * 1000)
    except ValueError:
        return int(time.time() * 1000)


def page_of(target: Target) -> str:
    """The UI's path to the target's experiment, in the mode that shows runs and their charts."""
    store = client(target)
    return f"/#/experiments/{experiment_id(store, target)}/runs?workflowType=machine_learning"
