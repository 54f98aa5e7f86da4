"""What the doctor says of backends' devices and of what is installed, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import harness

from harness.jobs import probing
from harness.jobs.doctor import trial
from harness.jobs.doctor.extras import extras, programs
from harness.jobs.doctor.trial import Trial
from harness.machine import noise
from harness.machine.load import Load


def test_each_device_that_a_backend_names_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"device": name, "name": name.upper(), "precisions": ""} for name in ("cpu", "gpu.0", "gpu.1", "backend.provider=Azure")]
    answers = {"a.A": rows, "b.B": "not usable: ModuleNotFoundError: No module named 'b'", "c.C": "not usable: Segmentation fault"}
    monkeypatch.setattr(probing, "backends", lambda: {"a": "a.A", "b": "b.B", "c": "c.C"})
    monkeypatch.setattr(probing, "probe", lambda target: answers[target])
    monkeypatch.setattr(trial, "attempt", lambda target, device, *_: ("works", device))
    assert [(item.backend, item.device, item.status) for item in trial.all_trials()] == [
        ("a", "cpu", "works"), ("a", "gpu", "works"), ("a", "backend.provider=Azure", "untried"), ("b", "", "absent"), ("c", "", "fails"),
    ]  # fmt: skip


def test_extras_are_read_from_the_packages_metadata() -> None:
    found = extras(['numpy>=2; extra == "have"', 'no-such-thing>=1; extra == "lack"', "numpy", 'tracker-harness[have]; extra == "all"'])
    assert [(item.name, item.there) for item in found] == [("have", True), ("lack", False)]
    assert found[1].get == "pip install 'tracker-harness[lack]'" and "no-such-thing missing" in found[1].said


def test_of_a_checkout_the_extras_are_those_of_its_pyproject() -> None:
    assert {"notebook", "test", "dev", "cluster"} <= {item.name for item in extras()}


def test_a_program_that_is_missing_is_told_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda word: "/usr/bin/git" if word == "git" else None)
    found = {item.name: item for item in programs()}
    assert found["git"].there and not found["ffmpeg"].there and "install ffmpeg" in found["ffmpeg"].get


@pytest.mark.parametrize(("status", "code"), [("works", 0), ("absent", 0), ("untried", 0), ("fails", 1)])
def test_the_exit_code_is_1_only_for_a_backend_that_does_not_work(status: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "all_trials", lambda seconds: [Trial("mine", "cpu", "A CPU", status, "details")])
    monkeypatch.setattr(noise, "watch", lambda: noise.Moment(Load(0.0, 0.0, 0.0), 0.0))
    done = harness("doctor", cwd=tmp_path)
    assert done.returncode == code and "A CPU: details" in done.stdout
    assert ("Does not work: mine on cpu" in done.stdout) == (code == 1)
    told = harness("doctor", "--json", cwd=tmp_path)
    assert told.returncode == code and json.loads(told.stdout)["works"] == (code == 0)
