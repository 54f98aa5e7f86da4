"""Shows a metric over all runs that were made: its value against time and commit, and where its level changed.

Runs are read from the outputs folder and from a local MLflow store. They are put together only if machine, data and every setting
that is measured are the same; each configuration has a table of its own. Conditions choose runs: backend=onnx, dataset.limit=2,
machine=1a2b3c (its first characters), commit=89abcde.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

SUMMARY = "a metric over all runs: value against time and commit, with the changes of its level"
EXAMPLE = "python -m harness history --metric fps backend=openvino"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("conditions", nargs="*", metavar="KEY=VALUE", help="only runs of which this holds")
    parser.add_argument("--metric", default="fps", metavar="NAME", help="any metric of the runs (default: fps; docs/metrics.md lists them)")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), metavar="DIR", help="where runs are (default: outputs)")
    parser.add_argument("--root", type=Path, default=Path("mlruns"), metavar="DIR", help="a local MLflow store (default: mlruns)")
    parser.add_argument("--since", metavar="AGE", help="only runs younger than this: 12h, 30d, 8w")
    parser.add_argument("--last", type=int, default=30, metavar="N", help="most runs that a table lists (default: 30)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where page, pictures and CSV go (default: outputs/history/METRIC)")


def run(args: argparse.Namespace) -> int:
    from harness.core.errors import ConfigError, DataError
    from harness.jobs.ages import seconds_of, since
    from harness.report.history import reading, series as histories, show

    if args.last < 1:
        raise ConfigError(f"--last is {args.last}; accepted: 1 or more.")
    warnings: list[str] = []
    jobs = reading.runs(reading.roots_of(args.outputs, args.root), warnings.append)
    if args.since:
        begin = since(seconds_of(args.since, "--since"))
        jobs = [job for job in jobs if reading.ended(job.results) >= begin]
    jobs = histories.chosen(jobs, args.conditions)
    if not jobs:
        raise DataError(f"no finished run below {args.outputs} and {args.root} fits; leave out conditions, or give other folders.")
    found = histories.series_of(jobs, args.metric)
    made = show.sections(found, args.last)
    out = args.out or args.outputs / "history" / args.metric.replace("/", "-")
    page = show.write(made, found, out, f"History of {found[0].metric.title}", warnings)
    for line in show.machine_lines(found):
        print(line)
    for section in made:
        print(f"\n{section.text()}", end="")
    for line in warnings:
        print(f"warning: {line}", file=sys.stderr)
    print(f"\nReport: {page}")
    return 0
