"""Tunes a tracker's numeric settings with Optuna on some sequences, and reports the gain, with interval, on the others.

Bare words are the keys to tune, key=value are settings of all runs. The tracker is never evaluated on the sequences it
was tuned on. All trials are kept: the same command with --folder DIR continues.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import time
from pathlib import Path

from harness.core.errors import ConfigError

SUMMARY = "the tracker's own numbers by Optuna, on tuning sequences; the gain on the others"
EXAMPLE = (
    "python -m harness tune tracker.window_influence tracker.penalty_k tracker=nanotrack tracker.weights=[BACKBONE.onnx,HEAD.onnx] "
    "dataset=folder dataset.root=DIR --on a b c --trials 40"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="+", metavar="KEY or KEY=VALUE", help="numbers to tune, as tracker.penalty_k; settings of all runs")
    parser.add_argument("--on", nargs="+", default=[], action="extend", metavar="SEQUENCE", help="tuning sequences, names or patterns")
    parser.add_argument(
        "--range", nargs="+", default=[], action="extend", metavar="KEY=LOW:HIGH", dest="ranges", help="values to try (default: 0:1)"
    )
    parser.add_argument("--objective", default="ao", metavar="METRIC", help="ao (default), sr50 or sr75")
    parser.add_argument("--trials", type=int, default=40, help="how many (default: 40)")
    parser.add_argument("--minutes", type=float, default=15.0, help="for the trials, at most (default: 15)")
    parser.add_argument("--seed", type=int, default=0, help="of the sampler (default: 0)")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="for its files; an unfinished tuning there is continued")
    parser.add_argument("--config-dir", metavar="DIR", help="a further folder of YAML groups")


def run(args: argparse.Namespace) -> int:
    from harness.core.files import new_folder
    from harness.jobs.probing import device_names
    from harness.jobs.recommend.lab import Machine
    from harness.jobs.tune import Wish, tune
    from harness.machine.progress import say

    keys = tuple(word for word in args.words if "=" not in word)
    if not keys:
        raise ConfigError("no number to tune is named; give its key, as tracker.penalty_k.")
    if args.trials < 1 or not 0 < args.minutes < math.inf or args.seed < 0:
        raise ConfigError("--trials is a whole number from 1, --minutes a number above 0, --seed a whole number from 0.")
    config_dir = str(Path(args.config_dir).resolve()) if args.config_dir else None
    wish = Wish(
        keys, dict(map(parsed, args.ranges)), tuple(word for word in args.words if "=" in word), tuple(args.on), args.objective,
        args.trials, args.minutes, args.seed, config_dir,
    )  # fmt: skip
    folder = args.folder or new_folder(Path("outputs") / time.strftime("%Y-%m-%d") / f"{time.strftime('%H-%M-%S')}-tune")
    try:
        found = tune(wish, folder, Machine(device_names, config_dir), say)
    except KeyboardInterrupt:
        print(f"\ninterrupted; all finished trials are kept. Go on by: {wish.call()} --folder {shlex.quote(str(folder))}", file=sys.stderr)
        return 130
    except ConfigError:
        if not args.folder and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        raise
    print(found.text())
    print(f"\ntrials: {folder / 'trials.csv'}" + (f"; report: {folder / 'report.html'}" if found.command else ""))
    return 0


def parsed(text: str) -> tuple[str, tuple[float, float]]:
    """Parses ``KEY=LOW:HIGH``. Raises ConfigError if the text has another form."""
    key, _, values = text.partition("=")
    low, _, high = values.partition(":")
    try:
        return key, (float(low), float(high))
    except ValueError as error:
        raise ConfigError(f"--range {text!r} is not a range; write KEY=LOW:HIGH, as tracker.penalty_k=0:0.3.") from error
