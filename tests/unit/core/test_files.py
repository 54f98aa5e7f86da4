"""Files are read only if they are files, of a size that ours have; names that are no UTF-8 are written so that they read back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.core.errors import DataError, StoreError
from harness.core.files import at_home, folder_at_once, found_below, read_json, read_record, read_regular, write_json


@pytest.mark.posix
def test_read_regular_with_a_pipe_ends_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="not a regular file"):
        read_regular(tmp_path / "pipe")


def test_read_regular_with_a_device_ends_at_once(tmp_path: Path) -> None:
    (tmp_path / "zero").symlink_to("/dev/zero")
    with pytest.raises(DataError, match="not a regular file"):
        read_regular(tmp_path / "zero")


def test_read_regular_with_a_file_over_the_limit_reads_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * 101)
    assert read_regular(tmp_path / "big", 101) == b"x" * 101
    with pytest.raises(DataError, match="over the limit"):
        read_regular(tmp_path / "big", 100)


def test_a_name_with_half_a_character_is_read_back_from_json_as_it_was(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.mp4")
    write_json(tmp_path / "x.json", {"name": name, "snow": "☃"})
    assert read_json(tmp_path / "x.json") == {"name": name, "snow": "☃"}
    assert "☃".encode() in (tmp_path / "x.json").read_bytes()


@pytest.mark.parametrize(("text", "kind"), [("[1]", "a list"), ("null", "null"), ("5", "a single value")])
def test_read_record_of_something_else_says_what_it_is(tmp_path: Path, text: str, kind: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=f"holds {kind}; a mapping"):
        read_record(tmp_path / "x.json")


def test_at_home_with_a_user_whom_nobody_knows_stays_as_it_is() -> None:
    assert at_home("~nobody-by-this-name/x") == Path("~nobody-by-this-name/x")
    assert at_home("~/x") == Path.home() / "x"


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"", "it is empty"), (b'{"a": ', "line 1, column 7: expecting value"), (b'"\xff"', "byte 1 is no text in UTF-8"), (b"[" * 100_000, "nested too deeply"),
     (b"9" * 5000, "thousands of digits")],
)  # fmt: skip
def test_what_is_no_json_is_told_in_our_words(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(DataError, match=says):
        read_json(tmp_path / "x.json")


# ------------------------------------------------------------------------------------ a folder at once


def filled(folder: Path, text: str = "old") -> Path:
    folder.mkdir()
    (folder / "old.png").write_text(text)
    return folder


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_at_once_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    filled(tmp_path / "plots")
    with folder_at_once(tmp_path / "plots") as place:
        (place / "new.png").write_text("new")
        assert content(tmp_path / "plots") == {"old.png": "old"}
    assert content(tmp_path) == {"plots/new.png": "new"}


def test_a_folder_whose_making_fails_leaves_the_old_one_as_it_was(tmp_path: Path) -> None:
    filled(tmp_path / "plots")

    def interrupted() -> None:
        with folder_at_once(tmp_path / "plots") as place:
            (place / "new.png").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert content(tmp_path) == {"plots/old.png": "old"}


def test_a_folder_in_which_nothing_is_made_does_not_come_to_be(tmp_path: Path) -> None:
    with folder_at_once(tmp_path / "plots"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_beside_a_folder_is_removed(tmp_path: Path) -> None:
    filled(tmp_path / ".plots.abcdefgh", "half")
    with folder_at_once(tmp_path / "plots") as place:
        (place / "new.png").write_text("new")
    assert content(tmp_path) == {"plots/new.png": "new"}


def test_a_link_to_a_folder_is_replaced_and_its_folder_stays(tmp_path: Path) -> None:
    filled(tmp_path / "elsewhere")
    (tmp_path / "plots").symlink_to("elsewhere")
    with folder_at_once(tmp_path / "plots") as place:
        (place / "new.png").write_text("new")
    assert not (tmp_path / "plots").is_symlink()
    assert content(tmp_path) == {"elsewhere/old.png": "old", "plots/new.png": "new"}


def test_a_file_where_a_folder_is_written_is_told_and_stays(tmp_path: Path) -> None:
    (tmp_path / "plots").write_text("a person's")
    with pytest.raises(StoreError, match=r"plots is not a folder"), folder_at_once(tmp_path / "plots") as place:
        (place / "new.png").write_text("new")
    assert content(tmp_path) == {"plots": "a person's"}


def test_found_below_has_each_name_at_any_depth_and_follows_no_link_to_a_folder(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    for place in (root, root / "b/c", elsewhere):
        place.mkdir(parents=True)
        (place / "wanted.json").write_text("{}")
    (root / "a").mkdir()
    (root / "a/other.json").write_text("{}")
    (root / "a/unwanted.json").write_text("{}")
    (root / "linked").symlink_to(elsewhere)
    (root / "b/other.json").symlink_to(elsewhere / "wanted.json")
    (root / "other.json").symlink_to("nowhere")
    assert found_below(root, ("wanted.json", "other.json")) == [
        root / "a/other.json", root / "b/c/wanted.json", root / "b/other.json", root / "wanted.json",
    ]  # fmt: skip
    assert found_below(root / "nowhere", ("wanted.json",)) == []
