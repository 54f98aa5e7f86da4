"""python -m harness check-dataset: checks whether a data set's folder is complete and readable."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import DataError

if TYPE_CHECKING:
    from harness.core.interfaces import Checked, Dataset
    from harness.datasets.layouts.benchmark import BenchmarkDataset

SUMMARY = "check a data set's folder in its benchmark's layout: sequences, frames, images, annotations, resolution"
EXAMPLE = "python -m harness check-dataset /data/got10k --split val"
SPLITS = ("train", "val", "test")
SHOWN = 100
RESTORE = "restore the files named above, or correct them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "root",
        nargs="?",
        type=Path,
        help="the data set's folder; of GOT-10k the one that holds the splits, or a split itself (default: the environment variable "
        "GOT10K_ROOT)",
    )
    parser.add_argument("--layout", metavar="NAME", help="the data set's name (otb, uav123, lasot, ...), if not to be recognised")
    parser.add_argument(
        "--split", help="one split or list alone, such as val (default: every split that is there; of a benchmark its own default)"
    )
    parser.add_argument("--no-decode", action="store_true", help="do not decode the images: seconds instead of minutes")
    parser.add_argument("--all", action="store_true", help=f"print all faults, not the first {SHOWN} of a split")


def run(args: argparse.Namespace) -> int:
    root = _root(args.root)
    benchmark = _benchmark(root, args.layout, args.split)
    if benchmark is not None:
        return _check_benchmark(benchmark, not args.no_decode, None if args.all else SHOWN)
    folders = split_folders(root, args.split)
    whole = True
    for folder in folders:
        checked = _check(folder, not args.no_decode)
        advice = _where_to_get() if known_split(folder)[0] else RESTORE
        _print(str(folder), checked, not args.no_decode, None if args.all else SHOWN, advice)
        whole = whole and not checked.faults
    return 0 if whole else 1


def _benchmark(root: Path, layout: str | None, split: str | None) -> BenchmarkDataset | None:
    """Returns the benchmark's data set under ``root``; None for a folder in GOT-10k's layout. Raises DataError."""
    from harness.datasets.auto.dataset import candidates, layouts
    from harness.datasets.layouts.benchmark import BenchmarkDataset

    known = layouts()
    if layout is not None and layout not in known:
        raise DataError(f"--layout {layout} is not a known data set; accepted: {', '.join(known)}.")
    found: list[tuple[str, type[Dataset], str]]
    found = [(layout, known[layout], "")] if layout is not None else candidates(root)
    if len(found) > 1:
        raise DataError(f"{root} fits several data sets ({', '.join(name for name, _, _ in found)}); name the right one with --layout.")
    if not found:
        return None
    name, cls, own = found[0]
    if not issubclass(cls, BenchmarkDataset):
        return None
    chosen = split or own
    return cls(root=str(root), name=name, **({"split": chosen} if chosen else {}))  # type: ignore[arg-type]


def _check_benchmark(dataset: BenchmarkDataset, decode: bool, most: int | None) -> int:
    from harness.machine.environment import thread_budget
    from harness.machine.progress import make

    progress = make()
    progress.start(f"checking {dataset.folder}", len(dataset))
    try:
        checked = dataset.check(decode=decode, workers=thread_budget(), on_sequence=lambda name: progress.step(1, name))
    finally:
        progress.close()
    split = f", list {dataset.split}" if dataset.split else ""
    print(f"{dataset.folder} has the layout of {dataset.title} (dataset={dataset.name}{split})")
    _print(str(dataset.folder), checked, decode, most, dataset.missing())
    return 0 if not checked.faults else 1


def _root(given: Path | None) -> Path:
    root = given or Path(os.environ.get("GOT10K_ROOT", ""))
    if given is None and not os.environ.get("GOT10K_ROOT"):
        raise DataError(f"No folder is given and GOT10K_ROOT is not set; {_where_to_get()}.")
    if not root.is_dir():
        raise DataError(f"{root} does not exist; give the folder of a data set.")
    return root


def _where_to_get() -> str:
    from harness.datasets.got10k import HOME

    return f"GOT-10k can be downloaded after registration at {HOME} (nothing is downloaded here); unpack val and test there"


def split_folders(root: Path, split: str | None) -> list[Path]:
    """Returns the folders to check. Raises DataError if there is none."""
    if split:
        if not (root / split).is_dir():
            raise DataError(f"{root / split} does not exist; --split names a folder in {root}.")
        return [root / split]
    if (root / "list.txt").is_file():
        return [root]
    folders = sorted(path.parent for path in root.glob("*/list.txt"))
    if folders:
        return folders
    if any(root.glob("*/groundtruth.txt")):
        return [root]
    folders = sorted({path.parents[1] for path in root.glob("*/*/groundtruth.txt")})
    if not folders:
        raise DataError(
            f"{root} holds no sequences: neither list.txt nor splits ({', '.join(SPLITS)}) nor folders with a groundtruth.txt. "
            f"{_where_to_get()}."
        )
    return folders


def _check(folder: Path, decode: bool) -> Checked:
    from harness.datasets.layouts.checking import check_split
    from harness.datasets.layouts.got10k import names_of
    from harness.machine.environment import thread_budget
    from harness.machine.progress import make

    names, frames = known_split(folder)
    progress = make()
    progress.start(f"checking {folder}", len(names_of(folder)))
    try:
        return check_split(
            folder,
            names=names,
            frames=frames,
            decode=decode,
            truth="any" if folder.name == "test" or (names and "_Test_" in names[0]) else "every",
            workers=thread_budget(),
            on_sequence=lambda name: progress.step(1, name),
        )
    finally:
        progress.close()


def known_lines(folder: Path) -> list[str]:
    """Returns all words in the split's ``list.txt``; the check itself reports what is wrong with them."""
    from harness.core.files import read_regular

    path = folder / "list.txt"
    return read_regular(path).decode("utf-8", "replace").split() if path.is_file() else []


def known_split(folder: Path) -> tuple[list[str] | None, dict[str, int] | None]:
    """Returns names and frame counts of GOT-10k's own split, recognised by the first name; None for other data."""
    from harness.publish.submission import shipped_test_facts

    text = " ".join(known_lines(folder))
    if "GOT-10k_Test_" in text:
        facts = shipped_test_facts().sequences
        return list(facts), {name: item.frames for name, item in facts.items()}
    if "GOT-10k_Val_" in text:
        return [f"GOT-10k_Val_{number:06d}" for number in range(1, 181)], None
    return None, None


def _print(folder: str, checked: Checked, decoded: bool, most: int | None, where: str) -> None:
    for fault in checked.faults[:most]:
        print(f"fault: {fault}", file=sys.stderr)
    if most is not None and len(checked.faults) > most:
        print(f"... and {len(checked.faults) - most} more (--all shows them)", file=sys.stderr)
    for note in checked.notes[:10]:
        print(f"note: {note}")
    if len(checked.notes) > 10:
        print(f"... and {len(checked.notes) - 10} more notes")
    how = "every image decoded" if decoded else "images not decoded"
    verdict = "no fault" if not checked.faults else f"{len(checked.faults)} faults"
    print(f"{folder}: {checked.sequences} sequences, {checked.frames} frames, {how}: {verdict}")
    if checked.faults:
        print(f"To fix it: {where}.")
