"""A store's database that is something else, and a note beside results that was edited: told, or taken for unknown."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import DataError, StoreError
from harness.publish.mlflow import check_database, repair
from harness.publish.mlflow.target import State

SOUND = {"pending": False, "target": {"kind": "local", "root": "r", "uri": None, "experiment": "e"}, "run_id": "a", "experiment_id": "1", "uri": "u"}


@pytest.mark.parametrize("data", [b"hello " * 100, b"\0" * 8192, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_file_that_is_no_database_is_told_by_its_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "mlflow.db").write_bytes(data)
    for look in (check_database, repair):
        with pytest.raises(StoreError, match=r"mlflow\.db is not a database that can be read"):
            look(tmp_path)
    assert (tmp_path / "mlflow.db").read_bytes() == data


def test_a_database_of_something_else_is_no_store(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as other:
        other.execute("CREATE TABLE cats (name TEXT)")
    check_database(tmp_path)
    with pytest.raises(StoreError, match="is not an MLflow store"):
        repair(tmp_path)


def test_a_store_that_is_not_there_is_no_damage(tmp_path: Path) -> None:
    check_database(tmp_path)
    with pytest.raises(DataError):
        repair(tmp_path)


@pytest.mark.parametrize(
    "edit",
    [{"target": None}, {"target": []}, {"target": {"kind": "local"}}, {"target": {**SOUND["target"], "root": 5}}, {"run_id": 5}, {"uri": None},  # type: ignore[dict-item]
     {"target": {**SOUND["target"], "kind": "x"}}],  # type: ignore[dict-item]
)  # fmt: skip
def test_an_edited_note_counts_as_unknown(tmp_path: Path, edit: dict[str, Any]) -> None:
    (tmp_path / "mlflow.json").write_text(json.dumps({"stores": {"u": SOUND}}))
    found = State.load(tmp_path)
    assert found is not None and found.logged is not None and found.logged.run_id == "a"
    (tmp_path / "mlflow.json").write_text(json.dumps({"stores": {"u": SOUND | edit}}))
    assert State.load(tmp_path) is None


def test_a_database_that_another_program_keeps_locked_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.publish.mlflow.place.LOCKED_SECONDS", 0.1)
    other = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)
    other.execute("CREATE TABLE cats (name TEXT)")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match=r"another program keeps .*mlflow\.db locked; wait for its end, or end it"):
        check_database(tmp_path)
    other.execute("ROLLBACK")
    check_database(tmp_path)
    other.close()
