"""Everything that an MLflow store holds about the harness's runs, by their identities: two stores can be compared."""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path
from typing import Any

from harness.publish.mlflow import Target, client

OWN = ("mlflow.user", "mlflow.parentRunId", "harness.model_id", "harness.bundle", "harness.recomputed")
"""Tags that name ids of the store, or how a run came there."""


def records(target: Target) -> dict[str, dict[str, Any]]:
    """Identity -> run, of all runs of the target's experiment. Fails where an identity stands there twice."""
    store = client(target)
    experiment = store.get_experiment_by_name(target.experiment)
    runs = store.search_runs([experiment.experiment_id], max_results=1000)
    names = {run.info.run_id: run.data.tags["harness.id"] for run in runs}
    assert len(set(names.values())) == len(runs), "a run was doubled"
    models = {model.model_id: model for model in store.search_logged_models([experiment.experiment_id])}
    return {run.data.tags["harness.id"]: _record(store, run, names, models) for run in runs}


def _record(store: Any, run: Any, names: dict[str, str], models: dict[str, Any]) -> dict[str, Any]:
    model = models.get(run.data.tags.get("harness.model_id", ""))
    return {
        "name": run.info.run_name,
        "status": run.info.status,
        "times": (run.info.start_time, run.info.end_time),
        "parent": names.get(run.data.tags.get("mlflow.parentRunId", "")),
        "params": dict(run.data.params),
        "tags": {key: _without_ids(value, names) for key, value in run.data.tags.items() if key not in OWN},
        "metrics": {key: _history(store, run.info.run_id, key) for key in run.data.metrics},
        "datasets": sorted((item.dataset.name, item.dataset.digest) for item in run.inputs.dataset_inputs),
        "artifacts": _artifacts(store, run.info.run_id),
        "model": (model.name, model.params, str(model.status)) if model else None,
    }


def _without_ids(text: str, names: dict[str, str]) -> str:
    """A tag in which links to runs have the runs' own identities: a store's ids are its own."""
    text = re.sub(r"/experiments/\d+/", "/experiments/ID/", text)
    for run_id, identity in names.items():
        text = text.replace(run_id, identity)
    return text


def _history(store: Any, run_id: str, key: str) -> list[tuple[int, int, float]]:
    return sorted((item.timestamp, item.step, item.value) for item in store.get_metric_history(run_id, key))


def _artifacts(store: Any, run_id: str) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as scratch:
        if not store.list_artifacts(run_id):
            return {}
        root = Path(store.download_artifacts(run_id, "", scratch))
        files = [path for path in sorted(root.rglob("*")) if path.is_file()]
        return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
