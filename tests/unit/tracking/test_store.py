"""Finished sequences are files that people may edit: what is not as it was written is tracked again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import tiny_dataset

from harness.core.files import read_record, write_json
from harness.core.interfaces import Sequence, Track
from harness.datasets.folder import Folder
from harness.tracking.store import Done, SequenceStore


@pytest.fixture
def sequence(tmp_path: Path) -> Sequence:
    return next(iter(Folder(root=str(tiny_dataset(tmp_path / "data", 1, 4)), split="val")))


def saved(folder: Path, sequence: Sequence) -> SequenceStore:
    store = SequenceStore(folder, {"seed": 1})
    track = Track(sequence.name, np.arange(16.0).reshape(4, 4), np.full(4, 0.25), {"inference": np.full(4, 0.1)}, 1)
    store.save(sequence, Done([track], 1.5, False))
    return store


def test_a_finished_sequence_is_read_back(tmp_path: Path, sequence: Sequence) -> None:
    found = saved(tmp_path, sequence).load(sequence)
    assert found is not None
    assert found.tracks[0].boxes.tolist() == np.arange(16.0).reshape(4, 4).tolist()
    assert (found.wall, found.contended) == (1.5, False)


@pytest.mark.parametrize(
    "edit",
    [{"wall": None}, {"wall": "long"}, {"stages": [[1]]}, {"stages": [None]}, {"stages": 5}, {"repetitions": "x"}, {"repetitions": 9}, {"digests": []}, {"seconds": [["x"]]},
     {"confidence": 5}, {"key": None}],
)  # fmt: skip
def test_an_edited_record_counts_as_none(tmp_path: Path, sequence: Sequence, edit: dict[str, Any]) -> None:
    store, path = saved(tmp_path, sequence), tmp_path / f"sequences/{sequence.name}.json"
    write_json(path, {**read_record(path), **edit})
    assert store.load(sequence) is None


@pytest.mark.parametrize("key", ["wall", "contended", "stages", "seconds", "digests", "repetitions", "key"])
def test_a_record_that_lacks_something_counts_as_none(tmp_path: Path, sequence: Sequence, key: str) -> None:
    store, path = saved(tmp_path, sequence), tmp_path / f"sequences/{sequence.name}.json"
    write_json(path, {name: value for name, value in read_record(path).items() if name != key})
    assert store.load(sequence) is None
