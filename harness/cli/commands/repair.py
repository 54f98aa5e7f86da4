"""Repairs an MLflow store that was moved or copied, because its database has absolute locations of artifacts.

A backup of the database is kept beside it. If the store was copied, run this on the copy; the original is not changed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "repair the artifact locations of a moved or copied mlruns/"
EXAMPLE = "python -m harness repair --root mlruns"
SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, default=Path("mlruns"), help="folder of the store (default: mlruns)")


def run(args: argparse.Namespace) -> int:
    from harness.publish.mlflow import repair

    done = repair(args.root)
    if not done.old:
        print(f"{args.root} is where its database says; nothing to repair.")
    else:
        print(f"{args.root}: {done.changed} places moved from {', '.join(done.old)}; the old database is {done.backup}.")
    if done.missing:
        print(f"warning: the artifacts of {len(done.missing)} runs or models are not there:")
        print("\n".join(f"  {path}" for path in done.missing[:SHOWN]))
        if len(done.missing) > SHOWN:
            print(f"  and {len(done.missing) - SHOWN} more")
    return 0
