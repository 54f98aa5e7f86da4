"""A password in a YAML file of anybody's is kept in memory alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import standing_conf

from harness.core import secrets
from harness.jobs import compose

SECRET = "hunter2secret"
ADDRESS = f"http://user:{SECRET}@127.0.0.1:9"


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(secrets.VARIABLE, "{}")


def own_store(folder: Path, uri: str) -> Path:
    conf = standing_conf(folder / "conf")
    (conf / "mlflow").mkdir()
    (conf / "mlflow/own.yaml").write_text(f"name: server\nroot: mlruns\nexperiment: harness\nuri: {uri}\n")
    return conf


def test_make_plan_with_a_password_in_a_persons_yaml_keeps_it_in_memory_alone(tmp_path: Path) -> None:
    plan = compose.make_plan(["mlflow=own"], False, str(own_store(tmp_path, ADDRESS)), [])
    assert plan.config["mlflow"]["uri"] == "http://127.0.0.1:9"
    assert plan.composed is not None and SECRET not in str(plan.composed.root)
    assert secrets.whole("http://127.0.0.1:9") == ADDRESS


def test_make_plan_with_a_password_in_a_variable_keeps_it_in_memory_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_ADDRESS", ADDRESS)
    plan = compose.make_plan(["mlflow=own"], False, str(own_store(tmp_path, "${oc.env:STORE_ADDRESS}")), [])
    assert plan.config["mlflow"]["uri"] == "http://127.0.0.1:9"
    assert secrets.whole("http://127.0.0.1:9") == ADDRESS
