"""A new local store begins with a copy of the empty database that MLflow made before: the same tables, nothing of another place."""

from __future__ import annotations

import sqlite3
from importlib.metadata import version
from pathlib import Path

import pytest

from harness.publish import mlflow as mlflow_log
from harness.publish.mlflow import Target, schema

VERSION = version("mlflow")


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for caches, and beside it two stores: the first one made by MLflow, the second one begun with what was kept of it."""
    folder = tmp_path_factory.mktemp("schema")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema.platformdirs, "user_cache_path", lambda _: folder / "caches")
        for name in ("first", "second"):
            mlflow_log.client(Target(root=str(folder / name)))
    return folder


@pytest.fixture
def kept(caches: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty database that was kept."""
    monkeypatch.setattr(schema.platformdirs, "user_cache_path", lambda _: caches / "caches")
    (found,) = schema.folder().glob("*.db")
    return found


def lines(database: Path) -> list[str]:
    """The database as SQL, without the row whose time differs."""
    with sqlite3.connect(database) as store:
        return sorted(line for line in store.iterdump() if not line.startswith('INSERT INTO "experiments"'))


def test_the_second_store_has_the_tables_that_mlflow_made_for_the_first(caches: Path) -> None:
    first = lines(caches / "first/mlflow.db")
    assert len(first) > 50
    assert lines(caches / "second/mlflow.db") == first


def test_what_is_kept_has_no_experiment_and_no_place(caches: Path, kept: Path) -> None:
    with sqlite3.connect(kept) as store:
        assert store.execute("SELECT count(*) FROM experiments").fetchone() == (0,)
    assert str(caches).encode() not in kept.read_bytes() and str(Path.cwd()).encode() not in kept.read_bytes()


def test_a_second_store_is_begun_without_migrations(caches: Path, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.store.db import utils

    def fail(*_: object) -> None:
        raise AssertionError("MLflow made the tables once more")

    monkeypatch.setattr(utils, "_initialize_tables", fail)
    (experiment,) = mlflow_log.client(Target(root=str(tmp_path / "store"))).search_experiments()
    assert experiment.name == "Default"


def test_a_damaged_copy_and_one_of_another_version_are_not_used(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caches = tmp_path / "caches"
    monkeypatch.setattr(schema.platformdirs, "user_cache_path", lambda _: caches)
    schema.folder().mkdir(parents=True)
    data = bytearray(kept.read_bytes())
    data[5000] ^= 1
    (schema.folder() / kept.name).write_bytes(data)
    assert not schema.begin(tmp_path / "mlflow.db", VERSION)
    (schema.folder() / kept.name).write_bytes(kept.read_bytes())
    assert not schema.begin(tmp_path / "mlflow.db", "0.0.1")
    assert schema.begin(tmp_path / "mlflow.db", VERSION)
    assert not schema.begin(tmp_path / "mlflow.db", VERSION)  # a store is never replaced


def test_a_database_with_runs_is_not_kept(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = tmp_path / "mlflow.db"
    database.write_bytes(kept.read_bytes())
    with sqlite3.connect(database) as store:
        store.execute("INSERT INTO runs (run_uuid, experiment_id, lifecycle_stage) VALUES ('a', 0, 'active')")
    monkeypatch.setattr(schema.platformdirs, "user_cache_path", lambda _: tmp_path / "caches")
    schema.keep(database, "1.0")
    assert not schema.folder().exists()


def test_a_folder_that_cannot_be_written_only_costs_time(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "caches").write_text("a file")
    monkeypatch.setattr(schema.platformdirs, "user_cache_path", lambda _: tmp_path / "caches")
    assert not schema.begin(tmp_path / "mlflow.db", VERSION)
    schema.keep(kept, VERSION)
