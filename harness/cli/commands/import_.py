"""Recreates the runs of a bundle in any MLflow store, and computes their scores again from the boxes.

Importing twice changes nothing. A bundle that was changed, has paths outside its folder, or is too large unpacked is
refused.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

SUMMARY = "the runs of a bundle into an MLflow store, scores recomputed"
EXAMPLE = "python -m harness import bundle.zip --root mlruns"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="a zip file that `share` wrote")
    parser.add_argument("--root", default="mlruns", help="folder of a local store (default: mlruns)")
    parser.add_argument("--uri", help="address of a tracking server instead")
    parser.add_argument("--experiment", help="MLflow experiment (default: that of each run)")
    parser.add_argument("--out", type=Path, default=Path("outputs/imported"), help="where its files go")
    parser.add_argument("--no-mlflow", action="store_true", help="unpack and check only")


def run(args: argparse.Namespace) -> int:
    from harness.publish.bundle import import_bundle
    from harness.publish.mlflow import explicit_target, pending

    imported = import_bundle(args.bundle, args.out)
    print(f"{args.bundle}: {'unpacked to' if imported.new else 'was already in'} {imported.folder}")
    for check in imported.checks:
        print(f"{check.name}: scores {_words(check.outcome)}{': ' + '; '.join(check.notes[:3]) if check.notes else ''}")
    differ = [check for check in imported.checks if check.outcome == "differs"]
    if differ:
        print(f"warning: the scores of {len(differ)} runs are not what their boxes give.", file=sys.stderr)
    target = explicit_target(args.uri, args.experiment, not args.no_mlflow, args.root)
    for item in pending([imported.folder], target, again=True):
        logged = item.send()
        if logged is not None:
            print(f"{item.folder.relative_to(imported.folder)}: run {logged.run_id} in {logged.uri}")
    print(f"compare: python -m harness compare {imported.folder}")
    return 1 if differ else 0


def _words(outcome: str) -> str:
    return {"same": "recomputed from the boxes: the same", "differs": "DIFFER"}.get(outcome, outcome)
