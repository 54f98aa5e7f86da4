"""Writes runs to one file with everything needed to check and continue elsewhere.

It contains configuration, results, per-frame data, environment, plots, report, submission, the ground truth of the
scores, and a manifest with the SHA-256 of every file.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

SUMMARY = "runs as one file (.zip) for someone whose MLflow is elsewhere"
EXAMPLE = "python -m harness share outputs/2026-01-31/12-00-00 -o bundle.zip --models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a job's or a sweep's folder, or the id of a run")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="BUNDLE", help="the zip file to write")
    parser.add_argument("--models", action="store_true", help="add the prepared models")
    parser.add_argument("--tracks", action="store_true", help="add the track files (boxes per frame are in anyway)")
    parser.add_argument("--outputs", metavar="DIR", type=Path, default=Path("outputs"), help="where run ids are looked for")


def run(args: argparse.Namespace) -> int:
    from harness.core.errors import ConfigError
    from harness.publish.bundle import write_bundle
    from harness.report import sources
    from harness.scoring.compared import Job

    if args.output.suffix.lower() != ".zip":
        raise ConfigError(f"-o {args.output}: a bundle is a zip file; give a name that ends in .zip.")
    found: dict[Path, Job] = {}
    for word in args.runs:
        for job in sources.resolve(word, args.outputs):
            found.setdefault(job.folder.resolve(), job)
    written = write_bundle(list(found.values()), args.output, args.models, args.tracks)
    for warning in written.warnings:
        print(f"warning: {warning}.", file=sys.stderr)
    print(f"{written.path}: {len(found)} runs, {written.files} files, {written.bytes / 2**20:.1f} MiB")
    print(f"SHA-256 {written.sha256} (give it along: who imports can compare)")
    return 0
