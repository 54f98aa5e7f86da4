"""The data to score with: a folder in GOT-10k's layout, a benchmark as published, or only the results."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import DataError
from harness.core.interfaces import Dataset, Sequence
from harness.core.protocols import protocol_names
from harness.datasets.auto.dataset import candidates, layouts
from harness.datasets.layouts.benchmark import BenchmarkDataset
from harness.datasets.layouts.got10k import (
    LIST_FILE,
    FolderDataset,
    TruthKind,
    frame_count,
    read_names,
    read_sequence,
    select_names,
)
from harness.publish.submission.formats import ResultFolder


@dataclass(frozen=True)
class Wanted:
    """The command line's settings of scoring; None if not given."""

    root: Path | None = None
    split: str | None = None
    sequences: list[str] | None = None
    protocols: tuple[str, ...] | None = None
    layout: str | None = None
    """The data set's name (otb, lasot, ...); without it, the data set is recognised."""
    invalid_truth: str = "own"
    """How a benchmark's frames without a valid truth count under OPE: ``own`` or ``exclude``."""


@dataclass
class Reference:
    """The data to score against. ``dataset`` is the description for results.json; ``notes`` state what is missing."""

    sequences: dict[str, Sequence]
    dataset: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    protocols: tuple[str, ...] = ("got10k",)
    truth_rule: str = "exclude"
    benchmark: BenchmarkDataset | None = None
    """The data set if it is a published benchmark, whose result files have their own names and coordinates."""


@dataclass
class TruthFolder(FolderDataset):
    """A data set's folder that needs only the truth: no images, labels or ``meta_info.ini``."""

    def truth_kind(self) -> TruthKind:
        """Ground truth may be complete, or only the first frame's box."""
        return "any"

    def read(self, name: str) -> Sequence:
        """Reads a sequence from its annotations; its images are not needed."""
        return read_sequence(self.folder / name, truth="any", images=False)

    def missing(self) -> str:
        """What to do if the folder is missing."""
        return "give --dataset a folder with a groundtruth.txt per sequence"


def reference(wanted: Wanted, results: ResultFolder) -> Reference:
    """Returns the sequences to score against: those under the root, or without one those of ``results`` (no truth)."""
    if wanted.root is None:
        return _results_alone(results, wanted.sequences)
    benchmark = benchmark_class(wanted)
    if benchmark is not None:
        return _benchmark(benchmark, wanted, results)
    chosen = _find_split(wanted.root, results) if wanted.split is None else wanted.split
    dataset = TruthFolder(root=str(wanted.root), split=chosen, sequences=wanted.sequences)
    sequences = {sequence.name: sequence for sequence in dataset}
    found = Reference(
        sequences,
        describe(wanted.root.resolve().name, wanted.root, chosen, dataset, sequences),
        protocols=protocol_names(wanted.protocols, dataset.protocols),
    )
    found.notes += _what_lacks(found)
    return found


def describe(name: str, root: Path, split: str, dataset: Dataset, sequences: Mapping[str, Sequence]) -> dict[str, Any]:
    """Returns the data set as results.json records it."""
    return {
        "name": name,
        "root": str(root),
        "split": split,
        "digest": dataset.digest(),
        "sequences": len(sequences),
        "frames": sum(frame_count(sequence) for sequence in sequences.values()),
        "truth": dataset.has_truth,
    }


def benchmark_class(wanted: Wanted) -> tuple[str, type[BenchmarkDataset]] | None:
    """Returns name and class of the benchmark under the root; None for GOT-10k's layout. Raises DataError."""
    assert wanted.root is not None
    if wanted.layout is not None:
        known = layouts()
        if wanted.layout not in known:
            raise DataError(f"--layout {wanted.layout} is not a known data set; accepted: {', '.join(known)}.")
        cls: type[Dataset] = known[wanted.layout]
        name = wanted.layout
    else:
        if not wanted.root.is_dir():
            return None
        fitting = candidates(wanted.root)
        if not fitting:
            return None  # the folder reader then reports what it expects
        if len(fitting) > 1:
            names = ", ".join(name for name, _, _ in fitting)
            raise DataError(f"{wanted.root} fits several data sets ({names}); name the right one with --layout.")
        name, cls, _ = fitting[0]
    return (name, cls) if issubclass(cls, BenchmarkDataset) else None


def _benchmark(found: tuple[str, type[BenchmarkDataset]], wanted: Wanted, results: ResultFolder) -> Reference:
    """Reads a benchmark's sequences from annotations; without a split, the first list that the results cover."""
    name, cls = found
    notes = []
    if wanted.split is not None:
        dataset = _open(cls, name, wanted, wanted.split)
    else:
        tried = [_open(cls, name, wanted, split) for split in cls.splits + cls.lists if _has(cls, wanted, split)]
        whole = [item for item in tried if _covers(item, results)]
        dataset = whole[0] if whole else tried[0] if tried else _open(cls, name, wanted, cls.splits[0])
        if whole and whole[0] is not tried[0]:
            notes.append(f"Scored is list {dataset.split}, the largest of {cls.title} that the results have all of (--split says which).")
    if results.layout == "otb":
        dataset = dataset.as_published()
    sequences = {sequence.name: sequence for sequence in dataset}
    return Reference(
        sequences,
        describe(name, dataset.folder, str(dataset.split), dataset, sequences),
        notes + dataset.notes(),
        protocol_names(wanted.protocols, dataset.protocols),
        dataset.truth_rule,
        dataset,
    )


def _open(cls: type[BenchmarkDataset], name: str, wanted: Wanted, split: str) -> BenchmarkDataset:
    more = {"invalid_truth": wanted.invalid_truth} | ({"split": split} if split else {})
    return cls(root=str(wanted.root), sequences=wanted.sequences, truth_only=True, name=name, **more)  # type: ignore[arg-type]


def _has(cls: type[BenchmarkDataset], wanted: Wanted, split: str) -> bool:
    try:
        _open(cls, "", wanted, split)
    except DataError:
        return False
    return True


def _covers(dataset: BenchmarkDataset, results: ResultFolder) -> bool:
    there = {dataset.resolve(name) for name in results.sequences}
    return all(name in there for name in dataset.names)


def _find_split(root: Path, results: ResultFolder) -> str:
    """Returns the split under ``root`` whose list has the results' sequences; empty if ``root`` has no splits."""
    splits = sorted(path.parent for path in root.glob(f"*/{LIST_FILE}"))
    if (root / LIST_FILE).is_file() or not splits:
        return ""
    fitting = [split.name for split in splits if results.sequences.keys() & set(read_names(split / LIST_FILE))]
    if len(fitting) != 1:
        names = ", ".join(split.name for split in splits)
        raise DataError(f"{root} has the splits {names}; name the one of {results.path} with --split.")
    return fitting[0]


def _what_lacks(found: Reference) -> list[str]:
    """Returns sentences about missing truth, masks and image sizes."""
    if not found.dataset["truth"]:
        return ["The data set has first boxes alone (a test split): speed and agreement are reported, no accuracy."]
    notes = []
    unmasked = sum(sequence.visible is None for sequence in found.sequences.values())
    unbounded = sum(sequence.size is None for sequence in found.sequences.values())
    if unmasked:
        notes.append(f"No mask is applied to {unmasked} sequences: they have no cover.label, so covered frames count.")
    if unbounded:
        notes.append(
            f"No bounds are applied to {unbounded} sequences: they have neither meta_info.ini nor images, so boxes are "
            "not clipped to the image."
        )
    return notes


def _results_alone(results: ResultFolder, wanted: list[str] | None) -> Reference:
    names = select_names(list(results.sequences), wanted, None, results.path)
    boxes = {track.sequence: track.boxes for track in results.tracks(names)}
    sequences = {name: Sequence(name, (), found[0]) for name, found in boxes.items()}
    facts = "".join(f"{name}:{len(found)}:{found[0].tolist()}\n" for name, found in boxes.items())
    kind = "got10k test" if all(name.startswith("GOT-10k_Test_") for name in names) else "results alone"
    dataset = {
        "name": kind,
        "split": "",
        "digest": hashlib.sha256(facts.encode()).hexdigest(),
        "sequences": len(sequences),
        "frames": sum(map(len, boxes.values())),
        "truth": False,
    }
    return Reference(sequences, dataset, ["No truth is given: speed and agreement are reported, no accuracy."])


