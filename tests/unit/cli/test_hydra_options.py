"""Hydra's own options: what it shows instead of running, ``~key``, and the shell's completion."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli import main as cli


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Hydra's options set up logging to the stream of the moment, which a later test's is not."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    root.handlers = [handler for handler in handlers if type(handler) is not logging.StreamHandler]
    yield
    root.handlers, root.level = [handler for handler in handlers if type(handler) is not logging.StreamHandler], level


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(list(words)) == 0
    return capsys.readouterr().out


def test_cfg_shows_the_configuration_and_runs_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = shown(capsys, "backend=onnx", "--cfg", "job")
    assert "target: harness.backends.onnx.Onnx" in text and "hydra:" not in text
    assert "seed: ${seed}" in text
    assert not list(tmp_path.iterdir())


def test_cfg_shows_a_part_resolved(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--cfg=job", "--package", "tracker", "--resolve", "seed=7")
    assert text.startswith("# @package tracker\n") and "seed: 7" in text


def test_cfg_hydra_shows_where_a_run_would_go(capsys: pytest.CaptureFixture[str]) -> None:
    assert "dir: outputs/there" in shown(capsys, "--cfg", "hydra", "hydra.run.dir=outputs/there")


def test_a_deleted_key_is_gone(capsys: pytest.CaptureFixture[str]) -> None:
    assert "warmup" not in shown(capsys, "--cfg", "job", "~task.warmup")
    assert cli.main(["~task.warmpu"]) == 2
    assert "task.warmpu" in capsys.readouterr().err


def test_info_lists_plugins_and_the_search_path(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--info", "plugins")
    assert "BasicSweeper" in text and "PluginSearchPath" in text
    assert re.search(r"main\s+\| file://\S+conf", shown(capsys, "--info", "searchpath"))


def test_hydra_help_is_hydras(capsys: pytest.CaptureFixture[str]) -> None:
    assert "https://hydra.cc" in shown(capsys, "--hydra-help")


@pytest.mark.parametrize("words", [["--cfg", "job", "backend=onx"], ["--info", "backend=onx"]])
def test_a_mistake_beside_an_option_is_one_sentence(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 2
    said = capsys.readouterr()
    assert "did you mean 'onnx'" in said.err and said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "choices"),
    [
        ("tracker-harness device=c", {"device=cpu", "device=cuda"}),
        ("python -m harness device=c", {"device=cpu", "device=cuda"}),
        ("/usr/bin/python3.11 -m harness -m seed=1 task.warm", {"task.warmup="}),
    ],
)
def test_the_shell_gets_the_ends_of_a_word(
    line: str, choices: set[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    assert set(shown(capsys, "-sc", "query=bash").split()) == choices


def test_completion_is_installed_for_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    script = shown(capsys, "--shell-completion", "install=bash")
    assert "hydra_bash_completion()" in script
    assert cli.main(["-sc", "install=nosuchshell"]) == 2
