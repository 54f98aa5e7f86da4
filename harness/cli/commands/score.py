"""python -m harness score: scores result files of any tool by GOT-10k's protocol or OPE, for comparison with runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.catalog import catalog
from harness.core.protocols import PROTOCOLS
from harness.present.table import Table

if TYPE_CHECKING:
    from harness.publish.submission.scoring import Scored

SUMMARY = "score result files of any tool by GOT-10k's protocol or by OPE, and log them as runs beside ours"
EXAMPLE = "python -m harness score results/mine results/published --dataset /data/got10k --split val"
KINDS = ("accuracy", "speed")
"""Kinds of metrics that are columns of the table."""
WORST = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "results",
        nargs="+",
        type=Path,
        help="folders of result files: the GOT-10k toolkit's layout, flat NAME.txt files (PySOT, PyTracking), OTB's NAME.json or "
        "NAME_TRACKER.mat, or jobs; the first is the baseline",
    )
    parser.add_argument(
        "--dataset",
        type=Path,
        metavar="ROOT",
        help="the data set's folder, in its benchmark's own layout (recognised); annotations alone are enough: groundtruth.txt "
        "files or a benchmark's anno/NAME.txt (then neither mask nor bounds are applied); without it speed and agreement are "
        "reported",
    )
    parser.add_argument("--layout", metavar="NAME", help="the data set's name (otb, uav123, lasot, ...), if not to be recognised")
    parser.add_argument(
        "--split", help="its subfolder or list, such as 2013 of OTB (default: the one that has the results' sequences)"
    )
    parser.add_argument(
        "--protocol",
        action="append",
        choices=tuple(PROTOCOLS),
        help="how to score; may be given twice (default: the data set's own: ope, or got10k for its layout)",
    )
    parser.add_argument(
        "--invalid-truth",
        choices=("own", "exclude"),
        default="own",
        help="frames without a valid truth under OPE: as the benchmark's own code counts them (default), or not counted",
    )
    parser.add_argument("--sequences", nargs="+", metavar="NAME", help="names or patterns of the sequences to score")
    parser.add_argument(
        "--drop-first-time",
        action="store_true",
        help="leave line 1 of the times (the tracker's start) out of fps_got10k; GOT-10k's toolkit keeps it",
    )
    parser.add_argument("--out", type=Path, help="folder for the jobs' files (default: outputs/<date>/<time>)")
    parser.add_argument(
        "--mlflow", default="local", help="local (default: ./mlruns), off, or the address of a tracking server"
    )
    parser.add_argument("--experiment", help="MLflow experiment (default: that of every other run)")


def run(args: argparse.Namespace) -> int:
    from harness.core.files import new_folder
    from harness.publish.submission.reference import Wanted
    from harness.publish.submission.scoring import score_all, write_job
    from harness.report.plots import PLOTS, job_plots
    from harness.report.sources import load

    protocols = tuple(args.protocol) if args.protocol else None
    wanted = Wanted(args.dataset, args.split, args.sequences, protocols, args.layout, args.invalid_truth)
    scored, references = score_all(args.results, wanted, args.drop_first_time)
    out = args.out or new_folder(Path("outputs") / datetime.now().strftime("%Y-%m-%d/%H-%M-%S"))
    words = ["score", *map(str, args.results)]
    for number, (item, against) in enumerate(zip(scored, references, strict=True)):
        write_job(item, against, out if len(scored) == 1 else out / str(number), args.drop_first_time, words)
        if item.scores.ope is not None:
            job_plots(load(item.folder), item.folder / PLOTS, print)
    _print(scored)
    log(scored, args.mlflow, args.experiment)
    print(f"\nwritten to {out}; compare: python -m harness compare {out}")
    return 0


def log(scored: list[Scored], where: str, experiment: str | None) -> None:
    """Logs every job's folder to MLflow, unless ``where`` is ``off``."""
    if where == "off":
        return
    from harness.publish.mlflow import Target, log_folder

    address = None if where == "local" else where
    target = Target("server" if address else "local", uri=address, experiment=experiment or Target.experiment)
    for item in scored:
        log_folder(item.folder, target=target)


# ----------------------------------------------------------------------------------------- printing


def _print(scored: list[Scored]) -> None:
    known = catalog()
    found = known.order(key for item in scored for key in item.scores.metrics)
    columns = [key for key in found if known.get(key).kind in KINDS]
    rows = [["results", "sequences", "scored frames", *columns]]
    for item in scored:
        cells = [_cell(item, key) for key in columns]
        rows.append([item.name, str(len(item.scores.sequences)), str(item.scores.scored_frames), *cells])
    print(table(rows))
    for item in scored:
        for key in ("auc", "ao"):
            low = item.scores.intervals.get(key)
            if low and key in item.scores.metrics:
                print(f"{item.name}: 95 % interval of {key} over sequences [{low[0]:.5f}, {low[1]:.5f}]")
    _print_parts(scored)
    for warning in dict.fromkeys(warning for item in scored for warning in item.warnings):
        print(f"note: {warning}", file=sys.stderr)
    for item in scored[1:]:
        if item.agreement is not None:
            _print_agreement(item.name, item.agreement)


def _cell(item: Scored, key: str) -> str:
    value = item.scores.metrics.get(key)
    return "-" if value is None else f"{value:.{catalog().get(key).digits + 1}f}"


def _print_parts(scored: list[Scored]) -> None:
    """Prints OPE scores of a benchmark's lists and attributes, with a column per result folder."""
    own = [item for item in scored if item.scores.ope is not None]
    lists = list(dict.fromkeys(name for item in own for name in item.lists if len(item.lists) > 1))
    if lists:
        rows = [["auc / precision20 of list", *(item.name for item in own)]]
        for name in lists:
            cells = [item.lists.get(name) for item in own]
            rows.append([name, *(f"{cell['auc']:.3f} / {cell['precision20']:.3f}" if cell else "-" for cell in cells)])
        print("\n" + table(rows))
    attributes = list(dict.fromkeys(name for item in own if item.scores.ope for name in item.scores.ope.attributes))
    if attributes:
        rows = [["auc / precision20 by attribute", *(item.name for item in own)]]
        for name in attributes:
            found = [item.scores.ope.attributes.get(name) for item in own if item.scores.ope is not None]
            scores = [None if entry is None else entry[0].scores() for entry in found]
            count = next(len(entry[1]) for entry in found if entry is not None)
            shown = [f"{cell['auc']:.3f} / {cell['precision20']:.3f}" if cell else "-" for cell in scores]
            rows.append([f"{name} ({count})", *shown])
        print("\n" + table(rows))


def _print_agreement(name: str, found: dict[str, Any]) -> None:
    """Prints how well a run agrees with the baseline, and a table of the worst sequences."""
    parted = [row for row in found["sequences"].values() if row["first_divergent_frame"] is not None]
    lost = [row for row in found["sequences"].values() if row["first_below_0.5"] is not None]
    print(
        f"\n{name} against {found['baseline']} (frame 0 dropped): mean IoU {found['agreement/mean_iou']:.4f}, "
        f"{100 * found['agreement/identical_boxes']:.1f} % of boxes identical; boxes part in {len(parted)} of "
        f"{len(found['sequences'])} sequences"
        + (f", first at frame {found['agreement/first_divergent_frame']:.0f}" if parted else "")
        + f"; they overlap less than half somewhere in {len(lost)}."
    )
    rows = [["worst sequences", "mean IoU", "first different frame", "first frame under 0.5"]]
    for sequence, row in list(found["sequences"].items())[:WORST]:
        if row["first_divergent_frame"] is not None:
            below = row["first_below_0.5"]
            frames = [str(row["first_divergent_frame"]), "-" if below is None else str(below)]
            rows.append([sequence, f"{row['mean_iou']:.4f}", *frames])
    if len(rows) > 1:
        print(table(rows))


def table(rows: Iterable[list[str]]) -> str:
    """Returns rows as aligned columns; the first row is the head."""
    head, *body = rows
    return Table(head, body).text(rule=False).rstrip("\n")
