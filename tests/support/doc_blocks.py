"""The commands of the documentation, and what the mark above each block says of them.

A block of commands has one of these lines above it: ``<!-- run -->`` (test_doc_commands runs it), ``<!-- run, exit code N -->``,
``<!-- run by TEST -->``, ``<!-- not run: WHY -->``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from command_line import ROOT

MARK = re.compile(r"<!-- (run|not run)(?: by (?P<test>\S+)|, exit code (?P<code>\d+)|: (?P<why>.+?))? -->")
SHELL = re.compile(r"^(python3?|py|pip|make|docker|ray|sudo|mlflow|tracker-harness) ", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: where it is, its language, its text, and the line above it."""

    page: str
    line: int
    language: str
    text: str
    above: str

    @property
    def mark(self) -> re.Match[str] | None:
        return MARK.fullmatch(self.above.strip())

    def commands(self) -> list[str]:
        """Its command lines; those that end in a backslash are joined with the next."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line.strip() and not line.startswith("#")]


def pages() -> list[Path]:
    """All pages that people follow."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    found, lines, start = [], page.read_text(encoding="utf-8").splitlines(), None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if start is None:
            start = number
        else:
            name, text = page.relative_to(ROOT).as_posix(), "\n".join(lines[start + 1 : number]) + "\n"
            found.append(Block(name, start + 1, lines[start][3:].strip(), text, lines[start - 1] if start else ""))
            start = None
    return found
