"""However a command ends, it says one sentence: what nobody foresaw, too; standard streams that are closed are opened."""

from __future__ import annotations

import errno
import io
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import PATH

from harness.__main__ import let_go
from harness.cli import main as cli

CLOSED = """
import os, sys
for number in (0, 1, 2):
    os.close(number)
sys.stdout = sys.stderr = None
from harness.__main__ import open_streams
open_streams()
print("said", file=sys.stderr)
place = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.write(place, str(place).encode())
"""


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (KeyError("boxes"), 1, "this is a fault of the harness"),
        (RecursionError("deep"), 1, "this is a fault of the harness"),
        (MemoryError(), 1, "not enough memory"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300), 2, "choose another folder"),
        (RuntimeError("Symlink loop from '/a/x'"), 2, "/a/x is a link that leads back to itself"),
        (ImportError("libx.so: failed to map segment from shared object"), 1, "not enough memory"),
        (OSError(errno.EMFILE, "Too many open files", "x"), 1, "Too many open files (x); raise the limit on open files"),
        (OSError(errno.EFBIG, "File too large", "x"), 1, "File too large (x); raise the limit on the size of files"),
        (OSError(errno.EIO, "Input/output error", "x"), 1, "Input/output error"),
        (OSError(errno.ENOSPC, "No space left on device", "x"), 1, "free space"),
    ],
)
def test_what_a_command_raises_ends_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, code: int, says: str
) -> None:
    def raising(*arguments: object) -> int:
        raise error

    monkeypatch.setattr(cli, "dispatch", raising)
    assert cli.main(["compare"]) == code
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert says in said
    assert said.count("\n") == 1


def test_a_command_in_a_folder_that_was_removed_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert cli.main(["compare", "x"]) == 2
    assert "the current folder cannot be used" in capsys.readouterr().err


def test_closed_streams_are_opened_so_that_no_file_gets_their_numbers(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CLOSED, tmp_path / "file"], env={"PYTHONPATH": PATH}, check=False)
    assert done.returncode == 0
    assert int((tmp_path / "file").read_text()) > 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["history", "--last", "abc"], "history: argument --last: invalid int value: 'abc'; python -m harness history --help"),
        (["", ""], "'' cannot be read as a setting"),
        (["compare"], "compare: the following arguments are required: RUN; python -m harness compare --help"),
        (["convert", "x", "--to", "nothing", "-o", "y"], "invalid choice: 'nothing'"),
        (["track", "x", "--box", "1,2,3,4", "--json", "--config-dir", "nowhere"], "x does not exist"),
        (["doctor", "--seconds", "nan"], "--seconds is nan; accepted: a number of seconds above 0"),
        (["validate", "nowhere", "--split", "val"], "give that by --dataset"),
    ],
)
def test_options_that_a_command_does_not_take_are_one_sentence(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1


def test_a_name_with_control_characters_stays_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", "a\nb\x1b[31m\udcff"]) == 2
    said = capsys.readouterr().err
    assert r"a\nb\x1b[31m\udcff" in said
    assert said.count("\n") == 1


class Full(io.StringIO):
    """A stream whose place is full, or whose reader has gone."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error

    def flush(self) -> None:
        raise self.error


def test_an_error_keeps_its_exit_code_where_nobody_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Full(OSError(errno.ENOSPC, "No space left on device")))
    assert cli.main(["compare", "nowhere"]) == 2


@pytest.mark.parametrize(("number", "code"), [(errno.EPIPE, 0), (errno.ENOSPC, 1)])
def test_output_that_cannot_be_written_is_told_at_the_end_but_not_if_its_reader_has_enough(
    number: int, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", Full(OSError(number, "No space left on device")))
    assert let_go(0) == code
    assert ("standard output cannot be written (No space left on device)" in capsys.readouterr().err) is bool(code)
    assert let_go(2) == 2


def test_a_traceback_that_is_asked_for_holds_no_password(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def raising(*arguments: object) -> int:
        raise ValueError("invalid port 's3cret' of http://user:s3cret@host")

    monkeypatch.setenv("HARNESS_ADDRESSES", "{}")
    monkeypatch.setattr(cli, "dispatch", raising)
    assert cli.main(["-v", "sync", "--uri", "http://user:s3cret@host"]) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "s3cret" not in said
