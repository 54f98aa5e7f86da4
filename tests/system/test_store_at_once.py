"""Processes that log to one local store at the same moment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from command_line import PATH, SUPPORT
from scored_jobs import give_model, scored_sweep
from store_records import records

from harness.core.results import Results
from harness.publish.mlflow import Target, client


def test_eight_processes_log_at_once(tmp_path: Path) -> None:
    """The store's creation included: nothing lost, nothing doubled."""
    sweep = scored_sweep(tmp_path, jobs=8, sequences=2, frames=8)
    for number in range(8):
        give_model(sweep / str(number), tmp_path / "cache")
    command = [sys.executable, str(SUPPORT / "log_at_once.py"), str(tmp_path / "mlruns")]
    folders = [str(sweep / str(number)) for number in range(8)]
    there = Target(root=str(tmp_path / "mlruns"))
    done = subprocess.run(
        [*command, *folders], env={**os.environ, "PYTHONPATH": PATH}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = records(there)
    assert len(found) == 9
    parent = json.loads((sweep / "sweep.json").read_text())["id"]
    for number in range(8):
        results = Results.load(sweep / str(number))
        run = found[results.id]
        assert run["parent"] == parent
        assert run["status"] == "FINISHED"
        assert {key: run["metrics"][key][0][2] for key in results.metrics} == results.metrics
    experiment = client(there).get_experiment_by_name(there.experiment)
    assert len(client(there).search_logged_models([experiment.experiment_id])) == 1
