"""What listens at a server's address is asked once, and told in words within seconds, whatever it does."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.core.errors import StoreError
from harness.core.results import Results
from harness.publish.mlflow import LoggingFailed, Target, log_folder
from harness.publish.mlflow.reach import no_answer, reach


@pytest.fixture
def listening() -> Callable[[Callable[[socket.socket], object]], str]:
    """Starts something that talks so to whoever connects; returns its address."""

    def start(talk: Callable[[socket.socket], object]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))

        def answer() -> None:
            while True:
                connection, _ = listener.accept()
                with contextlib.suppress(OSError):
                    talk(connection)

        threading.Thread(target=answer, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    return start


def answer(status: str, body: bytes = b"OK") -> Callable[[socket.socket], object]:
    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        connection.close()

    return talk


def hang_up(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.close()


def drip(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"X")
        time.sleep(0.05)


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "401 Unauthorized", "500 Oops"])
def test_whatever_a_server_says_is_an_answer(listening: Callable[..., str], status: str) -> None:
    assert no_answer(listening(answer(status)), 5) == ""


@pytest.mark.parametrize(
    ("talk", "says"),
    [
        (answer("503 Not Yet"), "it answers 503"),
        (hang_up, "does not speak HTTP"),
        (lambda connection: (connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n"), connection.close()), "does not speak HTTP"),
        (lambda connection: time.sleep(3), "gave no answer within 0.5 s"),
        (drip, "gave no answer within 0.5 s"),
    ],
)
def test_what_is_no_answer_is_told_within_the_time(listening: Callable[..., str], talk: Callable[[socket.socket], object], says: str) -> None:
    assert says in no_answer(listening(talk), 0.5)


def test_a_server_that_is_something_else_is_told_before_mlflow_asks_it(listening: Callable[..., str]) -> None:
    with pytest.raises(StoreError, match=r"the MLflow server http://.* cannot be used .*does not speak HTTP"):
        reach(listening(hang_up))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (IndexError("list index out of range"), "what answers there does not answer as MLflow does"),
        (OSError("API request to http://h:1/api/x failed with exception HTTPConnectionPool(host='h'): Max retries exceeded with url: /api"), "a request failed again and again"),
        (OSError("(raised as a result of Query-invoked autoflush)\n(sqlite3.OperationalError) database is locked"), "database is locked"),
    ],
)
def test_what_a_store_refused_is_told_without_words_of_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, says: str) -> None:
    def failing(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("harness.publish.mlflow.store.client", lambda target: None)
    monkeypatch.setattr("harness.publish.mlflow.folders._log_job", failing)
    Results("abc", "a", "ok", {}).save(tmp_path)
    with pytest.raises(LoggingFailed, match=rf"not logged to MLflow: \S+: {says}\. The results are complete"):
        log_folder(tmp_path, target=Target("server", uri="http://127.0.0.1:1"))
