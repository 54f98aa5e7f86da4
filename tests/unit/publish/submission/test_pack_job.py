"""A job's submission archive: made only if it is whole; otherwise a warning says why, and the job's results stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from got10k_folders import write_list, write_sequence

from harness.core.interfaces import Track
from harness.core.results import write_tracks
from harness.datasets.got10k import GOT10k
from harness.publish.submission import facts, pack_job

NAMES = ("alpha", "beta", "gamma")


def write_split(root: Path, names: tuple[str, ...]) -> None:
    for name in names:
        folder = write_sequence(root / "test" / name, np.tile([1.0, 2, 5, 6], (8, 1)))
        (folder / "groundtruth.txt").write_text("1,2,5,6\n")
    write_list(root / "test", names)


def job(root: Path, folder: Path, **filters: object) -> SimpleNamespace:
    """What pack_job looks at, with a track of every sequence that the data set yields."""
    dataset = GOT10k(root=str(root), split="test", **filters)
    for sequence in dataset:
        write_tracks(folder / "tracks", [Track(sequence.name, np.tile(sequence.init_box, (8, 1)), np.full(8, 0.01))])
    return SimpleNamespace(dataset=dataset, folder=folder, config={}, artifact=SimpleNamespace(key="k"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_split(tmp_path / "data", NAMES)
    return tmp_path / "data"


def test_a_whole_split_is_packed(root, tmp_path):
    files, warnings = pack_job(job(root, tmp_path))
    assert files == ["submission.zip", "submission.manifest.json"]
    assert warnings == []


@pytest.mark.parametrize("filters", [{"exclude": ["beta"]}, {"sequences": ["alpha", "gamma"]}, {"exclude": ["b*"]}])
def test_a_filter_gives_no_archive_and_one_line_that_says_so(root, tmp_path, filters):
    files, warnings = pack_job(job(root, tmp_path, **filters))
    assert files == []
    assert warnings == [
        "no submission.zip: dataset.sequences, exclude or limit leaves out 1 of the split's 3 sequences (beta)."
    ]
    assert not (tmp_path / "submission.zip").exists()


def test_a_limit_gives_no_archive(root, tmp_path):
    assert "leaves out 2 of the split's 3 sequences (beta, gamma)" in pack_job(job(root, tmp_path, limit=1))[1][0]


def test_a_short_copy_of_got10k_is_compared_with_the_shipped_list(tmp_path):
    write_split(tmp_path / "data", ("GOT-10k_Test_000001", "GOT-10k_Test_000002"))
    files, (warning,) = pack_job(job(tmp_path / "data", tmp_path))
    assert files == []
    assert "this copy of GOT-10k test lacks 178 of its 180 sequences (GOT-10k_Test_000003, " in warning


def test_a_box_without_area_is_a_warning_with_file_and_lines(root, tmp_path):
    context = job(root, tmp_path)
    boxes = np.tile([1.0, 2, 5, 6], (8, 1))
    boxes[3:] = [50, 50, -20, -20]
    write_tracks(tmp_path / "tracks", [Track("alpha", boxes, np.full(8, 0.01))])
    files, (warning,) = pack_job(context)
    assert files == []
    assert "no submission.zip: " in warning
    assert "alpha/alpha_001.txt, lines 4-8: width and height must be positive" in warning
    assert not list(tmp_path.glob("*.zip")) and not list(tmp_path.glob(".submission*"))


def test_the_facts_of_a_filtered_data_set_are_the_whole_splits(root):
    dataset = GOT10k(root=str(root), split="test")
    for filters in ({"exclude": ["beta"]}, {"limit": 1}, {"sequences": ["beta"]}):
        assert list(facts.facts_of(replace(dataset, **filters)).sequences) == list(NAMES)
        assert not facts.covers_split(replace(dataset, **filters))
    assert facts.covers_split(dataset)
