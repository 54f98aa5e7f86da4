"""MLflow in a separate process beside a command: it loads while the command composes, then waits for runs to log.

MLflow takes longer to load than everything else in a short job. Loaded here, it takes no time after the last frame, and
it sleeps during measurements.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core import secrets
from harness.core.config import python_path
from harness.machine import children

if TYPE_CHECKING:
    from harness.publish.mlflow import Target

ENDING_SECONDS = 1.0


class Recorder:
    """The parent's side. The start returns immediately; ``wait`` returns when the process is loaded and sleeps.

    If a recorder dies, nothing is lost: ``log`` and ``log_sweep`` then return that nothing was logged, and the caller
    does it.
    """

    def __init__(self) -> None:
        self._loaded = False
        self._child: subprocess.Popen[bytes] | None = children.start(
            children.module_words("harness.jobs.recording"),
            env={**os.environ, "PYTHONPATH": python_path()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def wait(self) -> None:
        """Waits until MLflow is loaded, so that it does not run during a measurement."""
        if not self._loaded:
            self._loaded = True
            self._answered()

    def log(self, folder: Path, sweep: Path | None) -> bool:
        """Orders to log a job.

        Returns whether the recorder has done it (it warns itself about an unreachable store).
        """
        return self._order(folder, sweep=str(sweep.absolute()) if sweep else None)

    def log_sweep(self, sweep: Path, target: Target, state: str) -> bool:
        """Orders to complete a sweep's run; returns whether the recorder has done it."""
        return self._order(sweep, target=asdict(target), state=state)

    def close(self) -> None:
        """Ends the process in any state."""
        if self._child is not None:
            child, self._child = self._child, None
            children.end(child, ENDING_SECONDS)
            for pipe in (child.stdin, child.stdout):
                assert pipe is not None
                with contextlib.suppress(OSError):  # it did not read the order
                    pipe.close()

    def _order(self, folder: Path, **more: Any) -> bool:
        self.wait()
        order = {"folder": str(folder.absolute()), "sweep": None, "target": None, "addresses": os.environ.get(secrets.VARIABLE, ""), **more}
        if self._child is None:
            return False
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(order).encode() + b"\n")
            self._child.stdin.flush()
        except OSError:
            self.close()
            return False
        return self._answered()

    def _answered(self) -> bool:
        """Sends an order; returns whether it was answered. Without an answer, the recorder is ended."""
        if self._child is None:
            return False
        assert self._child.stdout is not None
        if self._child.stdout.readline():
            return True
        self.close()
        return False
