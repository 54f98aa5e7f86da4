"""The commands of the tutorials and of the quick start, run word for word; only the amount of work is cut."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from command_line import process, with_cache
from doc_blocks import blocks, pages
from ready_children import Ready

SHORT = ["mlflow=off", "dataset.limit=1", "quantization.subset_size=8", "quantization.compare_seconds=0.5", "turns.seconds=0"]
"""Put behind the words of jobs."""


def runnable(page: Path) -> list[tuple[str, int]]:
    """(command, exit code) of each command of a page that this test runs."""
    found = []
    for block in blocks(page):
        if block.mark and block.mark[1] == "run" and not block.mark["test"]:
            found += [(command, int(block.mark["code"] or 0)) for command in block.commands()]
    return found


WHOLE = "python -m harness"
"""The command that is a process from Python's start on, and draws; all others begin ready and draw nothing."""
PAGES = [page for page in pages() if runnable(page)]


def is_job(words: list[str]) -> bool:
    return all("=" in word or word.startswith("-") for word in words[:1])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_the_page_does_what_it_says(page: Path, tmp_path: Path, prepared: Path, imports: Ready) -> None:
    with_cache(tmp_path, prepared)
    for command, code in runnable(page):
        assert command.startswith("python -m harness"), command
        words = shlex.split(command, comments=True)[3:]
        job = is_job(words)
        known = [word for word in SHORT if job and not any(item.startswith(word.partition("=")[0]) for item in words)]
        run = process if command == WHOLE else imports.run
        done = run(*words, *known, cwd=tmp_path, timeout=900)
        assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"


def test_there_are_pages_to_follow() -> None:
    names = {page.stem for page in PAGES}
    assert {"quick-start", "laptop", "int8-the-same", "nightly", "papers-table"} <= names
