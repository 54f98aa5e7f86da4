"""``python -m harness example``: says a word."""

from __future__ import annotations

import argparse

SUMMARY = "says a word"
EXAMPLE = "python -m harness example hello"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("word")


def run(args: argparse.Namespace) -> int:
    print(f"the example says {args.word}")
    return 0
