"""The script that runs somebody's tracker in a process of its own, perhaps in a Python environment of its own.

Started as ``python child.py REQUESTS REPLIES MEMORY`` with three inherited file descriptors: a pipe to read from, a pipe to
write to, and the memory in which frames travel; or as ``python child.py HOST:PORT TOKEN FOLDER``, where messages go over a
socket and a frame lies in a file of the folder that is named by the memory's size. It needs the standard library and NumPy alone (Python 3.7 or later), and
never writes to standard output, so that a tracker may print what it likes.

A message is its length (4 bytes, little-endian) and a JSON mapping. Requests, in the order of a life::

    {"do": "load", "recipe": {...}, "styles": FOLDER, "scratch": FOLDER, "device": "cpu", "threads": 2, "seed": 0}   builds it
    {"do": "init", "image": [H, W], "memory": BYTES, "box": [x, y, w, h]}         starts on a new target
    {"do": "update", "image": [H, W], "memory": BYTES}                            follows it into the next frame
    {"do": "bye"}                                                                 ends

A reply is ``{"seconds": s, ...}``, where the seconds are those of the tracker's own call, or ``{"error": sentence}``.
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
"""Bytes that a message may have: far more than any that is sent, so that a damaged header is noticed."""
STYLES = "_harness_native_styles"
"""Under which name the package of styles is loaded: one that no tracker's own package bears."""


class Mistake(Exception):
    """What a person can mend in the settings, as opposed to a tracker that failed."""


# ------------------------------------------------------------------------------------------- messages


def pack(message: Message) -> bytes:
    """A message as bytes."""
    body = json.dumps(message).encode()
    return HEADER.pack(len(body)) + body


def read_exactly(read: Callable[[int], bytes], count: int) -> bytes | None:
    """``count`` bytes of what ``read`` gives piece by piece; None if it has ended."""
    parts: list[bytes] = []
    while count:
        part = read(count)
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def read_message(read: Callable[[int], bytes]) -> Message | None:
    """The next message; None if there are no more."""
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
    """Answers requests with the one tracker that it holds."""

    def __init__(self, place: int | str) -> None:
        self.place, self.size = place, 0  # a descriptor, or the folder with the files of frames
        self.memory: mmap.mmap | None = None
        self.adapter: Any = None

    def answer(self, request: Message) -> Message:
        """The reply to one request."""
        reply: Message = getattr(self, "on_" + request["do"])(request)
        return reply

    def on_load(self, request: Message) -> Message:
        """Builds the tracker and says what it is."""
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
        """Ends what the tracker started and says what it took."""
        del request
        peak = peak_memory("self")
        if self.adapter is not None:
            peak += sum(peak_memory(str(number)) for number in self.adapter.processes())
            self.adapter.close()
        return {"seconds": 0.0, "rss_mb": peak}

    def frame(self, request: Message) -> Any:
        """A copy of the frame, uint8 [H, W, 3]: a tracker may keep or change it."""
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
    """The package in ``folder``, loaded under a name of its own so that it hides nobody's module."""
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
    """The same draws in every run: trackers that draw without a seed of their own repeat themselves."""
    random.seed(seed)
    np.random.seed(seed % 2**32)


def versions() -> dict[str, str]:
    """What of the usual libraries the tracker has loaded, with their versions."""
    found = {"python": "{}.{}.{}".format(*sys.version_info[:3]), "numpy": np.__version__}
    for name, module in (("torch", "torch"), ("opencv", "cv2"), ("onnxruntime", "onnxruntime"), ("tensorflow", "tensorflow")):
        version = getattr(sys.modules.get(module), "__version__", None)
        if version is not None:
            found[name] = str(version)
    return found


def peak_memory(process: str) -> float:
    """Peak resident memory in MiB of a process, ``self`` or its number; 0 where the system does not tell."""
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
    """How to read and to write, and where frames are: descriptor or folder."""
    if ":" not in words[0]:
        requests, replies, memory = (int(word) for word in words)
        for descriptor in (requests, replies, memory):
            os.set_inheritable(descriptor, False)  # a tracker's own children are not to hold the pipes open
        return lambda count: os.read(requests, count), lambda data: os.write(replies, data), memory
    host, _, port = words[0].rpartition(":")
    end = socket.create_connection((host, int(port)))
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    end.sendall(words[1].encode())
    return end.recv, end.sendall, words[2]


def guarded(host: Host, request: Message) -> Message:
    """The reply to a request; a sentence where the tracker raised, whatever it was."""
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
    """Answers requests until told to end, or until nobody asks any more."""
    read, write, place = wire(arguments)
    die_with_parent()
    sys.argv[1:] = []
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [item for item in sys.path if os.path.abspath(item) != here]  # its modules are nobody's to import
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
