"""Writes the model of a run, or of a sweep's best run, with a script that needs only the runtime, NumPy and OpenCV."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "the winner's model files with a minimal inference script"
EXAMPLE = "python -m harness export outputs/2026-01-31/12-00-00 -o winner"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a job's or a sweep's folder, an imported bundle, or a run id")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="a new folder")
    parser.add_argument("--best", default="fps", metavar="METRIC", help="of several runs the best in it (fps)")
    parser.add_argument("--budget", type=float, metavar="MS", help="of several runs those alone whose latency_ms/p99 is at most this")
    parser.add_argument("--outputs", metavar="DIR", type=Path, default=Path("outputs"), help="where run ids are looked for")


def run(args: argparse.Namespace) -> int:
    from harness.publish.export.export import export, winner
    from harness.report import sources
    from harness.report.comparison import compare

    jobs = [job for word in args.runs for job in sources.resolve(word, args.outputs)]
    job = jobs[0]
    if len(jobs) > 1:
        job, why = winner(compare(jobs), args.best, args.budget)
        print(why)
    files = export(job, args.output)
    print(f"{args.output}: {', '.join(path.name for path in files)}")
    print(f"try it: python {args.output / 'track.py'} VIDEO_OR_FOLDER --init X,Y,W,H")
    return 0
