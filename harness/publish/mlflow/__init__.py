"""Logs a job's folder to MLflow; the only package that imports mlflow.

Everything logged is read from disk, and logging may be repeated: a run has the job's identity as a tag, so that it is
found again, completed if something is missing, and never duplicated. Logging later (``sync``) and logging elsewhere
(``import``) use this same function.

``target`` defines where runs go, ``content`` selects what is logged from a folder, ``store`` communicates with MLflow,
``models`` keeps prepared models once per content key, ``folders`` combines them, ``place`` repairs a store that was
moved, ``runs`` reads a store's runs back.
"""

from harness.publish.mlflow.folders import Pending, log_folder, log_sweep, pending, sweep_state
from harness.publish.mlflow.place import Repaired, check_database, moved_from, repair
from harness.publish.mlflow.reach import wait_until_ready
from harness.publish.mlflow.runs import fetched
from harness.publish.mlflow.store import client, compare_page, load, open_ahead, page_of
from harness.publish.mlflow.target import (
    DATABASE,
    STATE_FILE,
    Logged,
    LoggingFailed,
    Target,
    check_writable,
    explicit_target,
    target_of,
)

__all__ = [
    "DATABASE",
    "STATE_FILE",
    "Logged",
    "LoggingFailed",
    "Pending",
    "Repaired",
    "Target",
    "check_database",
    "check_writable",
    "client",
    "compare_page",
    "explicit_target",
    "fetched",
    "load",
    "log_folder",
    "log_sweep",
    "moved_from",
    "open_ahead",
    "page_of",
    "pending",
    "repair",
    "sweep_state",
    "target_of",
    "wait_until_ready",
]
