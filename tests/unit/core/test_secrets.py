"""Addresses lose their credentials where they enter; the whole ones stay in memory."""

from __future__ import annotations

import pytest

from harness.core import secrets


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(secrets.VARIABLE, raising=False)
    monkeypatch.setenv(secrets.VARIABLE, "{}")


WHOLE = [
    ("http://user:s3cret@host:5000", "http://host:5000"),
    ("https://token@host/path", "https://host/path"),
    (
        "postgresql+psycopg2://u:s3cret@db:5432/mlflow?sslmode=require",
        "postgresql+psycopg2://db:5432/mlflow?sslmode=require",
    ),
    ("http://user:p@s3cret@host", "http://host"),
    ("mysql://db/x?user=a&password=s3cret", "mysql://db/x?user=a&password=***"),
    ("http://host?access_token=s3cret&x=1", "http://host?access_token=***&x=1"),
    ("http://user:s3cret/x?y#z@host:5000", "http://host:5000"),
    ("http://user:'s3cret\"@host:5000/x", "http://host:5000/x"),
    ("http://user:80s3cret@host", "http://host"),
]


@pytest.mark.parametrize(("whole", "public"), WHOLE)
def test_the_public_form_has_no_credentials_and_the_whole_one_is_remembered(whole: str, public: str) -> None:
    assert secrets.remember(whole) == public
    assert secrets.whole(public) == whole
    assert secrets.remember(public) == public
    assert "s3cret" not in public


def test_an_address_without_credentials_stays_as_it_is() -> None:
    for address in ("http://127.0.0.1:5000/a@b", "http://[::1]:5000/a@b", "http://host:80?a@b", "http://127.0.0.1:5000", "sqlite:////a/b@c.db", "databricks://profile"):
        assert secrets.remember(address) == address


def test_words_and_configurations_are_hidden_in_every_place() -> None:
    words = secrets.hidden_words(["-m", "mlflow.uri='http://u:s3cret@h:1'", "--uri", "http://u:s3cret@h:1"])
    assert words == ["-m", "mlflow.uri='http://h:1'", "--uri", "http://h:1"]
    config = {"mlflow": {"uri": "http://u:s3cret@h:1"}, "list": ["http://u:s3cret@h:1", 3, None]}
    assert secrets.hidden(config) == {"mlflow": {"uri": "http://h:1"}, "list": ["http://h:1", 3, None]}


def test_a_message_of_another_library_is_masked() -> None:
    secrets.remember("postgresql://u:s3cret@db/x")
    said = 'connection to postgresql://u:s3cret@db/x failed: password "s3cret" is wrong for http://a:b@c'
    assert secrets.masked(said) == 'connection to postgresql://db/x failed: password "***" is wrong for http://c'


def test_the_decoded_form_of_a_password_is_masked_too() -> None:
    secrets.remember("postgresql://u:s3%40cret@db/x")
    assert secrets.masked('password "s3@cret" (s3%40cret) is wrong') == 'password "***" (***) is wrong'


@pytest.mark.parametrize(("address", "unfit"), [("http://u:a/b@h", True), ("http://u:a'b@h", True), ("http://u:a%2Fb@h", False), ("http://u:a@b@h", False), ("http://h/a'b", False)])
def test_credentials_that_an_address_cannot_hold_are_noticed(address: str, unfit: bool) -> None:
    assert secrets.unfit(secrets.remember(address)) is unfit
