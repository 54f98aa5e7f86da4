"""MLflow in a separate process beside a command: it loads while the command composes, then waits for runs to log.

MLflow takes longer to load than everything else in a short job. Loaded here, it takes no time after the last frame, and
it does not run during measurements: if it still loads when the first one begins, it is suspended until that is over.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.jobs.helper import Helper

if TYPE_CHECKING:
    from harness.publish.mlflow import Target


class Recorder(Helper):
    """The parent's side.

    If a recorder dies, nothing is lost: ``log`` and ``log_sweep`` then return that nothing was logged, and the caller
    does it.
    """

    def __init__(self) -> None:
        super().__init__("harness.jobs.recording")
        self.target: Target | None = None
        self._opened = False

    def open_store(self) -> None:
        """Has it open the store in ``target`` while nothing is to be logged yet; to be called when no job follows."""
        if self.target is not None and not self._opened:
            self._opened = True
            self.ask(folder=None, target=asdict(self.target))

    def log(self, folder: Path, sweep: Path | None) -> bool:
        """Orders to log a job.

        Returns whether the recorder has done it (it warns itself about an unreachable store).
        """
        above = str(sweep.absolute()) if sweep else None
        return self.order(folder=str(folder.absolute()), sweep=above, target=None) is not None

    def log_sweep(self, sweep: Path, target: Target, state: str) -> bool:
        """Orders to complete a sweep's run; returns whether the recorder has done it."""
        return self.order(folder=str(sweep.absolute()), target=asdict(target), state=state) is not None
