"""The Python class for the answer of a search for the configuration to deploy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from harness.api import shown
from harness.api.finished import Run
from harness.jobs.recommend.answer import Answer


class Recommendation:
    """The result of ``harness.recommend``. ``bool()`` of it is False if no candidate fits.

    Args:
        answer: The answer of the search.
        fixed: The settings that hold for all candidates.
    """

    def __init__(self, answer: Answer, fixed: Sequence[str] = ()) -> None:
        self._answer = answer
        self._fixed = list(fixed)

    @property
    def sentence(self) -> str:
        """The answer in one sentence."""
        return self._answer.sentence

    @property
    def command(self) -> str:
        """The command line that runs the recommended configuration; empty if no candidate fits."""
        return self._answer.command

    @property
    def overrides(self) -> list[str]:
        """The recommended settings, with those that hold for all candidates: ``harness.run(*overrides)``."""
        return [*self._fixed, *self._answer.overrides]

    @property
    def dropped(self) -> dict[str, str]:
        """Why each other candidate was dropped, by its settings."""
        return dict(self._answer.dropped)

    @property
    def folder(self) -> Path:
        """Where its files are; the same call with this ``folder`` continues an unfinished search."""
        return self._answer.folder

    @property
    def report(self) -> Path:
        """The page of the finalists."""
        return self.folder / "report.html"

    @cached_property
    def run(self) -> Run | None:
        """The recommended run; None if no candidate fits."""
        return Run(self.folder / self._answer.run) if self._answer.run else None

    def __bool__(self) -> bool:
        return self._answer.kind != "none"

    def __repr__(self) -> str:
        return f"<Recommendation: {self.sentence} ({self.folder})>"

    def _repr_html_(self) -> str:
        command = [shown.heading("", self.command)] if self.command else []
        changes = shown.sentences(self._answer.changes)
        return "".join([shown.heading("Recommendation", self.sentence), *command, changes, shown.place(self.report)])
