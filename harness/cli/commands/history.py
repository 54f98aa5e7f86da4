"""Shows a metric over all earlier runs: its value by time and commit, and where its level changed.

Runs are read from the outputs folder and from a local MLflow store, or with --uri from a tracking server or another
store. They are combined only if machine, data and every setting that affects the measurement are the same; each
configuration has its own table.
Conditions choose runs: backend=onnx, dataset.limit=2, machine=1a2b3c (its first characters), commit=89abcde.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from harness.core import secrets

SUMMARY = "a metric over all runs: value against time and commit, with the changes of its level"
EXAMPLE = "python -m harness history --metric fps backend=openvino"
OUTPUTS, ROOT = Path("outputs"), Path("mlruns")
FETCHED = "runs"
"""The folder in the cache that keeps the data read from a store's runs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("conditions", nargs="*", metavar="KEY=VALUE", help="only runs of which this holds")
    parser.add_argument("--metric", default="fps", metavar="NAME", help="any metric of the runs (default: fps; docs/metrics.md lists them)")
    parser.add_argument("--outputs", type=Path, metavar="DIR", help="where runs are (default: outputs)")
    parser.add_argument("--root", type=Path, metavar="DIR", help="a local MLflow store (default: mlruns)")
    parser.add_argument("--uri", metavar="ADDRESS", help="the runs of this tracking server or store, as http://127.0.0.1:5000, and of folders only if they are named")
    parser.add_argument("--experiment", metavar="NAME", help="with --uri: the runs of this MLflow experiment (default: all)")
    parser.add_argument("--since", metavar="AGE", help="only runs younger than this: 12h, 30d, 8w")
    parser.add_argument("--last", type=int, default=30, metavar="N", help="most runs that a table lists (default: 30)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where page, pictures and CSV go (default: outputs/history/METRIC)")


def run(args: argparse.Namespace) -> int:
    from harness.core.errors import ConfigError, DataError
    from harness.jobs.ages import seconds_of, since
    from harness.report.history import reading, series as histories, show

    if args.last < 1:
        raise ConfigError(f"--last is {args.last}; accepted: 1 or more.")
    if args.experiment is not None and args.uri is None:
        raise ConfigError("--experiment chooses among the runs of a store; give its address by --uri.")
    warnings: list[str] = []
    begin = since(seconds_of(args.since, "--since")) if args.since else ""
    jobs = reading.runs(_roots(args, warnings.append), warnings.append)
    jobs = histories.chosen([job for job in jobs if reading.ended(job.results) >= begin], args.conditions)
    if not jobs:
        raise DataError(f"no finished run {_where(args)} fits; leave out conditions, or give other folders.")
    found = histories.series_of(jobs, args.metric)
    made = show.sections(found, args.last)
    out = args.out or (args.outputs or OUTPUTS) / "history" / args.metric.replace("/", "-")
    page = show.write(made, found, out, f"History of {found[0].metric.title}", warnings)
    for line in show.machine_lines(found):
        print(line)
    for section in made:
        print(f"\n{section.text()}", end="")
    for line in warnings:
        print(f"warning: {line}", file=sys.stderr)
    print(f"\nReport: {page}")
    return 0


def _roots(args: argparse.Namespace, tell: Callable[[str], None]) -> list[Path]:
    """Returns the folders that hold runs: the named ones, and those of a store."""
    from harness.report.history import reading

    if args.uri is None:
        return reading.roots_of(args.outputs or OUTPUTS, args.root or ROOT)
    from harness.publish.mlflow import explicit_target, fetched

    target = explicit_target(args.uri, args.experiment)
    assert target is not None
    named = [place for place in (args.outputs, args.root and args.root / reading.ARTIFACTS) if place is not None]
    return [*named, *fetched(target, (args.outputs or OUTPUTS) / reading.CACHE / FETCHED, tell)]


def _where(args: argparse.Namespace) -> str:
    """Returns the places in which runs were searched."""
    if args.uri is None:
        return f"below {args.outputs or OUTPUTS} and {args.root or ROOT}"
    return " or ".join([f"in {secrets.public(args.uri)}", *(f"below {place}" for place in (args.outputs, args.root) if place is not None)])
