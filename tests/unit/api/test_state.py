"""A call leaves the process as it found it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import warnings
from pathlib import Path

import pytest

from harness.api.state import untouched
from harness.core.errors import ConfigError


def state() -> tuple[object, ...]:
    """What a call may not change."""
    loggers = logging.root.level, list(logging.root.handlers)
    return Path.cwd(), list(sys.argv), signal.getsignal(signal.SIGTERM), list(warnings.filters), *loggers


def test_what_was_changed_inside_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_OF_MINE", "before")
    monkeypatch.setenv("HARNESS_REMOVED", "was there")
    monkeypatch.delenv("HARNESS_NEW", raising=False)
    mine = logging.getLogger("mine.of.this.test")
    mine.setLevel(logging.WARNING)
    before = state()
    with contextlib.suppress(RuntimeError), untouched():
        os.environ["HARNESS_OF_MINE"], os.environ["HARNESS_NEW"] = "after", "x"
        del os.environ["HARNESS_REMOVED"]
        os.chdir(tmp_path)
        sys.argv[:] = ["other"]
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        warnings.simplefilter("ignore")
        logging.root.setLevel(1)
        logging.root.addHandler(logging.NullHandler())
        mine.setLevel(logging.CRITICAL)
        raise RuntimeError("inside")
    assert state() == before
    assert os.environ["HARNESS_OF_MINE"] == "before" and os.environ["HARNESS_REMOVED"] == "was there"
    assert "HARNESS_NEW" not in os.environ and mine.level == logging.WARNING


def test_quiet_hides_what_is_said_inside_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with untouched(quiet=True):
        print("hidden", file=sys.stderr)
    print("shown", file=sys.stderr)
    assert capsys.readouterr().err == "shown\n"


def test_a_second_call_at_the_same_time_is_refused_and_a_later_one_is_not() -> None:
    said: list[str] = []

    def other() -> None:
        try:
            with untouched():
                said.append("ran")
        except ConfigError as error:
            said.append(str(error))

    with untouched():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    other()
    assert said[0].startswith("another call of the harness is running") and said[1] == "ran"
