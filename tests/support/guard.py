"""A gate of basic authentication before a server: lets through who knows user and password, and notes what it was shown."""

from __future__ import annotations

import base64
import contextlib
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextlib.contextmanager
def guarded(port: int, user: str, password: str) -> Iterator[tuple[int, list[int]]]:
    """A gate before 127.0.0.1:``port``; yields its own port and the answers that it gave (statuses)."""
    wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    answers: list[int] = []

    class Gate(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self._body()
            if self.headers.get("Authorization") != wanted and self.path != "/health":
                self._answer(401, b"no entry", {})
                return
            onward = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            headers = {key: value for key, value in self.headers.items() if key.lower() not in ("authorization", "host", "connection", "transfer-encoding", "content-length")}
            onward.request(self.command, self.path, body, headers)
            reply = onward.getresponse()
            kept = {key: value for key, value in reply.getheaders() if key.lower() == "content-type"}
            self._answer(reply.status, reply.read(), kept)
            onward.close()

        def _body(self) -> bytes | None:
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                parts = []
                while size := int(self.rfile.readline().strip() or b"0", 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            length = int(self.headers.get("Content-Length") or 0)
            return self.rfile.read(length) if length else None

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            answers.append(status)
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            del arguments

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gate)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], answers
    finally:
        server.shutdown()
        server.server_close()
