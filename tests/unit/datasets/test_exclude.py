"""dataset.exclude: sequences left out, as those that int8 is calibrated on."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import tiny_dataset

from harness.core.errors import DataError
from harness.datasets.folder import Folder


def names(root: Path, **settings: object) -> list[str]:
    return Folder(root=str(root), split="val", **settings).names  # type: ignore[arg-type]


def test_names_and_patterns_are_left_out_before_the_limit(tmp_path: Path) -> None:
    root = tiny_dataset(tmp_path, sequences=4)
    assert names(root, exclude=["seq_1"]) == ["seq_2", "seq_3", "seq_4"]
    assert names(root, exclude=["seq_[12]"], limit=1) == ["seq_3"]
    assert names(root, sequences=["seq_1", "seq_2"], exclude=["seq_2"]) == ["seq_1"]


def test_a_pattern_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dataset.exclude: 'seq_9' matches none"):
        names(tiny_dataset(tmp_path), exclude=["seq_9"])


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="leaves no sequence"):
        names(tiny_dataset(tmp_path), exclude=["*"])
