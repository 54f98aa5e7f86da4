"""The script that runs a user's tracker in its own process, which may use its own Python environment.

Started as ``python child.py REQUESTS REPLIES MEMORY`` with three inherited file descriptors: a pipe to read from, a pipe to
write to, and the shared memory with the frames; or as ``python child.py HOST:PORT TOKEN FOLDER``: then messages go over
a socket, and a frame is in a file of the folder that is named by the memory's size. It needs only the standard library
and NumPy (Python 3.7 or later), and never writes to standard output, so that a tracker may print anything.

A message is its length (4 bytes, little-endian) and a JSON mapping. Requests, in their usual order::

    {"do": "load", "recipe": {...}, "styles": FOLDER, "scratch": FOLDER, "device": "cpu", "threads": 2, "seed": 0}   builds it
    {"do": "init", "image": [H, W], "memory": BYTES, "box": [x, y, w, h]}         starts on a new target
    {"do": "update", "image": [H, W], "memory": BYTES}                            follows it into the next frame
    {"do": "bye"}                                                                 ends

A reply is ``{"seconds": s, ...}`` with the seconds of the tracker's own call, or ``{"error": sentence}``.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import json
import mmap
import os
import random
import re
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Message = dict[str, Any]

HEADER = struct.Struct("<I")
LONGEST = 64 << 20
"""The most bytes of a message: far more than any message has, so that a damaged header is noticed."""
STYLES = "_harness_native_styles"
"""The name under which the package of styles is loaded; no tracker's own package has this name."""


class Mistake(Exception):
    """A mistake in the settings that the user can fix, as opposed to a failure of the tracker."""


# ------------------------------------------------------------------------------------------- messages


def pack(message: Message) -> bytes:
    """Returns a message as bytes."""
    body = json.dumps(message).encode()
    return HEADER.pack(len(body)) + body


def read_exactly(read: Callable[[int], bytes], count: int) -> bytes | None:
    """Reads ``count`` bytes by calls of ``read``; None if the stream has ended."""
    parts: list[bytes] = []
    while count:
        part = read(count)
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def read_message(read: Callable[[int], bytes]) -> Message | None:
    """Returns the next message; None if there are no more."""
    header = read_exactly(read, HEADER.size)
    if header is None:
        return None
    (length,) = HEADER.unpack(header)
    if length > LONGEST:
        raise ValueError(f"a message of {length} bytes is damaged")
    body = read_exactly(read, length)
    return None if body is None else json.loads(body)


# ----------------------------------------------------------------------------------------- the tracker


class Host:
    """Answers requests with its tracker."""

    def __init__(self, place: int | str) -> None:
        self.place, self.size = place, 0  # a descriptor, or the folder with the files of frames
        self.memory: mmap.mmap | None = None
        self.adapter: Any = None

    def answer(self, request: Message) -> Message:
        """Returns the reply to one request."""
        reply: Message = getattr(self, "on_" + request["do"])(request)
        return reply

    def on_load(self, request: Message) -> Message:
        """Builds the tracker and returns facts about it."""
        recipe = dict(request["recipe"], scratch=request["scratch"], device=request["device"])
        sys.path[:0] = [item for item in [*recipe["path"], os.getcwd()] if item not in sys.path]
        seed_all(request["seed"])
        styles = load_package(request["styles"])
        self.adapter = styles.adapt(recipe, request["threads"], Mistake)
        return {"seconds": 0.0, "facts": dict(self.adapter.facts(), **versions())}

    def on_init(self, request: Message) -> Message:
        """Starts on a target."""
        reply: Message = self.adapter.init(self.frame(request), [float(value) for value in request["box"]])
        return reply

    def on_update(self, request: Message) -> Message:
        """Follows the target."""
        reply: Message = self.adapter.update(self.frame(request))
        return reply

    def on_bye(self, request: Message) -> Message:
        """Ends the tracker's child processes and returns the memory used."""
        del request
        peak = peak_memory("self")
        if self.adapter is not None:
            peak += sum(peak_memory(str(number)) for number in self.adapter.processes())
            self.adapter.close()
        return {"seconds": 0.0, "rss_mb": peak}

    def frame(self, request: Message) -> Any:
        """Returns a copy of the frame, uint8 [H, W, 3], which a tracker may keep or change."""
        height, width = request["image"]
        if self.memory is None or self.size != request["memory"]:
            self.size = request["memory"]
            if isinstance(self.place, int):
                self.memory = mmap.mmap(self.place, self.size)
            else:
                with open(os.path.join(self.place, f"{self.size}.frame"), "r+b") as file:
                    self.memory = mmap.mmap(file.fileno(), self.size)
        count = height * width * 3
        return np.frombuffer(self.memory, np.uint8, count).reshape(height, width, 3).copy()


def load_package(folder: str) -> Any:
    """Loads the package in ``folder`` under its own name, so that it hides no other module."""
    spec = importlib.util.spec_from_file_location(
        STYLES, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    if spec is None or spec.loader is None:
        raise FileNotFoundError(folder)
    module = importlib.util.module_from_spec(spec)
    sys.modules[STYLES] = module
    spec.loader.exec_module(module)
    return module


def seed_all(seed: int) -> None:
    """Seeds all random generators, so that trackers without their own seed give the same results in every run."""
    random.seed(seed)
    np.random.seed(seed % 2**32)


def versions() -> dict[str, str]:
    """Returns the versions of the usual libraries that the tracker has loaded."""
    found = {"python": "{}.{}.{}".format(*sys.version_info[:3]), "numpy": np.__version__}
    for name, module in (("torch", "torch"), ("opencv", "cv2"), ("onnxruntime", "onnxruntime"), ("tensorflow", "tensorflow")):
        version = getattr(sys.modules.get(module), "__version__", None)
        if version is not None:
            found[name] = str(version)
    return found


def peak_memory(process: str) -> float:
    """Returns the peak resident memory in MiB of a process, ``self`` or its number.

    0 if the system does not report it.
    """
    try:
        with open(f"/proc/{process}/status") as file:
            found = re.search(r"VmHWM:\s+(\d+) kB", file.read())
    except OSError:
        return 0.0
    return int(found.group(1)) / 1024 if found else 0.0


# ----------------------------------------------------------------------------------------- the process


def die_with_parent() -> None:
    """Asks Linux to end this process when the one that started it is gone."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG of prctl(2)


def wire(words: Sequence[str]) -> tuple[Callable[[int], bytes], Callable[[bytes], object], int | str]:
    """Returns functions to read and to write, and the place of frames: a descriptor or a folder."""
    if ":" not in words[0]:
        requests, replies, memory = (int(word) for word in words)
        for descriptor in (requests, replies, memory):
            os.set_inheritable(descriptor, False)  # a tracker's own children must not keep the pipes open
        return lambda count: os.read(requests, count), lambda data: os.write(replies, data), memory
    host, _, port = words[0].rpartition(":")
    end = socket.create_connection((host, int(port)))
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    end.sendall(words[1].encode())
    return end.recv, end.sendall, words[2]


def guarded(host: Host, request: Message) -> Message:
    """Returns the reply to a request; an error sentence if the tracker raised any exception."""
    try:
        return host.answer(request)
    except Mistake as mistake:
        return {"error": str(mistake), "mistake": True}
    except SystemExit as leaving:
        traceback.print_exc()
        return {"error": f"the tracker's code called sys.exit({leaving.code!r})"}
    except Exception as error:
        traceback.print_exc()
        return {"error": "{}: {}".format(type(error).__name__, " ".join(str(error).split())[:300] or "no message")}


def main(arguments: Sequence[str]) -> int:
    """Answers requests until the request to end, or until there are no more."""
    read, write, place = wire(arguments)
    die_with_parent()
    sys.argv[1:] = []
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [item for item in sys.path if os.path.abspath(item) != here]  # no tracker may import its modules
    host = Host(place)
    while True:
        request = read_message(read)
        if request is None:
            return 0
        reply = guarded(host, request)
        sys.stdout.flush()
        write(pack(reply))
        if request["do"] == "bye":
            return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
