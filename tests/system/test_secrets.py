"""A password in a store's address is used, and stands nowhere: no file, log, database, page, bundle or message has it."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from fakes import standing_conf, tiny_dataset
from guard import guarded
from ready_children import Ready
from servers import free_port, start_mlflow, stop

USER, SECRET = "reader", "hunter2secret"


def places_with(secret: bytes, folders: list[Path]) -> list[str]:
    """Files (databases, archives' entries and names of files too) in which ``secret`` stands."""
    found = []
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                path = Path(place) / name
                data = path.read_bytes()
                if secret in data or secret.decode() in name:
                    found.append(str(path))
                if zipfile.is_zipfile(path):
                    with zipfile.ZipFile(path) as archive:
                        found += [f"{path}: {entry}" for entry in archive.namelist() if secret in archive.read(entry)]
    return found


@pytest.mark.slow
def test_no_file_database_log_or_message_holds_the_password_of_a_server(tmp_path: Path, prepared: Path, common: Path, imports: Ready) -> None:
    work, served = tmp_path / "work", tmp_path / "server"
    work.mkdir()
    served.mkdir()
    conf, data = standing_conf(tmp_path / "conf"), tiny_dataset(tmp_path / "data", 2, 4)
    port = free_port()
    server = start_mlflow(served, port, f"sqlite:///{served}/mlflow.db", str(served / "artifacts"), common)
    said = []

    def call(*words: object, code: int = 0, **environment: str) -> None:
        done = imports.run(*words, cwd=work, **environment)
        said.append(done.stdout + done.stderr)
        assert done.returncode == code, done.stderr

    try:
        with guarded(port, USER, SECRET) as (gate, answers):
            address = f"http://{USER}:{SECRET}@127.0.0.1:{gate}"
            wrong = f"http://{USER}:x{SECRET}x@127.0.0.1:{gate}"
            job = ["--config-dir", conf, "tracker=standing", "dataset=folder", f"dataset.root={data}", "dataset.split=val", "backend=onnx",
                   f"prepare.cache={prepared}", "task.warmup=1"]  # fmt: skip
            call("-m", *job, "mlflow=server", f"mlflow.uri={address}", "seed=1,2", "hydra.sweep.dir=sweep")
            assert answers.count(200) > 10, "the password was not used"
            assert 401 not in answers
            call(*job, "mlflow=server", f"mlflow.uri={wrong}", "hydra.run.dir=refused")
            assert 401 in answers
            call(*job, "mlflow=server", "hydra.run.dir=by-variable", MLFLOW_TRACKING_URI=address)
            call(*job, "mlflow=local", "hydra.run.dir=here")
            call("sync", "here", "--uri", address)
            call("sync", "refused", "--uri", wrong, code=1)
            call("compare", "sweep", "--out", "compared")
            call("share", "sweep", "-o", "bundle.zip")
            call("import", "bundle.zip", "--no-mlflow")
            call("export", "sweep/0", "-o", "exported")
            call("--cfg", "job", *job, "mlflow=server", f"mlflow.uri={address}")
            call("-v", *job, "mlflow=server", f"mlflow.uri={wrong}", "hydra.run.dir=told")
            call("mlflow=server", f"mlflow.uri=nonsense://{USER}:{SECRET}@x", "dataset=folder", f"dataset.root={data}", code=2)
    finally:
        stop(server)
    assert len(list(work.rglob("*"))) > 60
    assert places_with(SECRET.encode(), [work, served, prepared]) == []
    assert SECRET not in "".join(said)
