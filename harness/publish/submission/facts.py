"""The required content of a submission: the split's sequences, their frame counts and first boxes.

The facts come from the data set if it is available, else from ``got10k_test.csv``, which is part of the package:
180 names, frame counts and first boxes cut to integers, derived from published result files of the test split
(tools/make_got10k_facts.py).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.core.errors import DataError
from harness.core.interfaces import Boxes, Dataset
from harness.core.words import listed
from harness.datasets.layouts.got10k import frame_count

TEST_FACTS = Path(__file__).with_name("got10k_test.csv")


@dataclass(frozen=True)
class SequenceFacts:
    """Frames of a sequence and its given first box ``[4]``."""

    frames: int
    first_box: Boxes


@dataclass(frozen=True)
class SplitFacts:
    """The sequences of a whole split, in order; ``source`` names the origin of the facts in messages."""

    source: str
    sequences: Mapping[str, SequenceFacts]

    @property
    def frames(self) -> int:
        """Frames of all sequences of the split."""
        return sum(item.frames for item in self.sequences.values())


def shipped_test_facts() -> SplitFacts:
    """Returns the facts of GOT-10k test in the package; its first boxes are cut to integers."""
    with TEST_FACTS.open(encoding="ascii", newline="") as file:
        rows = list(csv.DictReader(file))
    sequences = {
        row["name"]: SequenceFacts(int(row["frames"]), np.array([float(row[key]) for key in "xywh"])) for row in rows
    }
    return SplitFacts("the shipped list of GOT-10k test", sequences)


def facts_of(dataset: Dataset) -> SplitFacts:
    """Returns the facts of the whole split, even if ``dataset`` is filtered: a submission needs all sequences."""
    whole = dataset.whole()
    found = {sequence.name: SequenceFacts(frame_count(sequence), sequence.init_box) for sequence in whole}
    counted = {name: facts for name, facts in found.items() if facts.frames > 0}
    if not counted:
        raise DataError(f"Data set {dataset.name} has no frames to count, so a submission cannot be checked with it.")
    return SplitFacts(f"data set {dataset.name} {dataset.split}".strip(), counted)


def missing_sequences(dataset: Dataset) -> str:
    """Returns why ``dataset`` gives no complete submission: a filter, or missing sequences. Empty if it does."""
    have = {sequence.name for sequence in dataset}
    whole = [sequence.name for sequence in dataset.whole()]
    left_out = [name for name in whole if name not in have]
    if left_out:
        return (
            f"dataset.sequences, exclude or limit leaves out {len(left_out)} of the split's {len(whole)} sequences "
            f"({listed(left_out)})"
        )
    known = list(shipped_test_facts().sequences)
    if not any(name in known for name in whole):
        return ""
    absent = [name for name in known if name not in have]
    if absent:
        return f"this copy of GOT-10k test lacks {len(absent)} of its {len(known)} sequences ({listed(absent)})"
    return ""


def covers_split(dataset: Dataset) -> bool:
    """Whether ``dataset`` is a whole split, with no sequence left out by a filter."""
    return len(dataset) == len(dataset.whole())
