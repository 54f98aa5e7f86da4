"""Where runs go, and what is kept about it beside a job's results."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import DataError, HarnessError, StoreError
from harness.core.files import read_json, write_json

STATE_FILE = "mlflow.json"
DATABASE = "mlflow.db"
SCHEMES = ("http", "https", "databricks", "sqlite", "postgresql", "mysql", "mssql")


class LoggingFailed(HarnessError):
    """The store did not take it; the job's folder is complete, and ``sync`` sends it later."""


@dataclass(frozen=True)
class Target:
    """Where runs go: ``local`` (a store under ``root``), ``server`` (``uri``) or ``off``."""

    kind: str = "local"
    root: str = "mlruns"
    uri: str | None = None
    experiment: str = "harness"

    @property
    def tracking_uri(self) -> str:
        """MLflow's address of the store."""
        if self.kind == "server":
            if not self.uri:
                raise StoreError("mlflow=server needs mlflow.uri=ADDRESS, as in mlflow.uri=http://127.0.0.1:5000.")
            return self.uri
        return f"sqlite:///{Path(self.root).resolve()}/{DATABASE}"


@dataclass(frozen=True)
class Logged:
    """A run in MLflow."""

    run_id: str
    experiment_id: str
    uri: str


def target_of(config: Mapping[str, Any]) -> Target:
    """The target that the ``mlflow`` section names. Raises StoreError."""
    section = config.get("mlflow") or {}
    target = Target(
        str(section.get("name", "local")),
        str(section.get("root", "mlruns")),
        section.get("uri"),
        str(section.get("experiment", "harness")),
    )
    if target.kind not in ("local", "server", "off"):
        raise StoreError(f"mlflow={target.kind} is unknown; accepted: local, server, off.")
    if target.kind == "local":
        check_writable(Path(target.root))
    if target.kind == "server":
        check_uri(target.tracking_uri)
    return target


def check_uri(uri: str) -> None:
    """Raises StoreError where ``uri`` is no address of a store that MLflow can log to."""
    scheme, separator, rest = uri.partition("://")
    if not separator or not rest or scheme.split("+")[0] not in SCHEMES:
        raise StoreError(
            f"mlflow.uri is {uri!r}; accepted: the address of a tracking server, as in mlflow.uri=http://127.0.0.1:5000."
        )


def explicit_target(
    uri: str | None, experiment: str | None, enabled: bool = True, root: str | None = None
) -> Target | None:
    """A target from a command's options, or None where none is given."""
    if not enabled:
        return Target("off")
    if uri is None and experiment is None and root is None:
        return None
    if uri is not None:
        check_uri(uri)
    return Target("server" if uri else "local", root or "mlruns", uri, experiment or Target.experiment)


def check_writable(root: Path) -> None:
    """Raises StoreError where the store's folder cannot be written."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe = root / f".probe-{os.getpid()}"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise StoreError(
            f"the MLflow store {root} cannot be written ({error.strerror}); set mlflow.root to a folder that can, "
            "or mlflow=off."
        ) from error


# ------------------------------------------------------------------------- the note beside the results


@dataclass(frozen=True)
class State:
    """``mlflow.json``: where a folder was logged, up to which state of its files, and what is still to be sent."""

    target: Target
    pending: bool
    logged: Logged | None = None
    stamp: str = ""
    files: Mapping[str, str] | None = None

    def save(self, folder: Path) -> None:
        """Writes the note; ``files`` maps what was uploaded to its digest."""
        target = self.target
        write_json(
            folder / STATE_FILE,
            {
                "pending": self.pending,
                "target": {
                    "kind": target.kind,
                    "root": str(Path(target.root).resolve()),
                    "uri": target.uri,
                    "experiment": target.experiment,
                },
                "run_id": self.logged.run_id if self.logged else None,
                "experiment_id": self.logged.experiment_id if self.logged else None,
                "uri": target.tracking_uri,
                "stamp": self.stamp,
                "files": dict(self.files or {}),
            },
        )

    @classmethod
    def load(cls, folder: Path) -> State | None:
        """The note in ``folder``, or None where there is none that can be read."""
        try:
            raw = read_json(folder / STATE_FILE)
            target = Target(**{key: raw["target"][key] for key in ("kind", "root", "uri", "experiment")})
            logged = Logged(raw["run_id"], raw["experiment_id"], raw["uri"]) if raw["run_id"] else None
            return cls(target, bool(raw["pending"]), logged, str(raw.get("stamp", "")), dict(raw.get("files") or {}))
        except (DataError, KeyError, TypeError, ValueError):
            return None
