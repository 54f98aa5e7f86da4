"""The last lines of a child that crashed: what it said, not Python's report of the crash alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.core.errors import StoreError
from harness.jobs.children import TAIL_LINES, check_log, tail_of


def test_what_a_crashed_child_said_comes_before_the_innermost_calls(tmp_path: Path) -> None:
    report = ["Fatal Python error: Segmentation fault", *(f'  File "f{number}.py"' for number in range(60))]
    (tmp_path / "worker.log").write_text("\n".join(["early"] * 40 + ["about to die", *report, "Extension modules: a, b"]))
    tail = tail_of(tmp_path)
    assert len(tail) == TAIL_LINES
    assert tail[TAIL_LINES // 2 - 1] == "about to die"
    assert tail[TAIL_LINES // 2 :][:2] == ["Fatal Python error: Segmentation fault", '  File "f0.py"']


def test_without_a_crash_the_end_is_kept(tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text("\n".join(f"line {number}" for number in range(50)))
    assert tail_of(tmp_path)[-1] == "line 49"
    assert len(tail_of(tmp_path)) == TAIL_LINES


@pytest.mark.posix
def test_a_pipe_or_device_where_a_log_is_written_is_told_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "worker.log")
    with pytest.raises(StoreError, match=r"worker\.log is not a regular file"):
        check_log(tmp_path / "worker.log")
    (tmp_path / "other.log").write_text("said")
    check_log(tmp_path / "other.log")
    check_log(tmp_path / "none.log")
