"""However a command ends, it says one sentence: what nobody foresaw, too; standard streams that are closed are opened."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import PATH

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
        (OSError(errno.EIO, "Input/output error", "x"), 1, "Input/output error"),
        (OSError(errno.ENOSPC, "No space left on device", "x"), 1, "free space"),
    ],
)
def test_what_a_command_raises_ends_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, code: int, says: str
) -> None:
    def raising(words: list[str]) -> int:
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
