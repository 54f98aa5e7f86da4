"""Removes the heavy files of old runs and keeps their numbers. Without --yes it only lists what it would remove.

Kinds: frames (samples per frame; the intervals made from them are kept), tracks (boxes, resume files, submission archives),
pictures (plots and sheets), videos, models (of imported bundles), cached models (in outputs/cache, not used by a younger run; they are
prepared again when they are needed). Results, settings, verdicts, summaries and report.html always stay. Copies of
these files in a local MLflow store are removed too. Runs that are in progress, that did not end, or that are not in
their MLflow store yet are not changed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "remove heavy files of old runs and keep their numbers (tells only, without --yes)"
EXAMPLE = "python -m harness prune --older-than 30d"
SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--older-than", required=True, metavar="AGE", help="runs that ended longer ago than this: 12h, 30d, 8w")
    parser.add_argument("--yes", action="store_true", help="remove them; without it nothing is changed")
    parser.add_argument("--keep", nargs="+", default=[], action="extend", metavar="KIND", help="kinds that stay, as --keep tracks videos")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), metavar="DIR", help="where runs are (default: outputs)")
    parser.add_argument("--root", type=Path, default=Path("mlruns"), metavar="DIR", help="a local MLflow store (default: mlruns)")


def run(args: argparse.Namespace) -> int:
    from harness.core.config import suggestion
    from harness.core.errors import ConfigError
    from harness.jobs import pruning
    from harness.jobs.ages import seconds_of, since

    names = {kind.replace(" ", "-"): kind for kind in (*pruning.KINDS, pruning.CACHED)}
    for word in args.keep:
        if word not in names:
            raise ConfigError(f"--keep {word} is unknown{suggestion(word, names)}; accepted: {', '.join(names)}.")
    kinds = tuple(kind for word, kind in names.items() if word not in args.keep)
    found = pruning.look(args.outputs, args.root, since(seconds_of(args.older_than, "--older-than")), kinds)
    done = pruning.remove(found) if args.yes else found
    print(_text(done, args.yes))
    return 0


def _text(found: object, removed: bool) -> str:
    from harness.jobs.pruning import Pruning
    from harness.present.table import Table

    assert isinstance(found, Pruning)
    lines = []
    by_kind = found.by_kind()
    if by_kind:
        body = [[kind, str(files), _megabytes(size)] for kind, (files, size) in by_kind.items()]
        body.append(["all", str(sum(files for files, _ in by_kind.values())), _megabytes(sum(size for _, size in by_kind.values()))])
        lines += Table(["kind", "files", "MB"], body).lines()
    for folder, why in found.left[:SHOWN]:
        lines.append(f"left alone: {folder}: {why}")
    if len(found.left) > SHOWN:
        lines.append(f"left alone: {len(found.left) - SHOWN} more")
    runs = f"{len(found.runs)} run{'s' if len(found.runs) != 1 else ''}"
    if not by_kind:
        lines.append(f"Nothing to remove; {found.younger} runs are younger.")
    elif removed:
        lines.append(f"Removed from {runs}; their numbers are kept.")
    else:
        lines.append(f"Would be removed from {runs} ({found.younger} are younger). Nothing was changed: add --yes to remove.")
    return "\n".join(lines)


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.1f}"
