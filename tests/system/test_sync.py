"""Offline first: the server dies in the middle of a sweep, no job fails, and sync sends what is missing, exactly once."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from command_line import harness
from fakes import standing_conf, tiny_dataset
from ready_children import Ready
from servers import free_port, start_mlflow, stop
from store_records import records

from harness.publish.mlflow import Target


def finished_runs(database: Path) -> int:
    """How many child runs the server's database holds as finished."""
    if not database.is_file():
        return 0
    try:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as found:
            query = (
                "select count(*) from runs join tags on tags.run_uuid = runs.run_uuid "
                "where status = 'FINISHED' and tags.key = 'harness.complete'"
            )
            return int(found.execute(query).fetchone()[0])
    except sqlite3.Error:
        return 0


@pytest.mark.slow
def test_a_server_that_dies_during_a_sweep(tmp_path: Path, prepared: Path, common: Path, imports: Ready) -> None:
    root, conf, port = tiny_dataset(tmp_path / "data"), standing_conf(tmp_path / "conf"), free_port()
    store, kept = f"sqlite:///{tmp_path}/server.db", f"{tmp_path}/kept"
    uri = f"http://127.0.0.1:{port}"
    words = ["-m", "--config-dir", conf, "tracker=standing", "dataset=folder", f"dataset.root={root}",
             "dataset.split=val", "backend=torch", "seed=0,1,2", "mlflow=server", f"mlflow.uri={uri}",
             f"prepare.cache={prepared}", "hydra.sweep.dir=outputs/it"]  # fmt: skip
    server = start_mlflow(tmp_path, port, store, kept, imports, common)
    try:
        sweep = imports.begin(*words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        until = time.monotonic() + 900
        while finished_runs(tmp_path / "server.db") < 1 and sweep.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        assert sweep.poll() is None, f"the sweep ended too early: {sweep.stdout and sweep.stdout.read()}"
    finally:
        stop(server)
    said = sweep.communicate(timeout=1500)[0]
    assert sweep.returncode == 0, said
    assert "not logged to MLflow" in said
    assert "sync" in said
    before = finished_runs(tmp_path / "server.db")
    assert 1 <= before < 3, f"{before} of 3 jobs were logged before the server died"

    away = harness("sync", cwd=tmp_path)
    assert away.returncode == 1
    assert "cannot reach the MLflow server" in away.stderr

    server = start_mlflow(tmp_path, port, store, kept, imports)
    try:
        first = harness("sync", cwd=tmp_path)
        assert first.returncode == 0, first.stderr
        there = records(Target("server", uri=uri))
        second = harness("sync", cwd=tmp_path)
        assert "0 of 0 sent" in second.stdout
        third = harness("sync", "outputs/it", cwd=tmp_path)
        assert "4 of 4 sent" in third.stdout
        assert records(Target("server", uri=uri)) == there, "sending again changed something"
    finally:
        stop(server)

    # the same results, logged to a store that nothing ever happened to
    shutil.copytree(tmp_path / "outputs/it", tmp_path / "again")
    for note in (tmp_path / "again").rglob("mlflow.json"):
        note.unlink()
    done = harness("sync", "again", "--root", "calm", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(there) == 4
    assert there == records(Target(root=str(tmp_path / "calm")))


def test_sync_says_what_it_cannot_do(tmp_path: Path) -> None:
    done = harness("sync", "nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert "nowhere is not a folder" in done.stderr
    (tmp_path / "outputs").mkdir()
    assert "0 of 0 sent" in harness("sync", cwd=tmp_path).stdout
