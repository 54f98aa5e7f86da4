"""The child process that logs a command's runs: it loads MLflow, waits, and logs folders until its parent disconnects.

``python -m harness.jobs.recording`` serves a ``Recorder``. ``log`` and ``log_sweep`` do the work, also for a process that logs
by itself.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from harness.core.errors import tolerated
from harness.core.results import Results
from harness.jobs.helper import Answer, serve
from harness.machine.progress import say
from harness.publish import mlflow as mlflow_log


def log(folder: Path, sweep: Path | None) -> None:
    """Logs a job. If a store cannot be reached, this is reported but not fatal, because the folder is complete.

    Args:
        folder: The job's folder.
        sweep: The folder of its sweep, or None.
    """
    target = mlflow_log.target_of(Results.load(folder).config)
    with tolerated("warning: the job is not logged to MLflow", say):
        try:
            mlflow_log.log_folder(folder, parent=sweep, target=target)
        except mlflow_log.LoggingFailed as error:
            say(f"warning: {error}")


def log_sweep(sweep: Path, target: mlflow_log.Target, state: str) -> None:
    """Completes a sweep's run; if a store cannot be reached, this is reported but not fatal."""
    with tolerated("warning: the sweep is not logged to MLflow", say):
        try:
            mlflow_log.log_sweep(sweep, target, state)
        except mlflow_log.LoggingFailed as error:
            say(f"warning: {error}")


def main() -> int:
    """Serves orders; returns the exit code."""
    return serve(mlflow_log.load, _obey)


def _obey(order: dict[str, Any]) -> Answer:
    if order["folder"] is None:
        mlflow_log.open_ahead(mlflow_log.Target(**order["target"]))
        return {}
    folder = Path(order["folder"])
    if order["target"] is not None:
        log_sweep(folder, mlflow_log.Target(**order["target"]), order["state"])
    else:
        log(folder, Path(order["sweep"]) if order["sweep"] else None)
    return {}


if __name__ == "__main__":
    sys.exit(main())
