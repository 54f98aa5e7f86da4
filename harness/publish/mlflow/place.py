"""Repairs a moved or copied store: MLflow keeps absolute artifact locations in its database. Plain SQL, no MLflow."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from harness.core.errors import DataError, StoreError
from harness.publish.mlflow.target import DATABASE

ARTIFACTS = "artifacts"
PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("tags", "value"),
    ("experiment_tags", "value"),
    ("trace_tags", "value"),
)
"""Columns in which MLflow keeps locations; some are in its own tags (``mlflow.artifactLocation`` of traces)."""


LOCKED_SECONDS = 10.0
"""Readers of SQLite are kept out for as long as a change is put in place, which is a moment; MLflow would try for longer."""


@dataclass
class Repaired:
    """The result of ``repair``: the replaced locations, the number of values, the database's copy, missing files."""

    old: list[str] = field(default_factory=list)
    changed: int = 0
    backup: Path | None = None
    missing: list[str] = field(default_factory=list)


def check_database(root: Path) -> None:
    """Raises StoreError if the store at ``root`` has a file that is not a database, is damaged, or stays locked."""
    database = _database(root)
    if database.exists() and not database.is_file():
        raise StoreError(f"{database} is not a file; move it away, or choose another folder for the store.")
    if not database.is_file():
        return
    try:
        with _open(database, LOCKED_SECONDS) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise StoreError(f"another program keeps {database} locked; wait for its end, or end it") from error
        raise StoreError(
            f"{database} is not a database that can be read ({error}); restore it from a copy, or move it away: `python -m harness "
            "sync` then logs again what lies under outputs/."
        ) from error


def moved_from(root: Path) -> str | None:
    """Returns the folder from which the store at ``root`` was moved; None if it was not moved or does not exist."""
    return next(iter(_old_roots(root)), None)


def repair(root: Path) -> Repaired:
    """Copies the database, then rewrites every location under the old root to ``root``. Raises StoreError."""
    database = _database(root)
    if not database.is_file():
        raise DataError(f"{database} does not exist; give --root the folder of a store (it holds {DATABASE}).")
    check_database(root)
    old = _old_roots(root)
    done = Repaired(old)
    if old:
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        done.backup = database.with_name(f"{DATABASE}.before-repair-{stamp}")
        try:
            with _open(database) as connection, contextlib.closing(sqlite3.connect(done.backup)) as copy:
                connection.backup(copy)
            with _open(database) as connection, connection:
                done.changed = sum(_rewrite(connection, place, root.resolve()) for place in old)
        except sqlite3.Error as error:
            raise StoreError(f"{database} cannot be mended ({error}); the copy is {done.backup}.") from error
    done.missing = _missing(root)
    return done


def _database(root: Path) -> Path:
    return root.resolve() / DATABASE


@contextlib.contextmanager
def _open(database: Path, seconds: float = 30.0) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(database, timeout=seconds)
    try:
        yield connection
    finally:
        connection.close()


def _old_roots(root: Path) -> list[str]:
    """Returns other roots than ``root`` of experiments made by this harness (their location ends in /artifacts)."""
    database = _database(root)
    if not database.is_file():
        return []
    try:
        with _open(database) as connection:
            rows = connection.execute("SELECT artifact_location FROM experiments").fetchall()
    except sqlite3.Error:
        return []  # a database without tables: MLflow makes them on first use
    here = str(root.resolve())
    found = {_path(row[0]) for row in rows if row[0]}
    roots = {path.removesuffix(f"/{ARTIFACTS}") for path in found if path and path.endswith(f"/{ARTIFACTS}")}
    return sorted(roots - {here})


def _path(location: str) -> str | None:
    """The path of a file URI or of a plain absolute path; None for other stores."""
    if location.startswith("/"):
        return location.rstrip("/")
    parts = urlsplit(location)
    return unquote(parts.path).rstrip("/") if parts.scheme == "file" else None


def _rewrite(connection: sqlite3.Connection, old: str, new: Path) -> int:
    """Replaces the prefix ``old`` (as URI and as path) in all columns of PLACES; returns how many values changed."""
    changed = 0
    pairs = [(Path(old).as_uri(), new.as_uri()), (f"file://{old}", new.as_uri()), (old, str(new))]
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table, column in PLACES:
        if table not in tables:
            continue
        for before, after in dict(pairs).items():
            # a prefix followed by a slash, by plain comparison: LIKE would read _ and % in a path as patterns
            statement = (
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 (names are from PLACES)
                f"WHERE substr({column}, 1, ?) = ?"
            )
            prefix = before + "/"
            changed += connection.execute(
                statement, (after + "/", len(prefix) + 1, len(prefix), prefix)
            ).rowcount
    return changed


def _missing(root: Path) -> list[str]:
    """Returns runs and models whose artifacts are not at the location in the database."""
    try:
        with _open(_database(root)) as connection:
            rows = connection.execute("SELECT artifact_uri FROM runs WHERE lifecycle_stage = 'active'").fetchall()
            rows += connection.execute("SELECT artifact_location FROM logged_models WHERE lifecycle_stage = 'active'").fetchall()
    except sqlite3.Error as error:
        raise StoreError(f"{_database(root)} is not an MLflow store of this version ({error}); give --root the folder of one.") from error
    paths = [_path(row[0]) for row in rows if row[0]]
    return sorted(path for path in paths if path and not Path(path).exists())
