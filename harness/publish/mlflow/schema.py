"""The empty database of a new local store: MLflow makes it once per version; further stores begin with a copy.

MLflow runs all migrations of its history on a new database, which takes over a second of CPU time and several seconds
of disk time. The result depends only on MLflow's version. The copy is kept in the user's cache folder; its name ends in
the digest of its bytes, so that a damaged one is never used.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import tempfile
from pathlib import Path

import platformdirs

from harness.core.errors import HarnessError
from harness.core.files import read_regular, write_bytes

DIGITS = 32


def folder() -> Path:
    """Returns the folder of empty databases."""
    return platformdirs.user_cache_path("tracker-harness") / "mlflow"


def begin(database: Path, version: str) -> bool:
    """Makes a new store's database from the one kept for MLflow ``version``.

    Args:
        database: The file to make; its folder exists.
        version: The version of MLflow.

    Returns:
        False if the file already exists or no empty database of this version is kept; MLflow then makes its own.
    """
    if database.exists() or database.is_symlink():
        return False
    with contextlib.suppress(HarnessError, OSError):
        for kept in sorted(folder().glob(f"{version}-*.db")):
            data = read_regular(kept)
            if kept.stem.rpartition("-")[2] == _digest(data):
                write_bytes(database, data)
                return True
    return False


def keep(database: Path, version: str) -> None:
    """Keeps the new database of MLflow ``version`` for further stores, without the row with its own location.

    A failure to keep it is not an error: the next new store then takes as long as this one.
    """
    with contextlib.suppress(HarnessError, OSError, sqlite3.Error), tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "empty.db"
        with contextlib.closing(sqlite3.connect(database)) as made, contextlib.closing(sqlite3.connect(copy)) as empty:
            made.backup(empty)
            if empty.execute("SELECT count(*) FROM runs").fetchone() != (0,):
                return
            with empty:  # MLflow adds its experiment Default, with its location, to a database without experiments
                empty.execute("DELETE FROM experiments")
            empty.execute("VACUUM")
        data = copy.read_bytes()
        write_bytes(folder() / f"{version}-{_digest(data)}.db", data)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:DIGITS]
