"""A table of text: for a terminal and as Markdown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Table:
    """Cells as text; the first column is aligned left, the others right.

    Attributes:
        head: The columns' titles.
        body: The lines. The last cell of a line shorter than the head (a run without results) extends over the other
            columns.
    """

    head: list[str]
    body: list[list[str]]

    def lines(self, rule: bool = True) -> list[str]:
        """Returns aligned lines for a terminal, by default with a rule under the head."""
        whole = [line for line in self.body if len(line) == len(self.head)]
        widths = [max(len(line[index]) for line in [self.head, *whole]) for index in range(len(self.head))]
        widths[0] = max([widths[0], *(len(line[0]) for line in self.body)])
        rules = ["  ".join("-" * width for width in widths)] if rule else []
        return [_line(self.head, widths), *rules, *(_line(line, widths) for line in self.body)]

    def text(self, rule: bool = True) -> str:
        """Returns the lines as one text."""
        return "\n".join(self.lines(rule)) + "\n"

    def markdown(self) -> list[str]:
        """Returns lines of Markdown, with the cells' text escaped."""
        padded = [line + [""] * (len(self.head) - len(line)) for line in [self.head, *self.body]]
        rows = ["| " + " | ".join(markdown_text(cell) for cell in line) + " |" for line in padded]
        rows.insert(1, "|" + " --- |" + " ---: |" * (len(self.head) - 1))
        return rows


def _line(line: list[str], widths: list[int]) -> str:
    if len(line) < len(widths):
        return "  ".join([line[0].ljust(widths[0]), *line[1:]])
    cells = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
    return "  ".join([line[0].ljust(widths[0]), *cells]).rstrip()


def markdown_text(text: str) -> str:
    """Escapes text so that Markdown and HTML show it unchanged."""
    for mark in "\\`*_{}[]<>|#":
        text = text.replace(mark, "\\" + mark)
    return text.replace("\n", " ")
