"""MLflow prints the addresses of runs, so that it gets none with a password in it; of a database it needs the whole one."""

from __future__ import annotations

import socket
import threading

import pytest

from harness.core import secrets
from harness.core.errors import StoreError
from harness.publish.mlflow import Target, wait_until_ready
from harness.publish.mlflow.target import check_uri


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(secrets.VARIABLE, "{}")


def target(address: str) -> Target:
    return Target("server", uri=secrets.remember(address))


@pytest.mark.parametrize(
    ("given", "address", "credentials"),
    [
        ("http://user:s3%40cret@host:5000/x", "http://host:5000/x", ("user", "s3@cret")),
        ("https://token@host", "https://host", ("token", "")),
        ("http://host:5000", "http://host:5000", None),
        ("postgresql://user:s3cret@db/mlflow", "postgresql://user:s3cret@db/mlflow", None),
    ],
)
def test_the_password_of_a_server_goes_by_variables_and_that_of_a_database_in_its_address(
    given: str, address: str, credentials: tuple[str, str] | None
) -> None:
    assert target(given).address == address
    assert target(given).credentials == credentials


@pytest.mark.parametrize("address", ["http://user:s3/cret@host", "http://user:s3#cret@host:5000/x", "http://user:s3?cret@host"])
def test_a_password_that_must_be_percent_encoded_is_refused_and_not_told(address: str) -> None:
    with pytest.raises(StoreError, match="percent-encoded") as told:
        check_uri(secrets.remember(address))
    assert "cret" not in str(told.value)


@pytest.mark.parametrize("address", ["http://x y", "http://host/\u2603", "http://host:5000/a\nb", f"http://{'a' * 70}", "http://a..b"])
def test_an_address_that_no_request_can_have_is_refused(address: str) -> None:
    with pytest.raises(StoreError, match="accepted: the address of a tracking server"):
        check_uri(address)


def test_what_speaks_something_else_than_http_is_waited_for_and_no_longer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: listener.accept()[0].sendall(b"SSH-2.0-OpenSSH_9.9\r\n"), daemon=True).start()
        wait_until_ready(Target("server", uri=f"http://127.0.0.1:{listener.getsockname()[1]}"), 0.2)
