"""A section of a report: a table, notes and pictures under a title."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.present.picture import Picture
from harness.present.table import Table, markdown_text


@dataclass
class Section:
    """What a task or a recipe adds to a report.

    Attributes:
        key: Its anchor on the page; no other section of the report has it.
        title: Its heading.
        head: The titles of the table's columns.
        body: The table's cells as text, the first column to the left.
        notes: Sentences below the table.
        pictures: They stand with the report's other pictures.
        order: Sections with a smaller number come first.
        job: Identity of the one job that the section is about; its pictures are then drawn beside that job's results, too.
    """

    key: str
    title: str
    head: list[str]
    body: list[list[str]]
    notes: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    order: int = 50
    job: str = ""

    @property
    def table(self) -> Table:
        """The table by itself."""
        return Table(self.head, self.body)

    def text(self) -> str:
        """For a terminal."""
        return "\n".join([self.title, *self.table.lines(), *self.notes]) + "\n"

    def markdown(self) -> str:
        """For ``summary.md``."""
        notes = [f"\n{markdown_text(note)}" for note in self.notes]
        return "\n".join([f"## {markdown_text(self.title)}\n", *self.table.markdown(), *notes]) + "\n"
