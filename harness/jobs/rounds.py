"""Further rounds of a measurement (``task.repeats``) for all jobs of a sweep, in rotated order."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.core.files import read_json
from harness.core.results import FRAMES_FILE, Results, read_frames, write_frames
from harness.jobs.children import JobFailed, measure
from harness.jobs.outcomes import complete, mark_failed, now
from harness.jobs.worker import JOB_FILE, outcome_file
from harness.machine.progress import say


def more_rounds(folders: Sequence[Path], repeats: int) -> None:
    """Runs rounds 2 to ``repeats`` of all jobs, each round in another order, so that drift affects all jobs equally."""
    jobs = [folder for folder in folders if Results.load(folder).status == "ok"]
    for round_ in range(2, repeats + 1):
        shift = (round_ - 1) % max(1, len(jobs))
        for folder in (*jobs[shift:], *jobs[:shift]):
            found = Results.load(folder)
            # a job that failed in an earlier round stays failed; a resumed one keeps the rounds that it has
            if found.status != "ok" or len(found.details.get("rounds", [])) >= round_:
                continue
            say(f"round {round_}/{repeats}: {found.name}")
            run_round(folder, round_)


def run_round(folder: Path, round_: int) -> None:
    """Runs a further round of a finished job in its own folder; then updates the job's results over all rounds."""
    results = Results.load(folder)
    scratch = folder / "rounds" / f"work-{round_}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    shutil.copy(folder / JOB_FILE, scratch / JOB_FILE)
    try:
        measure(scratch, round_)
        os.replace(scratch / outcome_file(round_), folder / outcome_file(round_))
        _append_frames(folder, scratch)
        _keep_reports(folder, scratch, round_)
        complete(results, folder, round_)
    except JobFailed as error:
        mark_failed(results, "failed", error.kind, f"round {round_}: {error}", error.tail, error.exit_code)
    shutil.rmtree(scratch, ignore_errors=True)
    results.ended = now()
    results.save(folder)


def _append_frames(folder: Path, scratch: Path) -> None:
    if (scratch / FRAMES_FILE).is_file():
        import pandas as pd

        new, old = read_frames(scratch), read_frames(folder)
        old = old[~old["round"].isin(new["round"].unique())]  # killed before saving: measured again
        write_frames(folder, pd.concat([old, new], ignore_index=True))


def _keep_reports(folder: Path, scratch: Path, round_: int) -> None:
    """Moves the reports of a further round (benchmark_app's own report, a ladder) to ``rounds/<round>/``."""
    for name in read_json(folder / outcome_file(round_))["files"]:
        source, goal = scratch / name, folder / "rounds" / str(round_) / name
        if source.is_file() and source.name != FRAMES_FILE:
            goal.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, goal)
