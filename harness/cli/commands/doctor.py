"""Checks what is installed and works here, what makes measurements noisy on this machine, and how to fix it.

Every backend is tried on every device that it lists: a tiny graph is prepared, opened and run, each time in a separate
process. Exit code 1 if an installed backend does not work.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from typing import Any

from harness.core.errors import ConfigError

SUMMARY = "what is installed and works, what makes measurements noisy here, and how to mend it"
EXAMPLE = "python -m harness doctor"
MARKS = {"works": "ok", "fails": "FAILS", "absent": "not installed", "untried": "-", "ok": "ok", "note": "note", "warning": "WARNING"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--seconds", type=float, default=120.0, help="the most that trying one backend on one device may take (default: 120)")


def run(args: argparse.Namespace) -> int:
    from harness.jobs.doctor.extras import extras, programs
    from harness.jobs.doctor.trial import all_trials
    from harness.machine import environment, noise

    if not 0 < args.seconds < math.inf:
        raise ConfigError(f"--seconds is {args.seconds:g}; accepted: a number of seconds above 0.")
    quiet = noise.findings(noise.watch())  # before the harness itself causes load
    if not args.json:
        print("trying each backend on each device ...", file=sys.stderr, flush=True)
    trials = all_trials(args.seconds)
    machine = environment.describe()
    parts, tools = extras(), programs()
    broken = [item for item in trials if item.status == "fails"]
    if args.json:
        found = {
            "machine": machine,
            "backends": [item.plain() for item in trials],
            "noise": [item.plain() for item in quiet],
            "extras": [item.plain() for item in parts],
            "programs": [item.plain() for item in tools],
            "works": not broken,
        }
        print(json.dumps(found, indent=1))
        return 1 if broken else 0
    _show("This machine", ["", ""], _machine(machine))
    _show("Backends", ["backend", "device", "", ""], [[item.backend, item.device or "-", MARKS[item.status], _device(item)] for item in trials])
    _show("Noise", ["subject", "", ""], [[item.what, MARKS[item.level], item.said] for item in quiet])
    mending = [f"{item.what}: {item.mend}" for item in quiet if item.mend and item.level != "ok"]
    print("".join(f"  {line}\n" for line in ["To mend:", *mending]) if mending else "  Nothing to mend.\n")
    _show("Extras", ["extra", "", ""], [[item.name, "ok" if item.there else "-", item.get or item.said] for item in parts])
    _show("Programs", ["program", "", ""], [[item.name, "ok" if item.there else "-", _tool(item)] for item in tools])
    print(_verdict(broken, trials))
    return 1 if broken else 0


def _device(item: Any) -> str:
    return f"{item.name}: {item.said}" if item.name else item.said


def _tool(item: Any) -> str:
    return f"{item.said}; {item.get}" if item.get else item.said


def _verdict(broken: list[Any], trials: list[Any]) -> str:
    working = sum(item.status == "works" for item in trials)
    if not broken:
        return f"All backends that are installed work ({working} tried)."
    names = ", ".join(f"{item.backend} on {item.device}" if item.device else item.backend for item in broken)
    return f"Does not work: {names}. Reinstall what it names (pip install --force-reinstall PACKAGE), or leave that backend out."


def _machine(found: dict[str, Any]) -> list[list[str]]:
    limit = f"{found['cpu_limit']:g} cores" if found["cpu_limit"] else "none"
    commit = f"{found['commit'][:7]}{' (changed since)' if found.get('dirty') else ''}" if found.get("commit") else "unknown"
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return [
        ["processor", f"{found['processor']} ({found['architecture']}{', virtual' if found['virtual'] else ''})"],
        ["instructions", " ".join(found["features"]) or "unknown"],
        ["cores", f"{found['cores']} ({found['logical_cores']} logical), {found['threads_allowed']} threads allowed"],
        ["limit", limit],
        ["memory", f"{found['memory_mb']} MB, {found['memory_available_mb']} MB free"],
        ["governor", str(found["governor"])],
        ["system", f"{found['system']} {found['kernel']}, Python {found['python']}"],
        ["versions", versions],
        ["commit", commit],
        ["identity", f"{found['machine']} (runs of one identity are compared in speed)"],
    ]


def _show(title: str, head: list[str], body: list[list[str]]) -> None:
    """Prints a table with words aligned left."""
    if not body:
        return
    rows = ([head] if any(head) else []) + body
    widths = [max(len(row[column]) for row in rows) for column in range(len(head) - 1)]
    print(title)
    for row in rows:
        print("  " + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip())
    print()
