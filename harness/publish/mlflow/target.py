"""Where runs are logged, and the note about it beside a job's results."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from harness.core import secrets
from harness.core.errors import DataError, HarnessError, StoreError
from harness.core.files import read_json, write_json
from harness.core.words import shown

STATE_FILE = "mlflow.json"
DATABASE = "mlflow.db"
DEFAULT_EXPERIMENT = "harness"
SCHEMES = ("http", "https", "databricks", "sqlite", "postgresql", "mysql", "mssql")
LONGEST_NAME = 500
"""The most characters that MLflow accepts in an experiment's name."""
LONGEST_PATH = 500
"""SQLite accepts paths of up to 512 bytes; MLflow would retry a longer one for minutes."""


class LoggingFailed(HarnessError):
    """The store did not accept a folder; the folder is complete, and ``sync`` sends it later."""


@dataclass(frozen=True)
class Target:
    """Where runs go: ``local`` (a store under ``root``), ``server`` (``uri``) or ``off``.

    ``uri`` never holds credentials: these are in MLflow's own environment variables or in memory (``core.secrets``).
    """

    kind: str = "local"
    root: str = "mlruns"
    uri: str | None = None
    experiment: str = DEFAULT_EXPERIMENT

    @property
    def tracking_uri(self) -> str:
        """The public address of the store, for records and messages."""
        if self.kind == "server":
            uri = self.uri or os.environ.get("MLFLOW_TRACKING_URI")
            if not uri:
                raise StoreError(
                    "mlflow=server needs mlflow.uri=ADDRESS, as in mlflow.uri=http://127.0.0.1:5000, or the environment "
                    "variable MLFLOW_TRACKING_URI."
                )
            return secrets.remember(uri)
        return f"sqlite:///{escaped(Path(self.root).resolve())}/{DATABASE}"

    @property
    def address(self) -> str:
        """The address that MLflow gets, with credentials if the given address had some.

        User and password of an http(s) address are left out, because MLflow prints addresses; it gets both by its own
        variables.
        """
        whole = secrets.whole(self.tracking_uri)
        parts = urlsplit(whole)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.scheme in ("http", "https") else whole

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password of an http(s) address; None if it has none."""
        parts = urlsplit(secrets.whole(self.tracking_uri))
        if parts.scheme not in ("http", "https") or not parts.username:
            return None
        return unquote(parts.username), unquote(parts.password or "")


def escaped(folder: Path) -> str:
    """Returns the folder's path escaped for a URI of SQLite, because % and ? may be part of a name."""
    return folder.as_posix().replace("%", "%25").replace("?", "%3F")


@dataclass(frozen=True)
class Logged:
    """A run in MLflow."""

    run_id: str
    experiment_id: str
    uri: str


def target_of(config: Mapping[str, Any]) -> Target:
    """Returns the target of the ``mlflow`` section. Raises StoreError."""
    section = config.get("mlflow") or {}
    if not isinstance(section, Mapping):
        raise StoreError(f"mlflow is {shown(section)}; accepted: mlflow=local, server, off, or a YAML file of key: value.")
    uri, experiment = section.get("uri"), section.get("experiment", DEFAULT_EXPERIMENT)
    if not isinstance(experiment, str) or not experiment.strip():
        raise StoreError(f"mlflow.experiment is {shown(experiment)}; accepted: a name, such as mlflow.experiment={DEFAULT_EXPERIMENT}.")
    if len(experiment) > LONGEST_NAME:
        raise StoreError(f"mlflow.experiment has {len(experiment)} characters; MLflow takes names of up to {LONGEST_NAME}.")
    root = section.get("root", "mlruns")
    if not isinstance(root, str) or not root.strip():
        raise StoreError(f"mlflow.root is {shown(root)}; accepted: a folder, such as mlflow.root=mlruns.")
    if uri is not None and not isinstance(uri, str):
        raise StoreError(f"mlflow.uri is {shown(uri)}; accepted: the address of a tracking server, as in mlflow.uri=http://127.0.0.1:5000.")
    target = Target(
        str(section.get("name", "local")),
        root,
        secrets.remember(uri) if uri else None,
        experiment,
    )
    if target.kind not in ("local", "server", "off"):
        raise StoreError(f"mlflow={target.kind} is unknown; accepted: local, server, off.")
    if target.kind == "local":
        if target.uri:
            raise StoreError(
                f"mlflow.uri is {shown(secrets.public(target.uri))}, but mlflow=local logs to the folder {target.root}; add mlflow=server to log to "
                "that address, or leave mlflow.uri out."
            )
        check_writable(Path(target.root))
    if target.kind == "server":
        check_uri(target.tracking_uri)
    return target


def check_uri(uri: str) -> None:
    """Raises StoreError if ``uri`` is not the address of a store that MLflow can log to."""
    scheme, separator, rest = uri.partition("://")
    if not separator or not rest or scheme.split("+")[0] not in SCHEMES or not _has_place(uri):
        raise StoreError(
            f"mlflow.uri is {secrets.public(uri)!r}; accepted: the address of a tracking server, as in "
            "mlflow.uri=http://127.0.0.1:5000."
        )
    if secrets.unfit(uri):
        raise StoreError(
            "user or password in the address of the tracking server have signs that an address cannot hold (/ ? # quotes, backslashes); write "
            "them percent-encoded (%2F %3F %23 %27 %22 %5C), or set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        )


def _has_place(uri: str) -> bool:
    """Whether host and port of an address are valid, and no character in it needs percent-encoding."""
    try:
        parts = urlsplit(uri)
        (parts.hostname or "").encode("idna")
        http = parts.scheme in ("http", "https")
        return (parts.port is None or parts.port > 0) and not (http and not (uri.isascii() and uri.isprintable() and " " not in uri))
    except ValueError:
        return False


def explicit_target(
    uri: str | None, experiment: str | None, enabled: bool = True, root: str | None = None
) -> Target | None:
    """Returns the target of a command's options, or None if none is given.

    Without ``experiment`` that of the target is empty: each run keeps its own experiment (``of_run``).
    """
    if not enabled:
        return Target("off")
    if uri is None and experiment is None and root is None:
        return None
    if uri is not None:
        uri = secrets.remember(uri)
        check_uri(uri)
    return Target("server" if uri else "local", root or "mlruns", uri, experiment or "")


def of_run(target: Target, own: Target | None) -> Target:
    """Returns ``target``, with the experiment of the run's own target if none is given."""
    if target.experiment:
        return target
    return replace(target, experiment=own.experiment if own and own.experiment else DEFAULT_EXPERIMENT)


def check_writable(root: Path) -> None:
    """Raises StoreError if the store's folder cannot be written, or its path is too long for SQLite."""
    length = len(os.fsencode(root.absolute() / DATABASE))
    if length > LONGEST_PATH:
        raise StoreError(
            f"the path of the MLflow store is {length} bytes long, and SQLite takes at most {LONGEST_PATH}; set mlflow.root to a "
            "folder with a shorter path, or mlflow=off."
        )
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
    """The part of a folder that one store has: the run, the state of its files, and what is still to be sent."""

    target: Target
    pending: bool
    logged: Logged | None = None
    stamp: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Writes the state to the folder's note and keeps the states of other stores.

        ``files`` maps uploads to digests.
        """
        stores = {**_read(folder), self.target.tracking_uri: self._plain()}
        first = next(iter(stores))  # the run's original store
        write_json(folder / STATE_FILE, {**stores[first], "stores": stores})

    def _plain(self) -> dict[str, Any]:
        target = self.target
        return {
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
            "files": dict(self.files),
        }

    @classmethod
    def load(cls, folder: Path, target: Target | None = None) -> State | None:
        """Reads the state of ``folder`` in the store of ``target`` (by default the run's original store).

        None if unknown.
        """
        stores = _read(folder)
        raw = stores.get(target.tracking_uri) if target else next(iter(stores.values()), None)
        if raw is None:
            return None
        where = Target(**{key: raw["target"][key] for key in ("kind", "root", "uri", "experiment")})
        logged = Logged(raw["run_id"], raw["experiment_id"], raw["uri"]) if raw["run_id"] else None
        return cls(where, bool(raw["pending"]), logged, str(raw.get("stamp", "")), dict(raw.get("files") or {}))


def _read(folder: Path) -> dict[str, dict[str, Any]]:
    """Returns the states in the folder's note by store; empty if there is no readable note."""
    try:
        raw = read_json(folder / STATE_FILE)
        stores = raw.get("stores") or {raw["uri"]: raw}
        return {str(uri): item for uri, item in stores.items() if _sound(item)}
    except (DataError, KeyError, TypeError, ValueError, AttributeError):
        return {}


def _sound(item: Any) -> bool:
    """Whether a state in a note is valid; an edited one counts as unknown."""
    target = item.get("target") if isinstance(item, dict) else None
    if not isinstance(target, dict) or target.get("kind") not in ("local", "server"):
        return False
    uri, texts = target.get("uri"), [target.get("root"), target.get("experiment")]
    if item.get("run_id") is not None:
        texts += [item["run_id"], item.get("experiment_id"), item.get("uri")]
    return (uri is None or isinstance(uri, str)) and "pending" in item and all(isinstance(text, str) for text in texts)
