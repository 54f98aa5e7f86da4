"""The Python classes for several runs: a comparison of any runs, and a sweep."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api import shown
from harness.api.finished import Run
from harness.core.results import SWEEP_FILE
from harness.report import comparison as comparing, gates, sources, summary
from harness.report.columns import columns
from harness.report.csv_table import csv_text
from harness.report.tables import grid
from harness.scoring import compared

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from harness.present.picture import Picture


class Comparison:
    """Runs compared with a baseline: the content of a report as values.

    Args:
        found: The comparison.
        folder: Where its files are.
    """

    def __init__(self, found: compared.Comparison, folder: Path) -> None:
        self._found = found
        self._folder = folder

    @property
    def found(self) -> compared.Comparison:
        """The comparison for reports and gates: rows with intervals, ratios, agreement."""
        return self._found

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self._folder

    @cached_property
    def runs(self) -> list[Run]:
        """The runs, in order, including those that failed or were skipped (``run.status``)."""
        return [Run.of(row.job) for row in self.found.rows]

    @property
    def report(self) -> Path:
        """The page: one file, for a browser, that needs no network."""
        return self.folder / summary.PAGE_FILE

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per run, by its label: choices, status, all metrics by name, comparison with the baseline, intervals."""
        import pandas as pd

        return pd.read_csv(io.StringIO(csv_text(self.found)), dtype={"id": str, "machine": str, "job": str}).set_index("run")

    @property
    def verdicts(self) -> list[str]:
        """The first sentences of the report: which run leads, and how each run compares with the baseline."""
        return [*self.found.headlines, *(row.verdict for row in self.found.rows if row.verdict and not row.baseline)]

    @property
    def warnings(self) -> list[str]:
        """Warnings for readers of the comparison."""
        return self.found.warnings

    @cached_property
    def _pictures(self) -> list[Picture]:
        from harness.report import plots, sections

        own = sections.of(self.found)
        return [*(picture for section in own for picture in section.pictures), *plots.comparison_pictures(self.found)]

    @property
    def figures(self) -> list[str]:
        """The names that ``figure`` accepts."""
        return [picture.key for picture in self._pictures]

    def figure(self, name: str) -> Figure:
        """Draws a figure of the report; it displays itself in a notebook.

        Args:
            name: One of ``figures``.

        Raises:
            ConfigError: There is no figure of this name.
        """
        return shown.named(self._pictures, name).figure

    def gate(self, *conditions: str, significant: bool = False) -> list[str]:
        """Returns what would stop a gate.

        Args:
            conditions: As for ``compare --fail-if``: ``"fps < 0.95x"``, ``"ao < -0.01"``.
            significant: Whether a relative condition counts only if the whole 95 % interval meets it.

        Returns:
            A sentence for each run that meets a condition; empty if the gate passes.

        Raises:
            ConfigError: A condition cannot be read, or names an unknown metric.
        """
        return gates.judge([gates.parse(text) for text in conditions], self.found, significant)

    def __len__(self) -> int:
        return len(self.found.rows)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __getitem__(self, number: int) -> Run:
        return self.runs[number]

    def __repr__(self) -> str:
        counts = [f"{len(self)} run{'s' if len(self) != 1 else ''}"]
        for status in ("failed", "skipped"):
            number = sum(run.status == status for run in self.runs)
            counts += [f"{number} {status}"] if number else []
        said = f": {self.found.headlines[0]}" if self.found.headlines else ""
        return f"<{type(self).__name__} of {', '.join(counts)}{said} ({self.folder})>"

    def _repr_html_(self) -> str:
        several = self.found.base is not None and len(self) > 1
        note = "* baseline; intervals are 95 %" if several else ""
        return "".join(
            [
                shown.heading(f"{type(self).__name__} of {len(self)}", note),
                shown.table(grid(self.found, columns(self.found, "terminal"))),
                shown.sentences(self.verdicts),
                shown.place(self.report),
            ]
        )


class Sweep(Comparison):
    """A finished sweep: its runs, compared with the first that succeeded.

    Args:
        folder: The sweep's folder.
        found: The comparison, if it exists already; otherwise it is made on first use.

    Raises:
        DataError: The folder holds no sweep.
    """

    def __init__(self, folder: str | Path, found: compared.Comparison | None = None) -> None:
        if found is None:
            found = comparing.compare(sources.jobs_of(Path(folder)))
        super().__init__(found, Path(folder))


def is_sweep(folder: Path) -> bool:
    """Whether a folder is a sweep's, judged by its files."""
    return (folder / SWEEP_FILE).is_file()
