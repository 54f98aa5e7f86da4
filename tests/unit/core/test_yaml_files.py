"""A person's YAML file is looked over before anything composes it, and named if it cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.core.yaml_files import check_folder, fault_below, files_of
from harness.jobs.compose import make_plan


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"name: [a\nx: 1\n", "own.yaml is not valid YAML, line"),
        (b"name: \xff\n", "is not text in UTF-8"),
        (b"word\n", "holds a single value"),
        (b"- a\n", "holds a list"),
        (b"a: " + b"[" * 700 + b"]" * 700, "nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_what_is_wrong(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "tracker").mkdir()
    (tmp_path / "tracker/own.yaml").write_bytes(data)
    assert words in fault_below(tmp_path)
    if "holds" not in words:  # a list or a word composes to a section that is none, which building the job tells
        with pytest.raises(ConfigError, match=r"own\.yaml"):
            make_plan(["tracker=own"], False, str(tmp_path), [])


def test_aliases_of_aliases_are_counted_and_not_written_out(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    (tmp_path / "own.yaml").write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="has over 100000 values"):
        check_folder(tmp_path)


def test_an_alias_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("a: &x [*x]\n")
    with pytest.raises(ConfigError, match=r"own\.yaml"):
        check_folder(tmp_path)


def test_a_few_aliases_are_fine(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("a: &x [1, 2]\nb: *x\nc: [*x, *x]\n")
    check_folder(tmp_path)
    assert fault_below(tmp_path) == ""


@pytest.mark.parametrize("word", ["device=0", "tracker=5", "dataset=true", "backend=null"])
def test_a_group_that_is_given_a_number_is_one_sentence(word: str) -> None:
    with pytest.raises(ConfigError, match="choices are names"):
        make_plan([word], False, None, [])


@pytest.mark.posix
def test_a_pipe_among_the_settings_is_told_before_anything_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "own.yaml")
    with pytest.raises(ConfigError, match=r"own\.yaml is not a regular file"):
        check_folder(tmp_path)


def test_a_folder_of_many_files_is_no_folder_of_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.core.yaml_files.MOST_FILES", 3)
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text("")
    with pytest.raises(ConfigError, match="holds over 3 files"):
        check_folder(tmp_path)


def test_files_deeper_than_groups_of_groups_are_nobodys_settings(tmp_path: Path) -> None:
    near, far = tmp_path / "hydra/launcher/own.yaml", tmp_path / "a/b/c/d/e/f/own.yaml"
    for path in (near, far):
        path.parent.mkdir(parents=True)
        path.write_text("a: 1\n")
    assert files_of(tmp_path) == [near]


def test_a_folder_of_settings_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("nowhere", "file", "loop"):
        with pytest.raises(ConfigError, match=f"--config-dir .*{name} is not a folder"):
            check_folder(tmp_path / name)
