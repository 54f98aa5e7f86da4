"""The end of a call whose jobs have been measured: summary, pictures, MLflow.

In a process that is there for the command alone, child processes summarise a sweep and draw its jobs side by side while the
recorder logs those that are drawn; elsewhere this process does all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import tolerated
from harness.core.results import VERDICT_FILE, Results
from harness.jobs import finishing
from harness.jobs.finishers import Finishers
from harness.jobs.helper import Answer
from harness.jobs.recorder import Recorder
from harness.jobs.task import log_job
from harness.machine.progress import say

if TYPE_CHECKING:
    from harness.report.summary import Summary

Show = Callable[[Path, str, Sequence[str]], None]
"""Shows the end to the user: gets the folder, the table and the warnings, as soon as they exist."""


def finish_job(folder: Path, redraw: bool, show: Show | None) -> Summary | None:
    """Summarises and draws a job that is alone and succeeded.

    Args:
        folder: The job's folder.
        redraw: Whether sheets of frames are drawn although there are pictures.
        show: Shows the summary.
    """
    if redraw or not _drawn(folder):
        finishing.draw_sheets(folder)  # before the report, which adds its pictures to theirs
    return _concluded(folder, [folder], "run", show)


def finish_sweep(sweep: Path, jobs: Sequence[Path], redraw: bool, show: Show | None, recorder: Recorder | None, alone: bool) -> Summary | None:
    """Summarises a sweep, draws its jobs and logs them.

    Args:
        sweep: The sweep's folder.
        jobs: The folders of its jobs that left results.
        redraw: Whether jobs are drawn that have pictures.
        show: Shows the summary.
        recorder: The process that logs for this one, if there is one.
        alone: Whether child processes do it, so that this one keeps its size.

    Returns:
        The summary; None if it could not be made, for which a warning is printed, or if a child process made it.
    """
    undrawn = [job for job in jobs if Results.load(job).status == "ok" and (redraw or not _drawn(job))]
    if alone:
        _finish_apart(sweep, jobs, undrawn, show, recorder)
        return None
    found = _concluded(sweep, jobs, "sweep", show)
    for job in jobs:
        if job in undrawn:
            finishing.draw(job)
        log_job(job, sweep, recorder)
    return found


def _finish_apart(sweep: Path, jobs: Sequence[Path], undrawn: Sequence[Path], show: Show | None, recorder: Recorder | None) -> None:
    """Logs each job as soon as it is judged and drawn, while the report is still made."""
    finishers = Finishers(len(undrawn))
    try:
        judged, report = finishers.summarise(sweep, jobs)
        pictures = {job: finishers.draw(job) for job in undrawn}
        if judged.result() is None:  # its process died
            _concluded(sweep, jobs, "sweep", show)
        shown = judged.result() is None
        if not shown and not (sweep / VERDICT_FILE).is_file():  # nothing to compare: records name a report only if it is there
            shown = _await_report(report, sweep, jobs, show)
        for job in jobs:
            if job in pictures:
                _await_pictures(pictures[job], job)
            if not shown and report.done():
                shown = _await_report(report, sweep, jobs, show)
            log_job(job, sweep, recorder)
        if not shown:
            _await_report(report, sweep, jobs, show)
    finally:
        finishers.close()


def _await_report(ordered: Future[Answer | None], sweep: Path, jobs: Sequence[Path], show: Show | None) -> bool:
    """Shows the summary, which is made here if the process that was to make it has died; returns True."""
    answer = ordered.result()
    if answer is None:  # its process died
        _concluded(sweep, jobs, "sweep", show)
    elif answer:
        _shown(sweep, answer["table"], answer["warnings"], show)
    return True


def _await_pictures(ordered: Future[Answer | None], job: Path) -> None:
    if ordered.result() is None:
        say(f"warning: the pictures of {job} were not drawn, because the process that draws them ended; resume=last draws them.")


def _concluded(place: Path, jobs: Sequence[Path], what: str, show: Show | None) -> Summary | None:
    """Summarises in this process."""
    found: Summary | None = None
    with tolerated(f"warning: the {what} could not be summarised", say):
        found = finishing.conclude(place, jobs)
        _shown(place, found.table, found.warnings, show)
    return found


def _shown(place: Path, table: str, warnings: Sequence[str], show: Show | None) -> None:
    if show is not None:
        with tolerated("warning: the summary could not be shown", say):
            show(place, table, warnings)


def _drawn(job: Path) -> bool:
    return (job / finishing.PLOTS).is_dir()
