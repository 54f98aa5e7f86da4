"""python -m harness convert: a job's tracks as the result files of other tools."""

from __future__ import annotations

import argparse
from pathlib import Path

TOOLS = ("pysot", "pytracking", "otb", "got10k")
SUMMARY = "write a job's tracks as PySOT's, PyTracking's, OTB's or the GOT-10k toolkit's result files"
EXAMPLE = "python -m harness convert outputs/2026-11-27/10-00-00 --to pysot -o results/OTB100/mine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", type=Path, help="a job's folder, or a folder of result files of any known layout")
    parser.add_argument("--to", required=True, choices=TOOLS, help="the tool whose layout is written")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder to write; it must be new or empty")
    parser.add_argument("--tracker", help="the tracker's name in the files (default: the job's)")


def run(args: argparse.Namespace) -> int:
    from harness.publish.submission.converting import convert

    written = convert(args.results, args.to, args.output, args.tracker)
    print(f"{args.output}: {len(written)} files in {args.to}'s layout")
    return 0
