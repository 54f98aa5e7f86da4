"""The harness's side of a tracker's process: it starts it, sends messages and frames, and handles its end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, perf_counter
from typing import IO, Any

from harness.backends.native import child, wires
from harness.core.errors import BackendError, ConfigError, HarnessError, TrackingError
from harness.core.interfaces import Image

LAST_WORDS = 20
"""The number of output lines that are reported if a process has failed."""
LAST_BYTES = 64 << 10
GLANCE_S = 0.5
"""Seconds between checks whether a process that does not answer still runs."""
GOODBYE_S = 5.0
"""Seconds for a process to end by itself."""


@dataclass(frozen=True)
class Launch:
    """How a tracker's process is started.

    Args:
        python: the interpreter.
        folder: its working folder.
        variables: its environment.
        load: the message that builds the tracker.
        start_timeout: seconds that building may take.
        timeout: seconds that one frame may take.
        files: whether frames are passed to the tracker as files, for which it gets a folder.
        verbose: whether its output is printed immediately; otherwise it is kept, and its last lines are reported.
    """

    python: str
    folder: Path
    variables: Mapping[str, str]
    load: Mapping[str, Any]
    start_timeout: float
    timeout: float
    files: bool = False
    verbose: bool = False


class ForeignProcess:
    """One process with one tracker. ``facts`` is its description, ``rss_mb`` its peak memory after it has ended."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._memory = wires.memory()
        self._place = tempfile.TemporaryDirectory(prefix="harness-log-", ignore_cleanup_errors=True)
        self._log: IO[bytes] = open(Path(self._place.name) / "output", "wb")  # noqa: SIM115 (open as long as the process)
        self._scratch = tempfile.TemporaryDirectory(prefix="harness-tracker-", dir=memory_folder()) if launch.files else None
        self.facts: dict[str, str] = {}
        self.rss_mb = 0.0
        begin = perf_counter()
        self._start()
        self._ask({**launch.load, "scratch": self._scratch.name if self._scratch else None}, launch.start_timeout, "building the tracker")
        self.load_seconds = perf_counter() - begin

    # ---------------------------------------------------------------------------------------- requests

    def init(self, image: Image, box: Sequence[float]) -> dict[str, Any]:
        """Starts the tracker on a target. The first call may load what was not loaded by building."""
        size = self._memory.put(image)
        request = {"do": "init", "image": image.shape[:2], "memory": size, "box": [float(value) for value in box]}
        return self._ask(request, self._launch.start_timeout, "init")

    def update(self, image: Image) -> dict[str, Any]:
        """Follows the target into ``image``."""
        size = self._memory.put(image)
        return self._ask({"do": "update", "image": image.shape[:2], "memory": size}, self._launch.timeout, "update")

    def close(self) -> None:
        """Ends the process, by force if it does not end itself. May be called again."""
        if self._process.poll() is None:
            with contextlib.suppress(OSError, ValueError):
                self._send({"do": "bye"})
                reply = self._receive(GOODBYE_S)
                self.rss_mb = max(self.rss_mb, float(reply.get("rss_mb", 0.0))) if reply else self.rss_mb
        self._end(GOODBYE_S)
        self._log.close()
        self._place.cleanup()
        self._memory.close()
        if self._scratch is not None:
            self._scratch.cleanup()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()

    # ------------------------------------------------------------------------------------- the process

    def _start(self) -> None:
        self._wire = self._memory.wire()
        try:
            self._process = subprocess.Popen(
                [self._launch.python, child.__file__, *self._wire.words],
                cwd=self._launch.folder,
                env=dict(self._launch.variables),
                stdin=subprocess.DEVNULL,
                stdout=None if self._launch.verbose else self._log,
                stderr=None if self._launch.verbose else subprocess.STDOUT,
                **self._wire.options,
            )
        except OSError as error:
            self._wire.not_started()
            raise ConfigError(f"tracker.python={self._launch.python} cannot be started ({error.strerror}).") from error

    def _send(self, message: Mapping[str, Any]) -> None:
        self._wire.send(child.pack(dict(message)))

    def _receive(self, timeout: float) -> dict[str, Any] | None:
        """Returns the next reply; None if the process has ended. Raises TimeoutError."""
        deadline = monotonic() + timeout
        while not self._wire.waits(max(0.0, min(GLANCE_S, deadline - monotonic()))):
            if self._process.poll() is not None:
                return None  # its forked children may keep the pipe open
            if monotonic() >= deadline:
                raise TimeoutError
        return child.read_message(self._wire.read)

    def _ask(self, request: Mapping[str, Any], timeout: float, what: str) -> dict[str, Any]:
        try:
            reply = None
            if request["do"] != "load" or self._wire.meet(self._process, timeout):
                self._send(request)
                reply = self._receive(timeout)
        except TimeoutError:
            self._end(0)
            key = "tracker.timeout" if what == "update" else "tracker.start_timeout"
            raise self._told(
                TrackingError,
                f"{what} took more than {timeout:g} s, and the tracker's process was ended; {key} sets the limit",
            ) from None
        except OSError:  # the pipe has no reader any more
            reply = None
        if reply is None:
            raise self._told(TrackingError, f"{what}: {self._ending()}")
        if reply.get("mistake"):
            raise ConfigError(reply["error"])
        if "error" in reply and request["do"] == "load":
            raise self._told(BackendError, f"{what} failed: {reply['error']}")
        if "error" in reply:
            raise self._told(TrackingError, f"{what} raised {reply['error']}")
        self.facts.update(reply.get("facts", {}))
        return reply

    def _ending(self) -> str:
        """Describes how the process ended."""
        self._end(GOODBYE_S)
        code = self._process.returncode
        if code < 0:
            name = signal.Signals(-code).name
            return f"the tracker's process was ended by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"
        return f"the tracker's process ended with exit code {code}"

    def _end(self, patience: float) -> None:
        """Waits ``patience`` seconds for the process to end, then kills it, and closes the wire."""
        self._wire.close()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _told(self, kind: type[HarnessError], what: str) -> HarnessError:
        """Returns an error that ends with the process's last line, with its last lines as notes."""
        lines = last_lines(self._log)
        words = [line for line in lines if not line.startswith(" ")]
        error = kind(f"{what}; its last words: {words[-1][:300]}" if words else f"{what}.")
        for line in lines:
            error.add_note(f"tracker: {line}")
        return error


def last_lines(log: IO[bytes]) -> list[str]:
    """Returns the last non-empty lines of a process's output."""
    try:
        with open(log.name, "rb") as file:  # opened again: the process writes at the offset of the other one
            file.seek(max(0, os.fstat(file.fileno()).st_size - LAST_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:  # closed and gone
        return []
    lines = [line.rsplit("\r", 1)[-1].rstrip() for line in text.splitlines()]
    return [line for line in lines if line][-LAST_WORDS:]


def memory_folder() -> str | None:
    """Returns a folder in memory, if the system has one."""
    folder = "/dev/shm"  # noqa: S108 (a folder of our own with a random name is made in it)
    return folder if os.path.isdir(folder) and os.access(folder, os.W_OK) else None
