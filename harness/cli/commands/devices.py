"""Lists what each backend can run on here."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from typing import Any

from harness.core import plugins
from harness.core.config import python_path
from harness.core.options import choices

SUMMARY = "what each backend can run on here, with full names and precisions"
EXAMPLE = "python -m harness devices"
_PROBE = """
import json, sys
from harness.core.config import load_class
from harness.core.interfaces import Backend
print(json.dumps(load_class(sys.argv[1], Backend, "backend").available()))
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    found = {name: probe(target) for name, target in backends().items()}
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    rows = [("backend", "device", "name", "precisions")]
    for backend, answer in found.items():
        if isinstance(answer, str):
            rows.append((backend, "-", answer, "-"))
        else:
            rows += [(backend, row["device"], row["name"], row["precisions"]) for row in answer]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def backends() -> dict[str, str]:
    """Each backend's class by the name of its choice; choices that only change another's settings are left out."""
    found = {}
    for path in choices("backend"):
        target = re.search(r"^target: *(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        plugin = plugins.find("backends", path.stem)
        if target:
            found[path.stem] = target[1]
        elif plugin is not None:
            found[path.stem] = plugin.target.replace(":", ".")
    return found


def probe(target: str) -> list[dict[str, Any]] | str:
    """Asks a backend in a process of its own: a runtime that fails to load fails alone, and is reported."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, target],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": python_path()},
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return f"not usable: {lines[-1] if lines else 'the runtime crashed'}"
    found: list[dict[str, Any]] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
