"""The results at the end of a sweep and of ``compare``: the table, its files and the page."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.core.errors import tolerated
from harness.core.files import write_text
from harness.core.results import read_sweep
from harness.report import comparison as comparing, tables
from harness.report.csv_table import csv_text
from harness.report.sources import SWEEP_FILE, jobs_of
from harness.scoring.compared import Comparison, Job

CSV_FILE = "summary.csv"
MARKDOWN_FILE = "summary.md"
PAGE_FILE = "report.html"


@dataclass
class Summary:
    """``table`` is for the terminal (verdicts, no warnings).

    ``agreement`` maps a job's id to its ``agreement/*`` metrics.
    """

    table: str
    comparison: Comparison
    agreement: dict[str, dict[str, float]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def summarise(sweep: Path) -> Summary:
    """Compares all jobs under ``sweep`` (or the one job in it) with the first that succeeded.

    Writes ``summary.csv``, ``summary.md``, ``report.html`` and ``plots/*.png`` there. Raises DataError if there are no jobs.
    """
    return write_sweep(comparing.compare(jobs_of(sweep)), sweep)


def write_sweep(found: Comparison, sweep: Path) -> Summary:
    """Writes all files of the comparison of the jobs under ``sweep``, as ``summarise``."""
    jobs = [row.job for row in found.rows]
    record = read_sweep(sweep) if (sweep / SWEEP_FILE).is_file() else {}
    place = "/".join(sweep.resolve().parts[-2:])
    title = f"{record.get('name') or (jobs[0].results.name if len(jobs) == 1 else 'Report')} ({place})"
    return write_comparison(found, sweep, title, _command(record, jobs))


def write(jobs: list[Job], folder: Path, baseline: Job | None = None, title: str = "", command: str = "") -> Summary:
    """Compares any jobs, writes all files under ``folder``, and returns what to show."""
    return write_comparison(comparing.compare(jobs, baseline), folder, title, command)


def write_comparison(found: Comparison, folder: Path, title: str = "", command: str = "") -> Summary:
    """Writes all files of a comparison under ``folder``, and returns what to show."""
    from harness.report import page, plots, sections

    own = sections.of(found)
    markdown = "\n".join([tables.markdown(found), *(section.markdown() for section in own)])
    files = [
        write_text(folder / CSV_FILE, csv_text(found)),
        write_text(folder / MARKDOWN_FILE, f"# {title or 'Comparison'}\n\n{markdown}"),
    ]
    drawn = [*(picture for section in own for picture in section.pictures), *plots.comparison_pictures(found)]
    files += plots.save_all(drawn, folder / plots.PLOTS, found.warnings.append)
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    with tolerated("The page could not be made", found.warnings.append):
        files.append(write_text(folder / PAGE_FILE, page.html(found, drawn, title or "Comparison", made, command, own)))
    text = "\n".join([tables.text(found), *(section.text() for section in own)])
    return Summary(text, found, agreement_of(found), found.warnings, files)


def agreement_of(found: Comparison) -> dict[str, dict[str, float]]:
    """Returns each job's ``agreement/*`` metrics, by its id."""
    return {row.job.id: row.agreement.metrics() | row.sureness for row in found.rows if row.agreement is not None}


def _command(record: dict[str, Any], jobs: list[Job]) -> str:
    """Returns the command line that made the sweep or the single job, as far as its files record it."""
    words = record.get("words") or (jobs[0].results.overrides if len(jobs) == 1 else None)
    if not isinstance(words, list):
        return ""
    return " ".join(["python -m harness", *(shlex.quote(str(word)) for word in words)])
