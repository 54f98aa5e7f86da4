"""Everything that an MLflow store holds about the harness's runs, by their identities: two stores can be compared."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sqlite3
import tempfile
import urllib.request
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from harness.publish.mlflow import DATABASE, Target, client

Histories = dict[tuple[str, str], list[tuple[int, int, float]]]
"""(run's id, metric) -> points: time stamp, step, value."""

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
    histories = _histories(target, runs)
    return {run.data.tags["harness.id"]: _record(store, run, names, models, histories) for run in runs}


def _record(store: Any, run: Any, names: dict[str, str], models: dict[str, Any], histories: Histories) -> dict[str, Any]:
    model = models.get(run.data.tags.get("harness.model_id", ""))
    return {
        "name": run.info.run_name,
        "status": run.info.status,
        "times": (run.info.start_time, run.info.end_time),
        "parent": names.get(run.data.tags.get("mlflow.parentRunId", "")),
        "params": dict(run.data.params),
        "tags": {key: _without_ids(value, names) for key, value in run.data.tags.items() if key not in OWN},
        "metrics": {key: sorted(histories[run.info.run_id, key]) for key in run.data.metrics},
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


def _histories(target: Target, runs: list[Any]) -> Histories:
    """All points of all metrics: by one question to the database, or one for each metric to the server."""
    found: Histories = defaultdict(list)
    if target.kind == "local":
        with contextlib.closing(sqlite3.connect(Path(target.root) / DATABASE)) as database:
            for run_id, key, stamp, step, value in database.execute("select run_uuid, key, timestamp, step, value from metrics where not is_nan"):
                found[run_id, key].append((stamp, step, value))
        return found
    for key in {key for run in runs for key in run.data.metrics}:
        asked = urlencode([("metric_key", key), *(("run_id", run.info.run_id) for run in runs)])
        with urllib.request.urlopen(f"{target.tracking_uri}/ajax-api/2.0/mlflow/metrics/get-history-bulk?{asked}", timeout=60) as answer:
            for point in json.load(answer)["metrics"]:
                found[point["run_id"], key].append((point["timestamp"], point["step"], point["value"]))
    return found


def _artifacts(store: Any, run_id: str) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as scratch:
        if not store.list_artifacts(run_id):
            return {}
        root = Path(store.download_artifacts(run_id, "", scratch))
        files = [path for path in sorted(root.rglob("*")) if path.is_file()]
        return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
