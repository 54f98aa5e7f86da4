"""A camera on the network: JPEG images over HTTP, one part of a multipart answer each, as such cameras send them."""

from __future__ import annotations

import contextlib
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np


def clip(path: Path, frames: int = 40, size: tuple[int, int] = (160, 120)) -> Path:
    """An AVI of JPEG images: a bright square on noise, which moves; returns ``path``."""
    noise = np.random.default_rng(0).integers(0, 90, (size[1], size[0], 3), dtype=np.uint8)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, size)
    assert writer.isOpened()
    for number in range(frames):
        image = noise.copy()
        x, y = 20 + 2 * (number % 30), 30 + number % 20
        image[y : y + 24, x : x + 30] = (60, 200, 120)
        writer.write(image)
    writer.release()
    return path


def jpegs_of(path: Path) -> list[bytes]:
    """The JPEG images that an AVI holds, byte for byte."""
    data = path.read_bytes()
    position, found = data.index(b"movi") + 4, []
    while data[position : position + 4] in (b"00dc", b"00db"):
        (length,) = struct.unpack("<I", data[position + 4 : position + 8])
        found.append(data[position + 8 : position + 8 + length])
        position += 8 + length + length % 2
    return found


@dataclass
class Stream:
    """What is sent. ``pause`` seconds lie between two images; ``hang`` keeps the connection open after the last one;
    ``guarded`` asks for user and password."""

    images: list[bytes]
    pause: float = 0.0
    hang: bool = False
    guarded: bool = False
    asked: list[str] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def serving(stream: Stream) -> Iterator[str]:
    """Serves a stream on this machine; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stream.asked.append(self.headers.get("Authorization") or "")
            if stream.guarded and not stream.asked[-1]:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            with contextlib.suppress(OSError):
                for image in stream.images:
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(image)}\r\n\r\n"
                    self.wfile.write(head.encode() + image + b"\r\n")
                    time.sleep(stream.pause)
                if stream.hang:
                    stream.done.wait(60)

        def log_message(self, *words: object) -> None:
            del words

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/stream.mjpg"
    finally:
        stream.done.set()
        server.shutdown()
        server.server_close()
