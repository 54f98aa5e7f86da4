"""Prepared models as MLflow models: logged once per content key, linked from every run that used them."""

from __future__ import annotations

import getpass
import shutil
import tempfile
from pathlib import Path
from typing import Any

from filelock import FileLock

from harness.artifacts.store import ARTIFACT_FILE, damage
from harness.core.files import plain
from harness.core.preparing import companions
from harness.core.results import Results
from harness.publish.mlflow.content import IMPORTED_FILE
from harness.publish.mlflow.target import Target

KEY_TAG = "harness.artifact_key"
FLAVOR = "tracker_harness"


def model_files(folder: Path, results: Results) -> dict[str, Path]:
    """Returns file name -> path of the prepared model's files: beside the results (imported), or in the cache.

    Empty if one is missing, or has changed in the cache.
    """
    found: dict[str, Path] = {}
    for recorded in results.artifact.get("files", {}).values():
        path = _find(folder, Path(str(recorded)))
        if path is None or (path.with_name(ARTIFACT_FILE).is_file() and damage(path.parent)):
            return {}
        found |= {item.name: item for item in companions(path)}
    return found


def _find(folder: Path, recorded: Path) -> Path | None:
    """Finds a file of the cache, whose path is relative to where the job ran: the folder's own place or above it.

    Files named by imported results are searched only in their own folder, because they could name any file of this
    machine.
    """
    places = [folder / "model" / recorded.name]
    if (folder / IMPORTED_FILE).is_file():
        return next((path for path in places if path.is_file()), None)
    places += [recorded] if recorded.is_absolute() else [base / recorded for base in folder.resolve().parents]
    places.append(recorded)
    return next((path for path in places if path.is_file()), None)


def log_model(store: Any, run: Any, experiment: str, folder: Path, results: Results, target: Target) -> str | None:
    """Returns the id of the logged model of this job's artifact, made if it is missing; links the run to it."""
    key = str(results.artifact.get("key", ""))
    files = model_files(folder, results)
    if not key:
        return None
    with FileLock(Path(tempfile.gettempdir()) / f"harness-{getpass.getuser()}-model-{key[:20]}.lock"):
        ready = [model for model in _find_models(store, experiment, key) if str(model.status).endswith("READY")]
        if not ready and not files:
            return None
        made = None if ready else _make(store, run, experiment, key, files, results, target)
    model_id = str(ready[0].model_id) if ready else str(made)
    _link(store, run, model_id, made is not None)
    return model_id


def _find_models(store: Any, experiment: str, key: str) -> list[Any]:
    found = store.search_logged_models([experiment], filter_string=f"tags.`{KEY_TAG}` = '{key}'", max_results=20)
    return sorted(found, key=lambda model: model.creation_timestamp)


def _make(
    store: Any, run: Any, experiment: str, key: str, files: dict[str, Path], results: Results, target: Target
) -> str:
    """Creates the model, uploads its files and an MLmodel file, and finalises it: READY means complete."""
    from mlflow.models import Model

    artifact = results.artifact
    name = "-".join(
        part for part in (results.choice("tracker"), str(artifact["format"]), str(artifact["precision"]), key[:8]) if part
    )
    facts: dict[str, Any] = {
        "format": artifact["format"],
        "precision": artifact["precision"],
        "key": key,
        "model_mb": results.metrics.get("model_mb"),
        "parity/max_abs_diff": results.metrics.get("parity/max_abs_diff"),
        **{name: artifact[name] for name in ("exporter", "opset", "converter") if name in artifact},
    }
    for half_made in _find_models(store, experiment, key):
        store.delete_logged_model(half_made.model_id)
    model = store.create_logged_model(
        experiment,
        name=name,
        source_run_id=run.info.run_id,
        tags={KEY_TAG: key, "tracker": results.choice("tracker")},
        params={name_: str(value) for name_, value in facts.items() if value is not None},
        model_type="tracker",
    )
    with tempfile.TemporaryDirectory() as scratch:
        for file, path in files.items():
            shutil.copyfile(path, Path(scratch) / file)
        described = Model(artifact_path="model", run_id=run.info.run_id, model_id=model.model_id)
        graphs = {graph: Path(str(path)).name for graph, path in artifact["files"].items()}
        described.add_flavor(FLAVOR, graphs=graphs, **plain({name: value for name, value in facts.items() if value}))
        described.save(str(Path(scratch) / "MLmodel"))
        _send(model.artifact_location, scratch, target)
    store.finalize_logged_model(model.model_id, "READY")
    return str(model.model_id)


def _send(location: str, folder: str, target: Target) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    get_artifact_repository(location, tracking_uri=target.tracking_uri).log_artifacts(folder)


def _link(store: Any, run: Any, model_id: str, made: bool) -> None:
    """Shows the model on the run's page, once: as output if the run made it, else as input."""
    from mlflow.entities import LoggedModelInput, LoggedModelOutput

    now = store.get_run(run.info.run_id)
    known = [item.model_id for item in (now.outputs.model_outputs if now.outputs else [])]
    known += [item.model_id for item in (now.inputs.model_inputs if now.inputs else [])]
    if model_id in known:
        return
    if made:
        store.log_outputs(run.info.run_id, [LoggedModelOutput(model_id, 0)])
    else:
        store.log_inputs(run.info.run_id, models=[LoggedModelInput(model_id)])
