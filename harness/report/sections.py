"""What a report shows beyond the common table: published tables of recipes, the ladder of a gap, a profile of layers.

Each is a section: a table, notes and pictures, given as text for the terminal, as Markdown and as HTML.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from harness.report.sources import Job

if TYPE_CHECKING:
    from harness.report.comparison import Comparison
    from harness.report.plots import Picture


@dataclass
class Section:
    """A table with a title. ``body`` holds cells as text, the first column to the left; ``notes`` are sentences below it."""

    key: str
    title: str
    head: list[str]
    body: list[list[str]]
    notes: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)

    def text(self) -> str:
        """For a terminal."""
        widths = [max(len(line[index]) for line in [self.head, *self.body]) for index in range(len(self.head))]

        def aligned(line: list[str]) -> str:
            cells = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
            return "  ".join([line[0].ljust(widths[0]), *cells]).rstrip()

        lines = [self.title, aligned(self.head), "  ".join("-" * width for width in widths)]
        return "\n".join([*lines, *(aligned(line) for line in self.body), *self.notes]) + "\n"

    def markdown(self) -> str:
        """For ``summary.md``."""
        rows = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in [self.head, *self.body]]
        rows.insert(1, "|" + " --- |" + " ---: |" * (len(self.head) - 1))
        notes = [f"\n{note}" for note in self.notes]
        return "\n".join([f"## {self.title}\n", *rows, *notes]) + "\n"

    def html(self) -> str:
        """For the page; its pictures stand with the others."""
        head = "".join(f"<th>{escape(cell)}</th>" for cell in self.head)
        rows = "".join(
            "<tr>" + f"<th>{escape(line[0])}</th>" + "".join(f"<td>{escape(cell)}</td>" for cell in line[1:]) + "</tr>"
            for line in self.body
        )
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return (
            f'<h2 id="{escape(self.key)}">{escape(self.title)}</h2>\n<div class="scroll"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>{notes}"
        )


def of(found: Comparison) -> list[Section]:
    """All sections for which the comparison's jobs hold something."""
    from harness.report import gap, int8, layers, published, rounds

    sections = published.sections(found)
    if (against := int8.section(found)) is not None:
        sections.append(against)
    several = rounds.section(found)
    if several is not None:
        sections.append(several)
    for row in found.well:
        for section in (gap.section(row.job), layers.section(row.job)):
            if section is not None:
                sections.append(section)
    return sections


def job_pictures(job: Job) -> list[Picture]:
    """The pictures of one job's own sections."""
    from harness.report import gap, layers

    return [picture for section in (gap.section(job), layers.section(job)) if section for picture in section.pictures]
