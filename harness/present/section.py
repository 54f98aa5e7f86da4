"""A section of a report: a table, notes and pictures under a title."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.present.picture import Picture
from harness.present.table import Table, markdown_text


@dataclass
class Section:
    """The part of a report that a task or a recipe adds.

    Attributes:
        key: Its anchor on the page, unique in the report.
        title: Its heading.
        head: The titles of the table's columns.
        body: The table's cells as text, the first column to the left.
        notes: Sentences below the table.
        pictures: Its pictures, shown with the report's other pictures.
        order: Sections with a smaller number come first.
        job: Identity of the job, if the section is about one; its pictures are then also drawn beside that job's
            results.
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
        """The table alone."""
        return Table(self.head, self.body)

    def text(self) -> str:
        """Returns the section for a terminal."""
        return "\n".join([self.title, *self.table.lines(), *self.notes]) + "\n"

    def markdown(self) -> str:
        """Returns the section for ``summary.md``."""
        notes = [f"\n{markdown_text(note)}" for note in self.notes]
        return "\n".join([f"## {markdown_text(self.title)}\n", *self.table.markdown(), *notes]) + "\n"
