"""What is made of measured jobs at the end: the summary with its report, verdicts beside the results, pictures.

``python -m harness.jobs.finishing`` does it for a ``Finishers``, in a child process. Pictures of a job are drawn to a new
folder, which takes the name ``plots`` when all are there: if the process is killed, they are drawn when the sweep is resumed.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from harness.core.errors import DataError, tolerated
from harness.core.files import folder_at_once, write_json
from harness.core.results import RESULTS_FILE, VERDICT_FILE, Results
from harness.jobs.helper import Answer, serve
from harness.machine.progress import say

if TYPE_CHECKING:
    from harness.report.summary import Summary
    from harness.scoring.compared import Comparison

PLOTS = "plots"


def load() -> None:
    """Loads what the summary and the pictures need."""
    from harness.present.picture import make_ready
    from harness.report import page, plots, render, summary

    del page, plots, render, summary
    make_ready()


# ------------------------------------------------------------------------------------------- summary


def conclude(sweep: Path, jobs: Sequence[Path]) -> Summary:
    """Compares a sweep's jobs, writes its report, and each job's agreement and verdict beside its results.

    Args:
        sweep: The sweep's folder.
        jobs: The folders of its jobs that left results.
    """
    from harness.report.summary import write_sweep

    return write_sweep(judge(sweep, jobs), sweep)


def judge(sweep: Path, jobs: Sequence[Path]) -> Comparison:
    """Compares a sweep's jobs and writes agreements and verdicts: all that a job's record needs of the others."""
    from harness.report.comparison import compare
    from harness.report.sources import jobs_of
    from harness.report.summary import agreement_of

    found = compare(jobs_of(sweep))
    keep_agreement(jobs, agreement_of(found))
    keep_verdicts(sweep, found)
    return found


def keep_agreement(folders: Sequence[Path], agreement: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes each job's agreement with the first job next to its results; it is known only at the end of the sweep."""
    for folder in folders:
        found = agreement.get(Results.load(folder).id)
        if found:
            write_json(folder / "agreement.json", dict(found))


def keep_verdicts(place: Path, found: Comparison) -> None:
    """Writes the report's verdict next to each job's results, and the leading job into the sweep's folder."""
    from harness.report.verdicts import decision_of

    for row in found.rows:
        if (row.job.folder / RESULTS_FILE).is_file():
            write_json(row.job.folder / VERDICT_FILE, {"verdict": row.verdict})
    if found.base is not None and len(found.rows) > 1:
        rows = [row for row in found.well if row is found.base or row.ratio is not None]
        decision = decision_of(found.contest, rows)
        folder = {row.job.id: row.job.folder for row in rows}
        leader = folder[decision.leaders[0]].relative_to(place).as_posix() if decision.leaders else ""
        write_json(place / VERDICT_FILE, {"headlines": found.headlines, "kind": decision.kind, "leader": leader})


# ------------------------------------------------------------------------------------------ pictures


def draw(folder: Path) -> None:
    """Draws a finished job's plots and, if it was scored, sheets of its worst and median sequence."""
    from harness.report import plots, render
    from harness.report.sources import load as load_job

    with tolerated("warning: the pictures of a job were not drawn", say), folder_at_once(folder / PLOTS) as place:
        job = load_job(folder)
        with tolerated("warning: not all plots were drawn", say):
            plots.job_plots(job, place, lambda text: say(f"warning: {text}"))
        with tolerated("warning: no sheets of sequences were drawn", say), contextlib.suppress(DataError):
            render.job_sheets(job, place)  # the frames may be gone, or the job may have no boxes


def draw_sheets(folder: Path) -> None:
    """Draws only sheets of frames: the report of a single run brings its plots."""
    from harness.report import render
    from harness.report.sources import load as load_job

    with tolerated("warning: no sheets of sequences were drawn", say), folder_at_once(folder / PLOTS) as place, contextlib.suppress(DataError):
        render.job_sheets(load_job(folder), place)


# ------------------------------------------------------------------------------------- child process


def main() -> int:
    """Serves orders; returns the exit code. If it is ended, what is half-made is removed."""
    signal.signal(signal.SIGTERM, _stop)
    with contextlib.suppress(SystemExit):
        serve(_load, Finisher().obey)
    sys.stderr.flush()
    os._exit(0)  # the interpreter's own end would take a while for nothing


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    raise SystemExit(128 + number)


def _load() -> None:
    import cv2

    cv2.setNumThreads(1)  # others draw beside this one
    load()
    gc.collect()
    gc.freeze()


class Finisher:
    """Obeys orders: ``judge`` a sweep, ``report`` on the one that was judged, ``draw`` a job."""

    def __init__(self) -> None:
        self._judged: Comparison | None = None

    def obey(self, order: dict[str, Any]) -> Answer:
        """Returns the table and the warnings of a report, else nothing."""
        folder, answer = Path(order["folder"]), Answer()
        if order["kind"] == "draw":
            draw(folder)
        else:
            with tolerated("warning: the sweep could not be summarised", say):
                if order["kind"] == "judge":
                    self._judged = judge(folder, [Path(job) for job in order["jobs"]])
                elif self._judged is not None:
                    answer = self._report(folder, self._judged)
        gc.collect()  # figures are full of cycles, which would stay for long
        return answer

    def _report(self, folder: Path, judged: Comparison) -> Answer:
        from harness.report.summary import write_sweep

        found = write_sweep(judged, folder)
        return {"table": found.table, "warnings": found.warnings}


if __name__ == "__main__":
    sys.exit(main())
