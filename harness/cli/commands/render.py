"""``python -m harness render RUN ... --sequence S``: boxes of runs and truth on the frames, as MP4 and contact sheet."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path

SUMMARY = "draw the boxes of runs and the truth on a sequence's frames: MP4 and contact sheet"
EXAMPLE = "python -m harness render outputs/2026-01-31/12-00-00 --sequence demo_003"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a job's or a sweep's folder, a run id, or a bundle (.zip)")
    parser.add_argument("--sequence", "-s", required=True, metavar="S", help="the sequence's name, or worst, or median (AO)")
    parser.add_argument("-o", "--out", metavar="DIR", type=Path, default=Path("outputs/renders"), help="where the files go")
    parser.add_argument("--outputs", metavar="DIR", type=Path, default=Path("outputs"), help="where run ids are looked for")


def run(args: argparse.Namespace) -> int:
    from harness.cli.commands.compare import find
    from harness.core.errors import ConfigError
    from harness.report import render

    with ExitStack() as stack:
        jobs = [job for job in find(args.runs, args.outputs, stack) if job.ok]
        if not jobs:
            raise ConfigError("none of the runs named succeeded, so there are no boxes to draw.")
        sequence = args.sequence
        if sequence in ("worst", "median") and sequence not in jobs[0].results.sequences:
            sequence = render.notable(jobs[0]).get(sequence)
            if sequence is None:
                raise ConfigError(f"--sequence {args.sequence} needs a run with scores; name a sequence instead.")
        for path in render.render(jobs, sequence, args.out):
            print(path)
    return 0
