"""The page on a nightly gate, followed word for word over two small sweeps."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from command_line import harness, with_cache
from doc_pages import commands_of
from fakes import tiny_dataset


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The folder in which both sweeps ran, and what the page's last command printed."""
    place = with_cache(tmp_path_factory.mktemp("nightly"), prepared)
    tiny_dataset(place / "data", 2, size=(160, 120))
    data = ["dataset=folder", "dataset.root=data", "dataset.split=val", "mlflow=off", "turns.seconds=0.5"]
    commands = [shlex.split(command.removeprefix("python -m harness ")) for command in commands_of("docs/nightly-gate.md")]
    assert [words[0] for words in commands] == ["-m", "-m", "compare"]
    for words in commands[:2]:
        done = harness(*words, *data, cwd=place)
        assert done.returncode == 0, done.stderr
    return place, harness(*commands[2], cwd=place)


def test_the_gate_of_the_page_judges_each_configuration_against_its_own_baseline(
    followed: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    place, gate = followed
    assert gate.returncode in (0, 1), gate.stderr  # how fast this machine was in each sweep is not the test's subject
    verdicts = [line for line in gate.stdout.splitlines() if line.startswith("Gate:")]
    assert verdicts and not any("which meets 'ao" in line for line in verdicts)  # the boxes are the same
    assert (gate.returncode == 0) == verdicts[0].startswith("Gate: passed")
    assert (place / "outputs/gate/report.html").is_file()


def test_the_gate_exits_with_1_if_a_condition_is_met(followed: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    place, _ = followed
    sweeps = ["compare", "outputs/baseline", "outputs/nightly", "--out", "outputs/again"]
    met = harness(*sweeps, "--fail-if", "ao < 2", cwd=place)
    assert met.returncode == 1
    named = re.findall(r"Gate: (\w+) \(nightly\): ao is .*, which meets 'ao < 2'", met.stdout)
    assert named == ["onnx", "openvino"]  # each configuration of the new sweep
    kept = harness(*sweeps, "--fail-if", "ao < -0.01", "--significant", cwd=place)
    assert kept.returncode == 0, kept.stdout + kept.stderr
