"""The processes beside a command: one that logs, one that loads for the next job. None of them runs while a job is measured."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any

from harness.jobs.ahead import Ahead
from harness.jobs.recorder import Recorder


class Beside:
    """Hushes these processes before a job is measured and wakes them after it.

    Args:
        recorder: The process that logs for this one, if there is one.
    """

    def __init__(self, recorder: Recorder | None) -> None:
        self.recorder, self.ahead = recorder, Ahead()
        self._recorded_s = 0.0

    def hush(self) -> None:
        """To be called before a job gets its process: nothing beside it runs when this returns."""
        if self.recorder is not None:
            self._recorded_s = self.recorder.cpu_seconds()
            self.recorder.hush()

    def take(self, config: Mapping[str, Any], arguments: list[str], variables: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
        """Returns the process that has loaded for this job, as ``Ahead.take``."""
        return self.ahead.take(config, arguments, variables)

    def wake(self, following: Mapping[str, Any] | None) -> None:
        """To be called as soon as a job times nothing more.

        Args:
            following: The configuration of the job that is run next, if that is known.
        """
        if self.recorder is not None:
            self.recorder.wake()
        if following is not None:
            self.ahead.start(following)
        elif self.recorder is not None:
            self.recorder.open_store()

    def uncounted(self) -> float:
        """The processor seconds that a watch over the job that has ended must add to this process's own and its ended children's."""
        recorded = self.recorder.cpu_seconds() - self._recorded_s if self.recorder is not None else 0.0
        return max(0.0, recorded) + self.ahead.uncounted()

    def close(self) -> None:
        """Ends the process that was started ahead. The recorder is its owner's to close."""
        self.ahead.close()
