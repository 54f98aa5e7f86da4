"""check-dataset's work: all faults of a data set's folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from got10k_folders import tiny_jpeg, write_list, write_sequence

from harness.core.errors import DataError
from harness.datasets.layouts.checking import check_split

BOXES = np.tile([1.0, 2, 5, 6], (4, 1))


@pytest.fixture
def split(tmp_path: Path) -> Path:
    for name in "abc":
        write_sequence(tmp_path / "val" / name, BOXES)
    write_list(tmp_path / "val", "abc")
    return tmp_path / "val"


def test_a_whole_split_has_no_fault(split):
    found = check_split(split, names=list("abc"), frames=dict.fromkeys("abc", 4), workers=2)
    assert found.faults == found.notes == []
    assert (found.sequences, found.frames) == (3, 12)


def test_all_faults_are_found_not_the_first_alone(split):
    jpeg = (split / "a/00000002.jpg").read_bytes()
    (split / "a/00000002.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (split / "a/00000003.jpg").write_bytes(b"")
    (split / "a/cover.label").write_text("8\n9\n8\n8\n")
    (split / "b/00000004.jpg").write_bytes(tiny_jpeg((20, 12)))
    (split / "b/groundtruth.txt").write_text("1,2,3,4\n")
    (split / "c/meta_info.ini").write_text("resolution: large\n")
    (split / "c/00000001.jpg").unlink()
    found = check_split(split)
    expected = (
        "a/00000002.jpg is not an image",
        "a/00000003.jpg is not an image",
        "a/cover.label, line 2: values are whole numbers from 0 to 8",
        "b/00000004.jpg is 20x12, the sequence's resolution is 16x12",
        "b/groundtruth.txt is shorter",
        "c/meta_info.ini: resolution is 'large'",
        "c lacks 00000001.jpg",
    )
    for part in expected:
        assert any(part in fault for fault in found.faults), (part, found.faults)


def test_without_decoding_damaged_pixels_are_not_seen(split):
    (split / "a/00000002.jpg").write_bytes(b"")
    assert check_split(split, decode=False).faults == []
    assert len(check_split(split).faults) == 1


def test_what_the_split_is_known_to_have(split):
    (split / "d").mkdir()
    found = check_split(split, names=["a", "b", "x"], frames={"a": 5}, decode=False)
    assert any("lacks 1 of the split's 3 sequences (x" in fault for fault in found.faults)
    assert any("names 1 sequences that the split does not have (c" in fault for fault in found.faults)
    assert any("a holds 4 frames, GOT-10k has 5" in fault for fault in found.faults)
    assert any("does not name 1 folders" in note for note in found.notes)


def test_missing_folder_and_missing_labels(split):
    write_list(split, "abcd")
    (split / "a/cover.label").unlink()
    found = check_split(split, decode=False)
    assert found.faults == [f"{split / 'd'} does not exist; restore the sequence from the data set."]
    assert any("cover.label is missing" in note for note in found.notes)


def test_a_folder_without_list_and_sequences_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"holds neither list\.txt nor sequences"):
        check_split(tmp_path)


def test_without_a_list_the_folders_with_a_truth_are_checked(split):
    (split / "list.txt").unlink()
    (split / "notes").mkdir()
    found = check_split(split, decode=False)
    assert (found.faults, found.sequences) == ([], 3)
    assert any("list.txt does not exist" in note for note in found.notes)
    assert any("groundtruth.txt is missing in 1 folders that are there (notes)" in note for note in found.notes)


def test_truth_without_area_and_nan_lines_are_noted_with_their_line(split):
    rows = ["1,2,5,6", "0,0,0,0", "-1,-1,-1,-1", "nan,nan,nan,nan"]
    (split / "a/groundtruth.txt").write_text("\n".join(rows) + "\n")
    found = check_split(split)
    assert found.faults == []
    assert any("a/groundtruth.txt: 2 boxes have no area (the first on line 2)" in note for note in found.notes)
    assert any("a/groundtruth.txt: 1 lines are nan (the first is line 4)" in note for note in found.notes)


@pytest.mark.parametrize("box", ["16,2,5,6", "1,12,5,6", "-5,2,5,6", "1,-6,5,6", "1e9,0,5,5"])
def test_a_first_box_outside_the_image_is_a_fault(split, box):
    (split / "b/groundtruth.txt").write_text(f"{box}\n" + "1,2,5,6\n" * 3)
    (fault,) = check_split(split).faults
    assert "b/groundtruth.txt, line 1: the first box" in fault
    assert "lies outside the image, which is 16x12 pixels" in fault
