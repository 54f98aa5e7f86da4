"""Lists what each backend can run on here."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import subprocess
import sys
from typing import Any

SUMMARY = "what each backend can run on here, with full names and precisions"
EXAMPLE = "python -m harness devices"
_PROBE = "import json, importlib; print(json.dumps(importlib.import_module('harness.backends.{}').available()))"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    found = {name: probe(name) for name in backends()}
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


def backends() -> list[str]:
    """The backends' module names."""
    package = importlib.import_module("harness.backends")
    return sorted(item.name for item in pkgutil.iter_modules(package.__path__))


def probe(name: str) -> list[dict[str, Any]] | str:
    """Asks a backend in a process of its own: a runtime that fails to load fails alone, and is said."""
    from harness.core.config import python_path

    done = subprocess.run(
        [sys.executable, "-c", _PROBE.format(name)],
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
