"""Communication with a tracker's process: pipes and shared memory, or a socket and files if these cannot be inherited.

On Windows, a child cannot inherit pipes by number, and one cannot wait for a pipe. There both sides use a local socket,
which requires a token.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import socket
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from harness.backends.native import child
from harness.core.errors import TrackingError
from harness.core.interfaces import Image

MEETING_S = 0.2
"""Seconds between checks whether a process that has not connected to the socket still runs."""


class Wire(ABC):
    """The harness's end of the connection to one process.

    Attributes:
        words: Arguments of the process, with which it finds its end.
        options: Further options of ``subprocess.Popen``.
    """

    words: list[str]
    options: dict[str, Any]

    @abstractmethod
    def meet(self, process: subprocess.Popen[bytes], timeout: float) -> bool:
        """Waits until the process has its end; False if the process has ended before. Raises TimeoutError."""

    @abstractmethod
    def not_started(self) -> None:
        """Closes an end that no process has taken."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Writes data. Raises OSError if there is no reader."""

    @abstractmethod
    def waits(self, seconds: float) -> bool:
        """Whether something can be read within ``seconds``."""

    @abstractmethod
    def read(self, count: int) -> bytes:
        """Returns at most ``count`` bytes; none at the end."""

    @abstractmethod
    def close(self) -> None:
        """Closes the connection. May be called again."""


def readable(end: int | socket.socket, seconds: float) -> bool:
    """Whether there is something to read from ``end`` within ``seconds``.

    ``select.select`` accepts no descriptor from 1024 on, which a process with many open files has; ``poll`` does. Windows has
    no ``poll``, and its ``select`` has no such limit.
    """
    with getattr(selectors, "PollSelector", selectors.SelectSelector)() as selector:
        selector.register(end, selectors.EVENT_READ)
        return bool(selector.select(seconds))


class Pipes(Wire):
    """Two pipes, whose other ends the process inherits with the memory's descriptor."""

    def __init__(self, memory: int) -> None:
        self._theirs_in, self._requests = os.pipe()
        self._replies, self._theirs_out = os.pipe()
        handed = (self._theirs_in, self._theirs_out, memory)
        self.words, self.options = [str(descriptor) for descriptor in handed], {"pass_fds": handed}

    def meet(self, process: subprocess.Popen[bytes], timeout: float) -> bool:
        self._close_theirs()
        return True

    def not_started(self) -> None:
        self._close_theirs()
        self.close()

    def _close_theirs(self) -> None:
        os.close(self._theirs_in)
        os.close(self._theirs_out)

    def send(self, data: bytes) -> None:
        os.write(self._requests, data)

    def waits(self, seconds: float) -> bool:
        return readable(self._replies, seconds)

    def read(self, count: int) -> bytes:
        return os.read(self._replies, count)

    def close(self) -> None:
        for descriptor in (self._requests, self._replies):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._requests = self._replies = -1


class Loopback(Wire):
    """A local socket; the process connects to it with a token."""

    def __init__(self, memory: str) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._token = secrets.token_hex(16)
        self._socket: socket.socket | None = None
        self.words, self.options = [f"127.0.0.1:{self._listener.getsockname()[1]}", self._token, memory], {}

    def meet(self, process: subprocess.Popen[bytes], timeout: float) -> bool:
        deadline = monotonic() + timeout
        self._listener.settimeout(MEETING_S)
        try:
            while self._socket is None:
                with contextlib.suppress(TimeoutError):
                    self._socket = self._known(self._listener.accept()[0])
                if self._socket is None and process.poll() is not None:
                    return False
                if self._socket is None and monotonic() >= deadline:
                    raise TimeoutError
        finally:
            self._listener.close()
        return True

    def _known(self, found: socket.socket) -> socket.socket | None:
        """Returns the connection if it comes from the process."""
        found.settimeout(5.0)
        with contextlib.suppress(OSError):
            told = child.read_exactly(found.recv, len(self._token))
            if told is not None and secrets.compare_digest(told, self._token.encode()):
                found.settimeout(None)
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return found
        found.close()
        return None

    def not_started(self) -> None:
        self._listener.close()

    def _end(self) -> socket.socket:
        if self._socket is None:
            raise BrokenPipeError
        return self._socket

    def send(self, data: bytes) -> None:
        self._end().sendall(data)

    def waits(self, seconds: float) -> bool:
        return readable(self._end(), seconds)

    def read(self, count: int) -> bytes:
        try:
            return self._end().recv(count)
        except ConnectionError:  # the process has died before it read everything
            return b""

    def close(self) -> None:
        self._listener.close()
        if self._socket is not None:
            self._socket.close()
            self._socket = None


# ---------------------------------------------------------------------------------------------- frames


class Memory(ABC):
    """Memory shared by two processes, large enough for the last frame."""

    def __init__(self) -> None:
        self.size = 0
        self._bytes: np.memmap[Any, np.dtype[np.uint8]] | None = None

    def put(self, image: Image) -> int:
        """Writes a frame; returns the size of the memory in bytes. Raises TrackingError."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise TrackingError(f"a frame is {image.dtype} {image.shape}; frames are uint8 [H, W, 3].")
        if self._bytes is None or image.nbytes > self.size:
            self.size = image.nbytes
            self._bytes = self._grown(self.size)
        self._bytes[: image.nbytes].reshape(image.shape)[:] = image
        return self.size

    @abstractmethod
    def _grown(self, size: int) -> np.memmap[Any, np.dtype[np.uint8]]:
        """Returns the memory with ``size`` bytes."""

    @abstractmethod
    def wire(self) -> Wire:
        """Makes a connection to a process that will share this memory."""

    @abstractmethod
    def close(self) -> None:
        """Frees the memory. May be called again."""

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()


class SharedFrames(Memory):
    """A file without a name, in memory if the system supports it."""

    def __init__(self) -> None:
        super().__init__()
        if sys.platform == "linux":
            self.descriptor = os.memfd_create("harness-frames")
        else:
            with tempfile.TemporaryFile() as file:
                self.descriptor = os.dup(file.fileno())

    def _grown(self, size: int) -> np.memmap[Any, np.dtype[np.uint8]]:
        os.ftruncate(self.descriptor, size)
        with os.fdopen(os.dup(self.descriptor), "r+b") as file:
            return np.memmap(file, np.uint8, "r+", shape=(size,))

    def wire(self) -> Wire:
        return Pipes(self.descriptor)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class FilesOfFrames(Memory):
    """A file for each size, named by it, because a mapped file cannot grow on Windows."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="harness-frames-", ignore_cleanup_errors=True)

    def _grown(self, size: int) -> np.memmap[Any, np.dtype[np.uint8]]:
        return np.memmap(Path(self._folder.name) / f"{size}.frame", np.uint8, "w+", shape=(size,))

    def wire(self) -> Wire:
        return Loopback(self._folder.name)

    def close(self) -> None:
        self._bytes = None
        self._folder.cleanup()


def memory() -> Memory:
    """Makes the kind of memory that this system can share with a child."""
    return FilesOfFrames() if sys.platform == "win32" else SharedFrames()
