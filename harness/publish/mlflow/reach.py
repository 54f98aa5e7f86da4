"""Checks within seconds whether a server answers at an address; MLflow itself would keep trying for minutes."""

from __future__ import annotations

import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from urllib.parse import urlsplit

from harness.core.errors import StoreError
from harness.publish.mlflow.target import Target

PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
"""The port of an address without a port."""
CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0
"""Seconds to wait for an answer, because a busy server takes seconds."""
STARTING = (502, 503, 504)
"""Status codes of a proxy while the server behind it is not running."""
MOST_BYTES = 4096
PAUSE_SECONDS = 0.5


def reach(uri: str) -> None:
    """Raises StoreError if no server listens at an address, or it does not answer."""
    address = urlsplit(uri)
    usual = PORTS.get(address.scheme.split("+")[0])
    if usual is None or not address.hostname:
        return
    try:
        port = address.port or usual
        socket.create_connection((address.hostname, port), CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot reach the MLflow server {uri} ({error})") from error
    if address.scheme in ("http", "https") and (why := no_answer(uri, ANSWER_SECONDS)):
        raise StoreError(f"the MLflow server {uri} cannot be used ({why}); check the address, and that the server is running")


def no_answer(uri: str, seconds: float) -> str:
    """Describes why a server gives no answer; empty if it gives any answer.

    Args:
        uri: Its public address (http or https).
        seconds: The limit for the whole answer, because a server that sends single bytes could keep a reader for ever.
    """
    told = [f"it gave no answer within {seconds:g} s"]
    thread = threading.Thread(target=lambda: told.__setitem__(0, _asked(uri, seconds)), daemon=True)
    thread.start()
    thread.join(seconds)
    return told[0]


def _asked(uri: str, seconds: float) -> str:
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=seconds) as answer:  # noqa: S310
            answer.read(MOST_BYTES)
        return ""
    except urllib.error.HTTPError as error:
        return f"it answers {error.code}" if error.code in STARTING else ""
    except (HTTPException, ValueError):
        return "what listens there does not speak HTTP"
    except OSError as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, ssl.SSLError):
            return ""  # MLflow has its own settings for certificates, and reports their errors
        if isinstance(reason, TimeoutError):
            return f"it gave no answer within {seconds:g} s"
        return (reason.strerror if isinstance(reason, OSError) else None) or str(reason)


def wait_until_ready(target: Target, seconds: float) -> None:
    """Waits up to ``seconds`` for a server that is still starting; returns in any case.

    If the server is still not ready, the first request fails.
    """
    address = urlsplit(target.tracking_uri) if target.kind == "server" else None
    if address is None or address.scheme not in ("http", "https"):
        return
    end = time.monotonic() + seconds
    while time.monotonic() < end and no_answer(target.tracking_uri, min(ANSWER_SECONDS, max(CONNECT_SECONDS, end - time.monotonic()))):
        time.sleep(PAUSE_SECONDS)
