"""MLflow prints the addresses of runs, so that it gets none with a password in it; of a database it needs the whole one."""

from __future__ import annotations

import pytest

from harness.core import secrets
from harness.publish.mlflow import Target


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
