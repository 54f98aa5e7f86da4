"""A helper process does not run while a job is measured: it is suspended while it loads, and waited for while it obeys."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from harness.jobs.helper import Helper

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes cannot be suspended here")


@pytest.fixture
def helper(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], Helper]]:
    made: list[Helper] = []

    def make(seconds: float) -> Helper:
        monkeypatch.setenv("SLOW_HELPER_SECONDS", str(seconds))
        made.append(Helper("slow_helper"))
        return made[-1]

    yield make
    for item in made:
        item.close()


def process_of(helper: Helper) -> psutil.Process:
    assert helper._child is not None
    return psutil.Process(helper._child.pid)


def status_of(helper: Helper) -> str:
    time.sleep(0.05)  # a signal takes a moment
    return str(process_of(helper).status())


def test_one_that_loads_is_suspended_until_it_is_woken(helper: Callable[[float], Helper], tmp_path: Path) -> None:
    found = helper(60)  # it would take a minute
    found.hush()
    assert status_of(found) == psutil.STATUS_STOPPED
    used = found.cpu_seconds()
    time.sleep(0.2)
    assert found.cpu_seconds() == used
    found.hush()  # twice does no harm
    found.wake()
    assert status_of(found) != psutil.STATUS_STOPPED


def test_an_order_wakes_it_and_is_obeyed(helper: Callable[[float], Helper], tmp_path: Path) -> None:
    found = helper(0.3)
    found.hush()
    assert found.order(seconds=0, file=str(tmp_path / "it")) == {"file": str(tmp_path / "it")}


def test_one_that_obeys_is_waited_for_and_never_suspended(helper: Callable[[float], Helper], tmp_path: Path) -> None:
    found = helper(0)
    found.ask(seconds=0.5, file=str(tmp_path / "asked"))
    found.hush()
    assert (tmp_path / "asked").read_text() == "done"
    assert status_of(found) != psutil.STATUS_STOPPED
    assert found.order(seconds=0, file=str(tmp_path / "next")) == {"file": str(tmp_path / "next")}


def test_one_that_has_loaded_is_left_alone(helper: Callable[[float], Helper]) -> None:
    found = helper(0)
    found.wait()
    found.hush()
    assert status_of(found) == psutil.STATUS_SLEEPING


def test_a_suspended_one_ends_at_once_when_it_is_closed(helper: Callable[[float], Helper]) -> None:
    found = helper(60)
    found.hush()
    child = process_of(found)
    begin = time.monotonic()
    found.close()
    assert not child.is_running()
    assert time.monotonic() - begin < 0.9 * 60  # it did not finish loading first
    assert found.order(seconds=0, file="/nowhere") is None
