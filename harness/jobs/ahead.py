"""A measuring process that is started ahead of its job, while nothing is measured, so that a job does not wait for its libraries.

The process imports what the job needs, then sleeps until it gets the job. It is that job's own process like any other: it
measures one job and ends.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Mapping
from typing import Any

from harness.core import secrets
from harness.core.files import plain
from harness.machine import children, environment

ENDING_SECONDS = 1.0


class _Loading:
    """A process that loads, or has loaded, for the job ``config``."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.variables = _lasting(measuring_variables(config))
        self.child = children.start(
            children.module_words("harness.jobs.worker", "ahead"),
            env=self.variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.told({"config": plain(config)})

    def told(self, order: Mapping[str, Any]) -> bool:
        """Sends a line; returns whether the process took it."""
        assert self.child.stdin is not None
        try:
            self.child.stdin.write(json.dumps(order).encode() + b"\n")
            self.child.stdin.flush()
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Ends the process in any state."""
        children.end(self.child, ENDING_SECONDS)
        for pipe in (self.child.stdin, self.child.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):  # an order that was not read
                pipe.close()


class Ahead:
    """Keeps at most one such process. To be closed; closing ends it in any state."""

    def __init__(self) -> None:
        self._loading: _Loading | None = None
        self._loaded_s = 0.0

    @property
    def pid(self) -> int | None:
        """The number of the process that loads or waits; None if there is none."""
        return self._loading.child.pid if self._loading is not None else None

    def start(self, config: Mapping[str, Any]) -> None:
        """Starts the process of the job ``config`` unless it is there; to be called only while nothing is measured."""
        if self._loading is None or self._loading.config is not config:
            self.close()
            self._loading = _Loading(config)

    def take(self, config: Mapping[str, Any], arguments: list[str], variables: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
        """Gives the job to the process that was started for it.

        Args:
            config: The job's configuration.
            arguments: Of ``harness.jobs.worker``.
            variables: The environment that the job's process must have.

        Returns:
            The process, which now belongs to the caller; None if there is none for this job or it has died.
        """
        found, self._loading = self._loading, None
        if found is None:
            return None
        if plain(found.config) == plain(config) and found.variables == _lasting(variables) and found.child.poll() is None:
            self._loaded_s = children.cpu_seconds(found.child.pid)
            if found.told({"arguments": arguments, "environment": dict(variables)}):
                assert found.child.stdin is not None
                found.child.stdin.close()
                return found.child
        found.close()
        return None

    def uncounted(self) -> float:
        """The processor seconds of the present process, less those that the one taken last had used before it got its job.

        A watch over a job must add them to this process's own: it counts the whole of a child when that has ended, and nothing before.
        """
        taken, self._loaded_s = self._loaded_s, 0.0
        return (children.cpu_seconds(self._loading.child.pid) if self._loading is not None else 0.0) - taken

    def close(self) -> None:
        """Ends the process if there is one."""
        found, self._loading = self._loading, None
        if found is not None:
            found.close()


def measuring_variables(config: Mapping[str, Any], **more: str) -> dict[str, str]:
    """Returns the environment of a measuring process of the job ``config``."""
    return children.variables(config.get("threads") or environment.thread_budget(), **more)


def _lasting(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables that libraries may read while they load: all but those by which each child is told of its start."""
    return {name: value for name, value in variables.items() if name not in ("HARNESS_SPAWNED", "HARNESS_PROGRESS", secrets.VARIABLE)}
