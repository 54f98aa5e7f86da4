"""A tracking server over PostgreSQL and S3, as deploy/ describes it: eight jobs log at once, nothing lost or doubled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from command_line import PATH, ROOT
from ready_children import Ready
from scored_jobs import give_model, scored_sweep
from servers import free_port, postgres, s3, start_mlflow, stop
from store_records import records

from harness.core.results import Results
from harness.publish.mlflow import Target, client, fetched, log_folder, log_sweep
from harness.report.history import reading


@pytest.mark.slow
def test_eight_jobs_at_once_over_postgresql_and_s3(tmp_path: Path, imports: Ready) -> None:
    sweep = scored_sweep(tmp_path, jobs=8, sequences=2, frames=8)
    for number in range(8):
        give_model(sweep / str(number), tmp_path / "cache")
        _follow_one_tracker(sweep / str(number))
    with postgres(tmp_path) as store, s3("mlflow") as reach:
        port = free_port()
        server = start_mlflow(tmp_path, port, store, "s3://mlflow/artifacts", imports, **reach)
        try:
            there = Target("server", uri=f"http://127.0.0.1:{port}")
            _log_at_once(sweep, str(there.uri))
            log_sweep(sweep, there, "ok")
            found = records(there)
            back = reading.runs(fetched(replace(there, experiment=""), tmp_path / "kept", print), print)
            experiment = client(there).get_experiment_by_name(there.experiment)  # its number differs if several began to make it
            models = client(there).search_logged_models([experiment.experiment_id])
        finally:
            stop(server)
    here = Target(root=str(tmp_path / "mlruns"))
    for number in range(8):
        log_folder(sweep / str(number), parent=sweep, target=here)
    log_sweep(sweep, here, "ok")
    assert len(found) == 9
    assert found == records(here), "the server has not what an undisturbed local store has"
    assert {job.id: job.results for job in back} == {own.id: own for own in (Results.load(sweep / str(number)) for number in range(8))}
    assert len(models) == 1
    assert found[Results.load(sweep / "7").id]["model"][0] == models[0].name


def _follow_one_tracker(folder: Path) -> None:
    """One model is one tracker's, whose name the logged model bears, whichever of the eight logs it."""
    results = Results.load(folder)
    results.config["tracker"]["name"] = "drawn"
    results.save(folder)


def _log_at_once(sweep: Path, uri: str) -> None:
    command = [sys.executable, str(ROOT / "tests/support/log_at_once.py"), uri]
    folders = sorted(str(path.parent) for path in sweep.glob("*/results.json"))
    done = subprocess.run(
        [*command, *folders], env={**os.environ, "PYTHONPATH": PATH}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(json.loads((sweep / f"{number}/mlflow.json").read_text())["pending"] is False for number in range(8))


def test_the_compose_file_is_sound_and_open_to_nobody() -> None:
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    assert {"mlflow", "postgres", "s3"} <= compose["services"].keys()
    for name, service in compose["services"].items():
        for port in service.get("ports", []):
            assert str(port).startswith("127.0.0.1:"), f"{name} is open to the world: {port}"
        assert ":latest" not in service.get("image", ""), f"{name} has no fixed version"
        assert not service.get("privileged")
        assert service.get("network_mode") != "host"
    text = (ROOT / "deploy/compose.yaml").read_text()
    example = (ROOT / "deploy/.env.example").read_text()
    wanted = {line.partition("=")[0] for line in example.splitlines() if line and not line.startswith("#")}
    used = {part.split("}")[0].split(":")[0] for part in text.split("${")[1:]}
    assert used == wanted, "compose.yaml and .env.example name different settings"
    assert all(":?" in part.split("}")[0] for part in text.split("${")[1:] if "PASSWORD" in part.split("}")[0])
