"""The GOT-10k layout: what is read, and every fault named."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from got10k_folders import lines, write_list, write_sequence

from harness.core.config import build
from harness.core.errors import ConfigError, DataError
from harness.core.interfaces import Dataset
from harness.datasets.folder import Folder
from harness.datasets.got10k import GOT10k
from harness.datasets.layouts import got10k as layout
from harness.datasets.layouts.copies import image_digest

BOXES = np.array([[1.5, 2, 5, 6], [2, 3, 5, 6], [3, 4, 5, 6], [4, 4, 5, 6]])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data set with the splits val (b, a, c) and test (a)."""
    for name in "abc":
        write_sequence(tmp_path / "set/val" / name, BOXES, cover=[8, 0, 3, 8])
    write_list(tmp_path / "set/val", ["b", "a", "c"])
    write_sequence(tmp_path / "set/test/a", BOXES[:1], frames=4)
    write_list(tmp_path / "set/test", ["a"])
    return tmp_path / "set"


def val(root: Path, **more: object) -> Folder:
    return Folder(root=str(root), split="val", **more)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------ reading


def test_a_sequence_is_read_whole(root):
    found = layout.read_sequence(root / "val/a")
    assert found.name == "a"
    assert [path.name for path in found.frames] == [f"{number:08d}.jpg" for number in (1, 2, 3, 4)]
    assert found.init_box.tolist() == [1.5, 2, 5, 6]
    assert found.truth is not None
    assert found.truth.tolist() == BOXES.tolist()
    assert found.visible is not None
    assert found.visible.tolist() == [True, False, True, True]
    assert found.size == (16, 12)
    assert found.meta["object_class"] == "cat"
    assert len(found) == 4


def test_order_is_the_lists(root):
    assert [sequence.name for sequence in val(root)] == ["b", "a", "c"]
    assert len(val(root)) == 3
    assert val(root).has_truth


def test_without_a_list_the_folders_are_taken_by_name(root):
    (root / "val/list.txt").unlink()
    assert [sequence.name for sequence in val(root)] == ["a", "b", "c"]


def test_a_split_may_be_the_root_itself(root):
    assert [sequence.name for sequence in Folder(root=str(root / "val"))] == ["b", "a", "c"]


def test_filters(root):
    assert val(root, sequences=["c", "b"]).names == ["b", "c"]
    assert val(root, sequences=["[ab]"]).names == ["b", "a"]
    assert val(root, limit=2).names == ["b", "a"]
    assert len(list(val(root, sequences=["a"], limit=5))) == 1


def test_first_boxes_alone_in_a_test_split(root):
    found = Folder(root=str(root), split="test")
    assert not found.has_truth
    sequence = next(iter(found))
    assert sequence.truth is None
    assert sequence.visible is None
    assert sequence.init_box.tolist() == [1.5, 2, 5, 6]
    assert len(sequence) == 4


def test_labels_and_meta_may_be_absent(root):
    for name in ("cover.label", "absence.label", "cut_by_image.label", "meta_info.ini"):
        (root / "val/a" / name).unlink()
    found = layout.read_sequence(root / "val/a")
    assert found.visible is None
    assert found.size == (16, 12)  # from the first image's header
    assert found.meta == {}


def test_a_line_of_nan_is_an_absent_target(root):
    (root / "val/b/groundtruth.txt").write_text("1,2,3,4\n1,2,3,4\nNaN,NaN,NaN,NaN\n1,2,3,4\n")
    (root / "val/b/cover.label").unlink(missing_ok=True)
    found = layout.read_sequence(root / "val/b")
    assert found.visible.tolist() == [True, True, False, True]
    assert found.truth[2].tolist() == [0, 0, 0, 0]
    (root / "val/b/cover.label").write_text("8\n0\n8\n8\n")
    assert layout.read_sequence(root / "val/b").visible.tolist() == [True, False, False, True]


def test_images_are_known_under_any_name(root, tmp_path):
    shutil.copytree(root / "val/b", root / "val/copy")
    (root / "val/copy/groundtruth.txt").write_text("2 2 3 4\n" * 4)
    first, copy = layout.read_sequence(root / "val/b"), layout.read_sequence(root / "val/copy")
    assert image_digest(first) == image_digest(copy)
    last = copy.frames[-1]
    last.write_bytes(last.read_bytes()[:-2] + b"\xff\xd9\0")
    assert image_digest(first) != image_digest(copy)


def test_numbering_may_start_at_zero(root):
    folder = root / "val/a"
    (folder / "00000004.jpg").rename(folder / "00000000.jpg")
    assert layout.list_frames(folder)[0].name == "00000000.jpg"


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("progressive", [0, 1])
def test_image_size_from_the_header(tmp_path, suffix, progressive):
    path = tmp_path / f"x{suffix}"
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive] if suffix == ".jpg" else []
    cv2.imwrite(str(path), np.zeros((33, 57, 3), np.uint8), options)
    assert layout.image_size(path) == (57, 33)


def test_the_tables_of_yaml_build_the_data_sets(root):
    section = {"target": "harness.datasets.folder.Folder", "name": "folder", "root": str(root), "split": "val"}
    assert isinstance(build(section, Dataset, "dataset"), Folder)
    with pytest.raises(ConfigError, match=r"dataset\.limit"):
        build({**section, "limit": "two"}, Dataset, "dataset")
    with pytest.raises(ConfigError, match=r"dataset\.split is 'train'.*val, test"):
        build({**section, "target": "harness.datasets.got10k.GOT10k", "split": "train"}, Dataset, "dataset")


# ------------------------------------------------------------------------------------------- digest


def test_digest_follows_what_is_used(root):
    digest = val(root).digest()
    assert digest == val(root).digest()
    assert len(digest) == 64
    assert val(root, limit=2).digest() != digest
    copy = root.parent / "copy"
    shutil.copytree(root, copy)
    assert val(copy).digest() == digest  # the place does not matter
    (copy / "val/c/groundtruth.txt").write_text(lines(BOXES + 1))
    assert val(copy).digest() != digest


@pytest.mark.parametrize("change", ["image", "label", "meta"])
def test_digest_sees_every_part(root, change):
    digest = val(root).digest()
    file = {"image": "00000002.jpg", "label": "cover.label", "meta": "meta_info.ini"}[change]
    path = root / "val/a" / file
    old = path.read_bytes()
    path.write_bytes(old + b"\0" if change == "image" else old.replace(b"8", b"7").replace(b"cat", b"dog"))
    assert val(root).digest() != digest


# ------------------------------------------------------------------------------------------- faults


def test_missing_data_sets_say_what_to_do(root, monkeypatch):
    with pytest.raises(DataError, match=r"dataset\.root is not set"):
        Folder()
    with pytest.raises(DataError, match=r"nowhere/val does not exist; set dataset\.root"):
        Folder(root="nowhere", split="val")
    with pytest.raises(DataError, match=r"has the splits test, val: set dataset\.split"):
        Folder(root=str(root))
    monkeypatch.delenv("GOT10K_ROOT", raising=False)
    with pytest.raises(DataError, match=r"GOT10K_ROOT.*registration at http"):
        GOT10k()
    with pytest.raises(DataError, match=r"nowhere/val does not exist.*registration at http"):
        GOT10k(root="nowhere")


def test_got10k_finds_its_root_in_the_environment(root, monkeypatch):
    monkeypatch.setenv("GOT10K_ROOT", str(root))
    assert len(list(GOT10k())) == 3
    assert not GOT10k(split="test").has_truth


def _remove(*names: str):
    def change(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return change


def _write(name: str, text: str):
    def change(folder: Path) -> None:
        (folder / name).write_text(text)

    return change


def _rename(old: str, new: str):
    def change(folder: Path) -> None:
        (folder / old).rename(folder / new)

    return change


FAULTS = {
    "missing frame": (_remove("00000002.jpg"), r"val/a lacks 00000002\.jpg; restore"),
    "missing frames": (_remove("00000001.jpg", "00000003.jpg"), r"val/a lacks 00000001\.jpg, 00000003\.jpg;"),
    "missing last frame": (_remove("00000004.jpg"), r"groundtruth\.txt is longer than the sequence: 4 lines for 3"),
    "no frames": (_remove(*(f"0000000{n}.jpg" for n in (1, 2, 3, 4))), "val/a holds no images"),
    "frame of a huge number": (_rename("00000004.jpg", f"{'9' * 30}.jpg"), "0{22}00000004.jpg, .* more; restore"),
    "frame twice": (_rename("00000004.jpg", "0003.jpg"), "holds frame 3 twice"),
    "strange image": (_rename("00000004.jpg", "last.jpg"), r"last\.jpg is not a frame's name"),
    "no truth": (_remove("groundtruth.txt"), r"groundtruth\.txt is missing"),
    "short truth": (_write("groundtruth.txt", lines(BOXES[:3])), "is shorter than the sequence: 3 lines for 4 frames"),
    "first box alone": (_write("groundtruth.txt", lines(BOXES[:1])), "1 lines for 4 frames .*split test"),
    "long truth": (_write("groundtruth.txt", lines([*BOXES, BOXES[0]])), "is longer than the sequence: 5 lines for 4"),
    "empty truth": (_write("groundtruth.txt", ""), "0 numbers a line"),
    "words": (_write("groundtruth.txt", "1,2,3,four\n" * 4), r"groundtruth\.txt, line 1: .*four"),
    "three numbers": (_write("groundtruth.txt", "1,2,3\n" * 4), "3 numbers a line; a box is four"),
    "ragged": (_write("groundtruth.txt", "1,2,3,4\n1,2,3\n" * 2), r"line 2: 3 numbers where line 1 has 4"),
    "nan": (_write("groundtruth.txt", "1,2,3,4\n" * 3 + "nan,2,3,4\n"), "line 4: the box is neither four finite numbers nor"),
    "first nan": (_write("groundtruth.txt", "nan,nan,nan,nan\n" + "1,2,3,4\n" * 3), "line 1: the first box must be finite"),
    "no width": (_write("groundtruth.txt", "1,2,0,4\n" * 4), "line 1: the first box must be finite, with positive"),
    "short label": (_write("cover.label", "8\n8\n8\n"), r"cover\.label has 3 lines for 4 frames"),
    "long label": (_write("absence.label", "0\n" * 5), r"absence\.label has 5 lines for 4 frames"),
    "label of words": (_write("cut_by_image.label", "no\n" * 4), r"cut_by_image\.label, line 1"),
    "resolution": (_write("meta_info.ini", "[METAINFO]\nresolution: 16x12\n"), r"resolution is '16x12'; expected"),
    "no image": (lambda folder: (_remove("meta_info.ini")(folder), _write("00000001.jpg", "x")(folder)), "neither a JPEG"),
    "no folder": (shutil.rmtree, r"val/a does not exist; the list names"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_named_before_the_first_sequence(root, fault):
    change, message = FAULTS[fault]
    change(root / "val/a")
    with pytest.raises(DataError, match=message):
        next(iter(val(root)))  # b, which is whole, comes first


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a\nb\na\n", "names a twice"),
        ("a\n../b\n", r"line 2: '\.\./b' is not a folder's name"),
    ],
)
def test_faulty_lists(root, text, message):
    (root / "val/list.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        val(root)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sequences": ["d"]}, "'d' matches none of the 3 sequences"),
        ({"sequences": []}, "is empty"),
        ({"limit": 0}, r"dataset\.limit is 0"),
    ],
)
def test_faulty_filters(root, settings, message):
    with pytest.raises(DataError, match=message):
        val(root, **settings)


def test_a_test_split_is_with_truth_or_without(root):
    write_sequence(root / "test/b", BOXES)
    write_list(root / "test", ["a", "b"])
    with pytest.raises(DataError, match="has the first box alone, while other sequences"):
        list(Folder(root=str(root), split="test"))


@pytest.mark.shared
def test_the_real_sequences(shared):
    dataset = Folder(root=str(shared / "real"), split="val")
    found = list(dataset)
    assert len(found) == 12
    assert sum(map(len, found)) == 1396
    assert dataset.has_truth
    assert all(layout.image_size(sequence.frames[0]) == sequence.size for sequence in found)
