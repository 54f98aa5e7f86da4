"""python -m harness validate: checks whether GOT-10k's server would accept an archive."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError

if TYPE_CHECKING:
    from harness.publish.submission import SplitFacts

SUMMARY = "check a GOT-10k submission (zip archive or folder) as the server would and more; every fault with its line"
EXAMPLE = "python -m harness validate outputs/2026-11-22/10-00-00/submission.zip"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("archive", type=Path, help="the archive, a folder of results, or a job's folder")
    add_facts_arguments(parser)


def add_facts_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --dataset and --split: the data against which the submission is checked."""
    parser.add_argument(
        "--dataset",
        type=Path,
        metavar="ROOT",
        help="the data set's folder, for frame counts and first boxes (default: the shipped list of GOT-10k test)",
    )
    parser.add_argument("--split", default=None, help="its subfolder (default: test, where ROOT has one)")


def run(args: argparse.Namespace) -> int:
    from harness.publish.submission import validate

    facts = choose_facts(args.dataset, args.split)
    report = validate(args.archive, facts)
    for fault in report.faults:
        print(fault, file=sys.stderr)
    checked = f"{report.sequences} sequences, {report.frames} frames, checked against {facts.source}"
    if report.ok:
        print(f"{args.archive}: accepted ({checked}, {report.repetitions} repetition(s))")
        return 0
    print(f"{args.archive}: rejected, {len(report.faults)} faults ({checked})", file=sys.stderr)
    _hint(args.archive)
    return 1


def _hint(path: Path) -> None:
    """Prints a hint if a folder is another tool's result folder, which must be packed first."""
    from harness.core.errors import DataError
    from harness.publish.submission import find_results

    try:
        flat = find_results(path).layout == "flat"
    except DataError:
        return
    if flat:
        print(f"It is a flat result folder; make an archive of it: python -m harness pack {path}", file=sys.stderr)


def choose_facts(root: Path | None, split: str | None) -> SplitFacts:
    """Returns the facts of the data set under ``root``, or the shipped list. Raises DataError."""
    from harness.publish.submission import facts_of, shipped_test_facts
    from harness.publish.submission.reference import TruthFolder

    if root is None and split is not None:
        raise ConfigError("--split names a subfolder of the data set's folder; give that by --dataset.")
    if root is None:
        return shipped_test_facts()
    if split is None:
        split = "test" if not (root / "list.txt").is_file() and (root / "test").is_dir() else ""
    return facts_of(TruthFolder(root=str(root), split=split))
