"""A password in a YAML file of anybody's is in no file that a sweep leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import harness
from fakes import standing_conf, tiny_dataset

from harness.core import secrets

SECRET = "hunter2secret"
ADDRESS = f"http://user:{SECRET}@127.0.0.1:9"


def test_no_file_or_message_of_a_sweep_and_its_bundle_holds_the_password(
    tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(secrets.VARIABLE, "{}")
    conf, root = standing_conf(tmp_path / "conf"), tiny_dataset(tmp_path / "data", 1, 3)
    (conf / "mlflow").mkdir()
    (conf / "mlflow/own.yaml").write_text(f"name: server\nroot: mlruns\nexperiment: harness\nuri: {ADDRESS}\n")
    words = ["tracker=standing", "mlflow=own", "dataset=folder", f"dataset.root={root}", "dataset.split=val", "backend=onnx"]
    place = tmp_path / "work"
    place.mkdir()
    done = harness(
        "-m", "--config-dir", conf, *words, "seed=1,2", f"prepare.cache={prepared}", "hydra.sweep.dir=sweep", cwd=place,
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="0", MLFLOW_HTTP_REQUEST_TIMEOUT="1",
    )  # fmt: skip
    packed = harness("share", "sweep", "-o", "bundle.zip", cwd=place)
    unpacked = harness("import", "bundle.zip", "--no-mlflow", cwd=place)
    assert (packed.returncode, unpacked.returncode) == (0, 0), packed.stderr + unpacked.stderr
    said = done.stdout + done.stderr + packed.stdout + packed.stderr
    files = [Path(folder) / name for folder, _, names in os.walk(place) for name in names]
    assert len(files) > 20
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in said
