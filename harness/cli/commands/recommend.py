"""Finds the configuration to deploy on this machine: the best under your limits, proven, as one command.

Settings (tracker, dataset, ...) are given as key=value and apply to all candidates; search=NAME chooses the search
space. Differences in --require ('ao >= -0.01') are relative to fp32 torch. Exit code 1 if no candidate fits; the
nearest one is then named with the requirements that it does not meet.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from pathlib import Path

from harness.cli.commands.compare import objectives_into
from harness.core.errors import ConfigError

SUMMARY = "the configuration to deploy here: searched, proven, given as one command"
EXAMPLE = 'python -m harness recommend tracker=smat_demo --maximize fps --require "latency_ms/p99 <= 33" "ao >= -0.01" --minutes 15'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="settings of all candidates; search=default, cpu, gpu, wide")
    objectives_into(parser)
    parser.add_argument("--minutes", type=float, default=15.0, help="for all of it (default: 15)")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (default: 0)")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="for its files; an unfinished search there is continued")
    parser.add_argument("--config-dir", metavar="DIR", help="a further folder of YAML groups (search=NAME among them)")
    parser.add_argument("--export", type=Path, metavar="DIR", help="also write the model and a script that runs it")


def run(args: argparse.Namespace) -> int:
    from harness.jobs.probing import device_names
    from harness.jobs.recommend.answer import call_of
    from harness.jobs.recommend.lab import Machine
    from harness.jobs.recommend.run import new_place, recommend
    from harness.jobs.recommend.state import Request
    from harness.machine.progress import say

    fixed, search = [], "default"
    for text in args.settings:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"{text!r} is not a setting; give key=value, as tracker=smat_demo.")
        if key.lstrip("+") == "search":
            search = value
        else:
            fixed.append(text)
    if not search.strip():
        raise ConfigError("search= is empty; give the name of a space, as search=default, or leave it out.")
    if not 0 < args.minutes < math.inf:
        raise ConfigError(f"--minutes is {args.minutes:g}; accepted: a number above 0.")
    config_dir = str(Path(args.config_dir).resolve()) if args.config_dir else None
    request = Request(
        tuple(fixed), search, tuple(args.maximize), tuple(args.minimize), tuple(args.require), args.minutes, args.seed, config_dir
    )
    folder = args.folder or new_place()
    try:
        found = recommend(request, folder, Machine(device_names, config_dir), say)
    except KeyboardInterrupt:
        print(f"\ninterrupted; what was measured is kept. Go on by: {call_of(request)} --folder {shlex.quote(str(folder))}", file=sys.stderr)
        return 130
    except ConfigError:
        if not args.folder and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        raise
    print(found.text())
    print(f"\nreport: {found.folder / 'report.html'}; why not the others: {found.folder / 'recommendation.md'}")
    if args.export is not None and found.run:
        from harness.publish.export.export import export
        from harness.report.sources import load

        export(load(found.folder / found.run), args.export)
        print(f"exported to {args.export}")
    return 1 if found.kind == "none" else 0
