"""Lists the devices that each backend can use here."""

from __future__ import annotations

import argparse
import json

from harness.jobs.probing import backends as backends, probe as probe

SUMMARY = "what each backend can run on here, with full names and precisions"
EXAMPLE = "python -m harness devices"


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
