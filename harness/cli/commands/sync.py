"""Sends complete runs to MLflow that are not there yet, after an unreachable server, a stopped job or a copied folder.

Every run has its identity as a tag, so that it is found again: sync may be called any number of times, by several
people at once, and nothing is duplicated. Without folders it searches outputs/ for runs marked as pending.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.core.errors import DataError

SUMMARY = "send to MLflow what is on disk and not there yet, exactly once"
READY_SECONDS = 20.0
"""Seconds to wait for a server that is still starting."""
EXAMPLE = "python -m harness sync outputs/2026-01-31/12-00-00 --uri http://127.0.0.1:5000"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders", nargs="*", type=Path, metavar="FOLDER", help="jobs, sweeps or folders of them (default: outputs)"
    )
    parser.add_argument("--uri", help="address of a tracking server (default: where each run was to go)")
    parser.add_argument("--root", help="folder of a local store (default: where each run was to go)")
    parser.add_argument("--experiment", help="MLflow experiment (with --uri or --root; default: that of each run)")
    parser.add_argument("--again", action="store_true", help="ask the store also about what is marked as sent")


def run(args: argparse.Namespace) -> int:
    from harness.publish.mlflow import LoggingFailed, explicit_target, pending, wait_until_ready

    folders = args.folders or [Path("outputs")]
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder; give a job's or a sweep's folder, or none for outputs/.")
    target = explicit_target(args.uri, args.experiment, True, args.root)
    todo = pending(folders, target, args.again or bool(args.folders))
    for target in {item.target.tracking_uri: item.target for item in todo}.values():
        wait_until_ready(target, READY_SECONDS)
    sent, failures, unreachable = 0, 0, set()
    for item in todo:
        place = item.target.tracking_uri
        if place in unreachable:  # do not try the same unreachable server for every job
            failures += 1
            continue
        try:
            logged = item.send()
            sent += 1
            print(f"{item.folder}: {logged.run_id if logged else '-'} in {place}")
        except LoggingFailed as error:
            failures += 1
            unreachable.add(place)
            print(f"error: {error}", file=sys.stderr)
    print(f"{sent} of {len(todo)} sent{f', {failures} failed' if failures else ''}.")
    return 1 if failures else 0
