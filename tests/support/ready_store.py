"""Lets MLflow's local stores begin as a copy of an empty one: making the tables, migration by migration, takes a second or two each time.

The empty store is made once by MLflow itself. What a test starts as a process of its own makes its store as ever.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from filelock import FileLock

NAME = "empty.db"


def empty_store(folder: Path) -> Path:
    """A database with MLflow's tables and nothing in them, in ``folder``; made by whoever comes first."""
    path = folder / NAME
    with FileLock(folder / f"{NAME}.lock"):
        if not path.is_file():
            import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  # which tables there are
            import sqlalchemy
            from mlflow.store.db import utils

            draft = folder / f"{NAME}.draft"
            engine = sqlalchemy.create_engine(f"sqlite:///{draft}")
            utils._initialize_tables(engine)
            engine.dispose()
            draft.rename(path)
    return path


def fill(database: Path, folder: Path) -> None:
    """Copies the empty store into ``database``, which has no tables yet."""
    with contextlib.closing(sqlite3.connect(empty_store(folder))) as source, contextlib.closing(sqlite3.connect(database)) as target:
        source.backup(target)


@contextlib.contextmanager
def ready_stores(folder: Path) -> Iterator[None]:
    """Inside of it stores begin as copies of the one in ``folder``."""
    from mlflow.store.db import utils

    empty_store(folder)
    made, latest = utils._initialize_tables, utils._get_latest_schema_revision

    def copied(engine: Any) -> None:
        if engine.url.get_backend_name() == "sqlite" and engine.url.database not in (None, "", ":memory:"):
            fill(Path(engine.url.database), folder)
        else:
            made(engine)

    with (
        mock.patch.object(utils, "_initialize_tables", copied),
        mock.patch.object(utils, "_get_latest_schema_revision", functools.cache(latest)),  # reads a hundred files
    ):
        yield
