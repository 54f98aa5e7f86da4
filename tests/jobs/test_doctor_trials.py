"""What the doctor says of backends that fail, crash, hang, or are not there: each is tried in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.jobs.doctor import trial

SICK = """
import os, signal, time
from dataclasses import dataclass
from harness.backends.torch.backend import Torch

@dataclass
class Fails(Torch):
    def open(self, artifact):
        raise RuntimeError("the driver is too old")

@dataclass
class Crashes(Torch):
    def open(self, artifact):
        os.kill(os.getpid(), signal.SIGSEGV)

@dataclass
class Hangs(Torch):
    def check_device(self):
        time.sleep(60)

@dataclass
class Lacks(Torch):
    def check_device(self):
        import no_such_runtime_at_all
"""


@pytest.fixture
def sick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sick.py").write_text(SICK)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("Fails", "fails", "RuntimeError: the driver is too old"),
        ("Crashes", "fails", "the process was ended by SIGSEGV"),
        ("Lacks", "absent", "no_such_runtime_at_all is not installed"),
    ],
)
def test_a_backend_that_does_not_work_is_a_line(sick: Path, name: str, status: str, said: str) -> None:
    assert trial.attempt(f"sick.{name}", "cpu", sick / "cache", 100) == (status, said)


def test_a_backend_that_hangs_is_ended(sick: Path) -> None:
    assert trial.attempt("sick.Hangs", "cpu", sick / "cache", 2) == ("fails", "gave no answer within 2 s")


def test_a_backend_that_does_not_take_the_graph_or_device_is_not_called_broken(tmp_path: Path) -> None:
    status, said = trial.attempt("harness.backends.native.Native", "cpu", tmp_path, 100)
    assert status == "untried" and "runs trackers as they are" in said
    assert trial.attempt("harness.backends.torch.Torch", "npu", tmp_path, 100)[0] == "untried"
