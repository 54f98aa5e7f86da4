"""Copies of annotations and folders as people have them: read right, or refused with file and line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from benchmark_folders import boxes, facts, frames, text, uav123_10fps, write

from harness.core.errors import DataError
from harness.datasets.lasot.dataset import Lasot
from harness.datasets.layouts.benchmark import BenchmarkDataset
from harness.datasets.nfs.dataset import Nfs
from harness.datasets.otb.dataset import Otb
from harness.datasets.tcolor128.dataset import TColor128
from harness.datasets.trackingnet.dataset import TrackingNet
from harness.datasets.uav123_10fps.dataset import Uav123At10fps
from harness.datasets.vot.dataset import Vot

COUNT = 71
"""Frames of OTB's Deer."""
TRUTH = boxes(COUNT)
LINES = text(TRUTH).splitlines()


def deer(root: Path, truth: str | bytes, numbers: range = range(1, COUNT + 1), digits: int = 4, suffix: str = ".jpg") -> Path:
    frames(root / "Deer" / "img", numbers, digits, suffix)
    return write(root / "Deer" / "groundtruth_rect.txt", truth)


def with_line(number: int, line: str) -> str:
    """The annotation with line ``number`` (from 1) replaced."""
    return "\n".join([*LINES[: number - 1], line, *LINES[number:]]) + "\n"


# ------------------------------------------------------------------------------ annotations read right

SAME: dict[str, str | bytes] = {
    "commas": text(TRUTH),
    "tabs": text(TRUTH, "\t"),
    "spaces": text(TRUTH, " "),
    "several spaces": text(TRUTH, "   "),
    "commas and spaces": text(TRUTH, ", "),
    "semicolons": text(TRUTH, ";"),
    "tabs and spaces mixed": text(TRUTH, " \t"),
    "CRLF": text(TRUTH, ",", "\r\n"),
    "CR alone": text(TRUTH, ",", "\r"),
    "CRLF and LF mixed": "\r\n".join(LINES[:9]) + "\n" + "\n".join(LINES[9:]) + "\n",
    "no end of the last line": text(TRUTH).rstrip("\n"),
    "blank lines at the end": text(TRUTH) + "\n\n  \n",
    "blank lines at the start": "\n\n" + text(TRUTH),
    "a blank line between": "\n".join([*LINES[:5], "", *LINES[5:]]) + "\n",
    "byte order mark": b"\xef\xbb\xbf" + text(TRUTH).encode(),
    "byte order mark and CRLF": b"\xef\xbb\xbf" + text(TRUTH, ",", "\r\n").encode(),
    "UTF-16": text(TRUTH).encode("utf-16"),
    "a separator at the end of a line": text(TRUTH, ",", ",\n"),
    "spaces around lines": "".join(f"  {line}  \n" for line in LINES),
    "decimals": "".join(",".join(f"{value:.6f}" for value in row) + "\n" for row in TRUTH),
    "exponents": "".join(",".join(f"{value:.8e}" for value in row) + "\n" for row in TRUTH),
    "plus signs": "".join(",".join(f"+{value:g}" for value in row) + "\n" for row in TRUTH),
    "separators differ by line": "".join(
        line.replace(",", between) + "\n" for line, between in zip(LINES, [",", "\t", " "] * 24, strict=False)
    ),
}


@pytest.mark.parametrize("kind", SAME)
def test_annotation_written_otherwise_is_the_same(kind: str, tmp_path: Path) -> None:
    deer(tmp_path, SAME[kind])
    [found] = Otb(root=str(tmp_path))
    assert found.truth is not None
    np.testing.assert_array_equal(found.truth[:, 2:], TRUTH[:, 2:])
    np.testing.assert_array_equal(found.truth[:, :2], TRUTH[:, :2] - 1, "OTB counts pixels from 1")
    assert len(found.frames) == COUNT


# -------------------------------------------------------------------------------- annotations refused

REFUSED: dict[str, tuple[str | bytes, str]] = {
    "a letter": (with_line(4, "1,2,x,4"), "line 4: 'x' was found but a number"),
    "three numbers": (with_line(7, "1,2,3"), "line 7: 3 numbers"),
    "five numbers": (with_line(1, "1,2,3,4,5"), "line 1: 5 numbers"),
    "an empty field": (with_line(9, "1,,3,4"), "line 9: an empty field"),
    "a decimal comma": (with_line(3, "1,5 2,5 3,5 4,5"), "line 3: 8 numbers"),
    "one NaN of four": (with_line(5, "1,NaN,3,4"), "line 5: the box is neither"),
    "infinity": (with_line(6, "1,2,inf,4"), "line 6: 'inf'"),
    "a first box of NaN": (with_line(1, "NaN,NaN,NaN,NaN"), "line 1: the first box"),
    "a first box without a width": (with_line(1, "4,4,0,9"), "line 1: the first box"),
    "an underscore in a number": (with_line(2, "1_0,2,3,4"), "line 2: '1_0'"),
    "a digit of another script": (with_line(2, "٣,2,3,4"), "line 2: '٣'"),
    "a heading": ("x,y,w,h\n" + text(TRUTH), "line 1: 'x'"),
    "a comment": (with_line(8, "# lost"), "line 8: '#'"),
    "a quoted number": (with_line(8, '"1",2,3,4'), "line 8: '\"1\"'"),
    "bytes that are no text": (text(TRUTH[:3]).encode() + b"\xff\xfe\x00\x01\n", "line 4: this is not text"),
    "a zero byte": (text(TRUTH[:2]) + "1,2,\0,4\n", "line 3: the text contains a zero byte"),
    "nothing": ("", "groundtruth_rect.txt is empty"),
    "blank lines alone": ("\n \n", "groundtruth_rect.txt is empty"),
    "one line too many": (text(boxes(COUNT + 1)), "line 72: the annotation has 72 lines"),
    "a line too many after a blank one": ("\n" + text(boxes(COUNT + 1)), "line 73: the annotation has 72 lines"),
    "a line too few": (text(boxes(COUNT - 1)), "line 70: the annotation has 70 lines"),
    "twice as many lines": (text(boxes(2 * COUNT)), "line 72: the annotation has 142 lines"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_annotation_that_could_be_misread_is_refused_with_its_place(kind: str, tmp_path: Path) -> None:
    content, complaint = REFUSED[kind]
    path = deer(tmp_path, content)
    with pytest.raises(DataError) as caught:
        list(Otb(root=str(tmp_path)))
    assert complaint in str(caught.value)
    assert str(path) in str(caught.value)


# --------------------------------------------------------------------------------------------- folders


def folder(change: Callable[[Path], object]) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        deer(root, text(TRUTH))
        change(root / "Deer")

    return make


GOOD_FOLDERS: dict[str, Callable[[Path], object]] = {
    "png": lambda root: deer(root, text(TRUTH), suffix=".png"),
    "JPG in capitals": lambda root: deer(root, text(TRUTH), suffix=".JPG"),
    "jpeg": lambda root: deer(root, text(TRUTH), suffix=".jpeg"),
    "one digit": lambda root: deer(root, text(TRUTH), digits=1),
    "five digits": lambda root: deer(root, text(TRUTH), digits=5),
    "eight digits": lambda root: deer(root, text(TRUTH), digits=8),
    "frames from 0": lambda root: deer(root, text(TRUTH), range(COUNT)),
    "frames from 0 with one digit": lambda root: deer(root, text(TRUTH), range(COUNT), 1),
    "more images than the range": lambda root: deer(root, text(TRUTH), range(1, COUNT + 20)),
    "an annotation for every image": lambda root: deer(root, text(boxes(COUNT + 9)), range(1, COUNT + 10)),
    "cut after frame 30": lambda root: deer(root, text(TRUTH[:30]), range(1, 31)),
    "a folder in small letters": folder(lambda deer: deer.rename(deer.with_name("deer"))),
    "a folder in capitals": folder(lambda deer: deer.rename(deer.with_name("DEER"))),
    "IMG in capitals": folder(lambda deer: (deer / "img").rename(deer / "IMG")),
    "the annotation in capitals": folder(
        lambda deer: (deer / "groundtruth_rect.txt").rename(deer / "GroundTruth_Rect.TXT")
    ),
    "an annotation with a number": folder(
        lambda deer: (deer / "groundtruth_rect.txt").rename(deer / "groundtruth_rect.1.txt")
    ),
    "a folder of frames in a folder of frames": folder(
        lambda deer: shutil.move(str((deer / "img").rename(deer / "old")), str((deer / "img").mkdir() or deer / "img" / "img"))
    ),
    "a line too many that is blank": lambda root: deer(root, text(TRUTH) + " \t\n"),
    "images beside the annotation": folder(
        lambda deer: [path.rename(deer / path.name) for path in (deer / "img").iterdir()] and (deer / "img").rmdir()
    ),
    "one folder deeper": folder(
        lambda deer: shutil.move(str(deer), str((deer.parent / "OTB100").mkdir() or deer.parent / "OTB100" / "Deer"))
    ),
    "files that macOS leaves": folder(lambda deer: write(deer / "img" / "._0001.jpg", b"x")),
    "a file that Windows leaves": folder(lambda deer: write(deer / "img" / "Thumbs.db", b"x")),
    "another annotation that is empty": folder(lambda deer: write(deer / "groundtruth_rect.2.txt", "")),
}


@pytest.mark.parametrize("kind", GOOD_FOLDERS)
def test_folder_arranged_otherwise_is_the_same(kind: str, tmp_path: Path) -> None:
    GOOD_FOLDERS[kind](tmp_path)
    [found] = Otb(root=str(tmp_path))
    assert found.name == "Deer"
    assert found.truth is not None
    assert len(found.truth) == len(found.frames) == (30 if kind.startswith("cut") else COUNT)
    expected = boxes(COUNT + 9) if kind == "an annotation for every image" else TRUTH
    np.testing.assert_array_equal(found.truth[:30, 2:], expected[:30, 2:])
    numbers = [int(path.stem) for path in found.frames]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def lose(number: int) -> Callable[[Path], None]:
    return folder(lambda deer: (deer / "img" / f"{number:04d}.jpg").unlink())


BAD_FOLDERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a frame is missing": (lose(33), "lacks 0033.jpg"),
    "the first frame is missing": (lose(1), "lacks 0001.jpg"),
    "the last frame is missing": (lose(71), "lacks 0071.jpg"),
    "a frame is there twice": (folder(lambda deer: write(deer / "img" / "5.jpg", b"x")), "frame 5 twice"),
    "a name that is no number": (folder(lambda deer: write(deer / "img" / "cover.jpg", b"x")), "cover.jpg is not a frame's name"),
    "no images": (folder(lambda deer: shutil.rmtree(deer / "img")), "holds no images"),
    "frames 0 to 71": (lambda root: deer(root, text(TRUTH), range(COUNT + 1)), "one too many"),
    "cut annotation, whole folder": (lambda root: deer(root, text(TRUTH[:30])), "0031.jpg is there"),
    "two annotations": (
        folder(
            lambda deer: [
                shutil.copy(deer / "groundtruth_rect.txt", deer / f"groundtruth_rect.{number}.txt") for number in (1, 2)
            ]
            and (deer / "groundtruth_rect.txt").unlink()
        ),
        "none is called groundtruth_rect.txt",
    ),
    "two folders that differ in case": (
        folder(lambda deer: shutil.copytree(deer, deer.with_name("DEER"))),
        "which are one sequence's name",
    ),
    "no annotation": (folder(lambda deer: (deer / "groundtruth_rect.txt").unlink()), "holds no sequence of OTB"),
    "an image that is none": (folder(lambda deer: damage(deer / "img" / "0001.jpg")), "is neither a JPEG nor a PNG"),
}


def damage(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"GIF89a")


@pytest.mark.parametrize("kind", BAD_FOLDERS)
def test_folder_that_could_be_misread_is_refused(kind: str, tmp_path: Path) -> None:
    make, complaint = BAD_FOLDERS[kind]
    make(tmp_path)
    with pytest.raises(DataError) as caught:
        list(Otb(root=str(tmp_path)))
    assert complaint in str(caught.value)
    assert str(tmp_path) in str(caught.value)


# ------------------------------------------------------------------------------------- other benchmarks


def first(dataset: BenchmarkDataset) -> tuple[np.ndarray, np.ndarray, list[str]]:
    found = next(iter(dataset))
    assert found.truth is not None
    assert found.visible is not None
    return found.truth, found.visible, [path.name for path in found.frames]


def test_otb_david_takes_frames_300_to_770_of_a_whole_and_of_a_cut_folder(tmp_path: Path) -> None:
    truth = boxes(770)
    for name, numbers, lines in (
        ("whole", range(1, 771), truth[299:]),
        ("annotated throughout", range(1, 771), truth),
        ("range alone", range(300, 771), truth[299:]),
        ("numbered anew", range(1, 472), truth[299:]),
        ("from 0", range(770), truth[299:]),
    ):
        root = tmp_path / name
        frames(root / "David" / "img", numbers)
        write(root / "David" / "groundtruth_rect.txt", text(lines))
        found, _, names = first(Otb(root=str(root)))
        np.testing.assert_array_equal(found[:, 2:], truth[299:, 2:], name)
        assert len(names) == 471, name
        wanted = {"numbered anew": "0001.jpg", "from 0": "0299.jpg"}.get(name, "0300.jpg")
        assert names[0] == wanted, name


def test_otb_tiger1_starts_at_frame_6(tmp_path: Path) -> None:
    frames(tmp_path / "Tiger1" / "img", range(1, 355))
    write(tmp_path / "Tiger1" / "groundtruth_rect.txt", text(boxes(354)))
    found, _, names = first(Otb(root=str(tmp_path)))
    assert len(found) == 349
    assert names[0] == "0006.jpg"
    assert len(first(Otb(root=str(tmp_path), omit=False))[0]) == 354


@pytest.mark.parametrize("names", [("Jogging", "Jogging"), ("Jogging-1", "Jogging-2"), ("jogging_1", "jogging_2")])
def test_otb_jogging_has_two_targets(names: tuple[str, str], tmp_path: Path) -> None:
    for number, name in enumerate(names, 1):
        if not (tmp_path / name).exists():
            frames(tmp_path / name / "img", range(1, 308))
        single = names[0] != names[1]
        write(tmp_path / name / f"groundtruth_rect{'' if single else f'.{number}'}.txt", text(boxes(307, number)))
    found = list(Otb(root=str(tmp_path)))
    assert [item.name for item in found] == ["Jogging-1", "Jogging-2"]
    for number, item in enumerate(found, 1):
        assert item.truth is not None
        np.testing.assert_array_equal(item.truth[:, 2:], boxes(307, number)[:, 2:])


def test_otb_human4_takes_the_second_target_and_passes_over_the_empty_file(tmp_path: Path) -> None:
    frames(tmp_path / "Human4" / "img", range(1, 668))
    write(tmp_path / "Human4" / "groundtruth_rect.1.txt", "")
    write(tmp_path / "Human4" / "groundtruth_rect.2.txt", text(boxes(667, 2)))
    assert [item.name for item in Otb(root=str(tmp_path))] == ["Human4-2"]


def test_uav_sequences_are_ranges_of_one_folder(tmp_path: Path) -> None:
    uav123_10fps(tmp_path)
    found = {item.name: item for item in Uav123At10fps(root=str(tmp_path))}
    start, end = (int(facts("uav123_10fps")["bird1_2"][key]) for key in ("start", "end"))
    assert found["bird1_2"].frames[0].name == f"{start:06d}.jpg"
    assert found["bird1_2"].frames[-1].name == f"{end:06d}.jpg"
    assert found["bird1_1"].frames[0].parent == found["bird1_2"].frames[0].parent


def test_uav_nan_is_an_absent_target(tmp_path: Path) -> None:
    uav123_10fps(tmp_path)
    path = tmp_path / "anno" / "UAV123_10fps" / "uav2.txt"
    lines = path.read_text().splitlines()
    lines[9] = "NaN,NaN,NaN,NaN"
    write(path, "\n".join(lines) + "\n")
    _, visible, _ = first(Uav123At10fps(root=str(tmp_path), sequences=["uav2"]))
    assert visible.tolist() == [index != 9 for index in range(45)]


def test_uav_cut_copy_is_noted_and_a_short_annotation_of_a_whole_copy_is_refused(tmp_path: Path) -> None:
    uav123_10fps(tmp_path)
    path = tmp_path / "anno" / "UAV123_10fps" / "uav2.txt"
    write(path, "".join(path.read_text().splitlines(True)[:20]))
    with pytest.raises(DataError, match=r"uav2.txt, line 20: the annotation has 20 lines, uav2 has 45 frames, of which 000021.jpg is there"):
        list(Uav123At10fps(root=str(tmp_path), sequences=["uav2"]))
    for number in range(21, 46):
        (tmp_path / "data_seq" / "UAV123_10fps" / "uav2" / f"{number:06d}.jpg").unlink()
    dataset = Uav123At10fps(root=str(tmp_path), sequences=["uav2"])
    assert len(next(iter(dataset))) == 20
    assert "uav2: it is cut: 20 of 45 frames." in dataset.notes()


@pytest.mark.parametrize("between", [",", "\n", " ", ", "])
def test_lasot_flags_are_read_on_one_line_and_on_many(between: str, tmp_path: Path) -> None:
    folder = tmp_path / "airplane" / "airplane-1"
    frames(folder / "img", range(1, 6), 8)
    write(folder / "groundtruth.txt", text(boxes(5)))
    write(folder / "full_occlusion.txt", between.join("01000"))
    write(folder / "out_of_view.txt", between.join("00010"))
    assert first(Lasot(root=str(tmp_path)))[1].tolist() == [True, False, True, False, True]


@pytest.mark.parametrize(("flags", "complaint"), [("0,1,0", "3 flags for 5 frames"), ("0,1,0,2,0", "2 is not a flag")])
def test_lasot_flags_that_do_not_fit_are_refused(flags: str, complaint: str, tmp_path: Path) -> None:
    folder = tmp_path / "airplane-1"
    frames(folder / "img", range(1, 6), 8)
    write(folder / "groundtruth.txt", text(boxes(5)))
    path = write(folder / "full_occlusion.txt", flags)
    with pytest.raises(DataError, match=complaint) as caught:
        list(Lasot(root=str(tmp_path)))
    assert str(path) in str(caught.value)


def test_lasots_toolkit_folder_of_annotations_and_absent_flags_is_enough(tmp_path: Path) -> None:
    write(tmp_path / "annos" / "airplane-1.txt", text(boxes(4)))
    write(tmp_path / "annos" / "absent" / "airplane-1.txt", "0\n1\n0\n0\n")
    [found] = Lasot(root=str(tmp_path), truth_only=True)
    assert found.visible is not None
    assert found.visible.tolist() == [True, False, True, True]


def _bee(root: Path, lines: int, images: int, rate: int = 30) -> Path:
    frames(root / "bee" / str(rate) / "bee", range(1, images + 1), 5)
    rows = boxes(lines)
    content = "".join(f'0 {x:g} {y:g} {x + w:g} {y + h:g} {index} 0 0 0 "bee"\n' for index, (x, y, w, h) in enumerate(rows))
    return write(root / "bee" / str(rate) / "bee.txt", content)


@pytest.mark.parametrize(
    ("lines", "images", "expected", "step"), [(360, 45, 45, 8), (45, 45, 45, 1), (361, 45, 45, 8), (352, 45, 44, 8), (44, 45, 44, 1)]
)
def test_nfs_corners_become_boxes_and_every_eighth_line_is_taken(
    lines: int, images: int, expected: int, step: int, tmp_path: Path
) -> None:
    _bee(tmp_path, lines, images)
    truth, _, names = first(Nfs(root=str(tmp_path)))
    assert len(truth) == len(names) == expected
    np.testing.assert_array_equal(truth, boxes(lines)[::step][:expected])


def test_nfs_240_takes_every_line(tmp_path: Path) -> None:
    _bee(tmp_path, 360, 360, 240)
    assert len(first(Nfs(root=str(tmp_path), split="240"))[0]) == 360


def test_nfs_line_without_the_releases_fields_is_refused(tmp_path: Path) -> None:
    path = _bee(tmp_path, 45, 45)
    lines = path.read_text().splitlines()
    lines[11] = "1 2 3 4"
    write(path, "\n".join(lines))
    with pytest.raises(DataError, match="line 12: the release's ten fields"):
        list(Nfs(root=str(tmp_path)))


def test_nfs_in_pytrackings_layout_is_read(tmp_path: Path) -> None:
    frames(tmp_path / "sequences" / "bee", range(1, 46), 5)
    write(tmp_path / "anno" / "nfs_bee.txt", text(boxes(45), "\t"))
    np.testing.assert_array_equal(first(Nfs(root=str(tmp_path)))[0], boxes(45))


@pytest.mark.parametrize("stated", ["6,20", "6 20", "6\n20\n", "6\t20\r\n"])
def test_tcolor128_takes_the_range_that_the_sequence_states(stated: str, tmp_path: Path) -> None:
    folder = tmp_path / "Hurdle_ce2"
    frames(folder / "img", range(1, 31))
    write(folder / "Hurdle_ce2_gt.txt", text(boxes(15)))
    write(folder / "Hurdle_ce2_frames.txt", stated)
    _, _, names = first(TColor128(root=str(tmp_path)))
    assert (names[0], names[-1]) == ("0006.jpg", "0020.jpg")


def test_trackingnet_test_has_first_boxes_alone_in_the_order_of_numbers(tmp_path: Path) -> None:
    frames(tmp_path / "TEST" / "frames" / "a", range(12), 1)
    write(tmp_path / "TEST" / "anno" / "a.txt", "3,4,5,6\n")
    dataset = TrackingNet(root=str(tmp_path))
    found = next(iter(dataset))
    assert not dataset.has_truth
    assert found.truth is None
    assert found.init_box.tolist() == [3, 4, 5, 6]
    assert [path.name for path in found.frames[-2:]] == ["10.jpg", "11.jpg"]


VOT_LINES = {
    "10,20,30,40": [10, 20, 30, 40],
    "0,0,4,0,4,3,0,3": [0, 0, 4, 3],
    "5.5,1,9.5,2,8,7.25,4,6": [4, 1, 5.5, 6.25],
    "1,1,5,1,3,9": [1, 1, 4, 8],
    "m2,3,4,3,0,12": [2, 3, 4, 3],  # whole mask
    "m2,3,4,3,5,2,5": [3, 4, 2, 1],  # pixels 5 and 6: row 1, columns 1 and 2
    "m2,3,4,3,3,2,7": [2, 3, 4, 2],  # pixels 3 and 4: the end of row 0 and the start of row 1
    "m0,0,5,2,1,2,2,2,3": [0, 0, 3, 2],  # row 0: columns 1 and 2; row 1: columns 0 and 1
}


@pytest.mark.parametrize("line", VOT_LINES)
def test_vot_region_becomes_the_box_that_bounds_it(line: str, tmp_path: Path) -> None:
    write(tmp_path / "list.txt", "one\n")
    frames(tmp_path / "one" / "color", range(1, 4), 8)
    write(tmp_path / "one" / "groundtruth.txt", f"{line}\n1\n{line}\n")
    truth, visible, _ = first(Vot(root=str(tmp_path)))
    np.testing.assert_array_equal(truth[0], VOT_LINES[line])
    assert visible.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("1,2", "2 numbers"),
        ("1,2,3,4,5", "5 numbers"),
        ("1,2,3", "3 numbers"),
        ("1,2 3,4 5,6 7,8", "commas and spaces are mixed"),
        ("1,2,NaN,4,5,6,7,8", "neither numbers nor NaN"),
        ("m1,2,3", "a mask starts with"),
        ("m1,2,3,2,0,9", "runs are 9 pixels, its size is 3x2"),
        ("m1,2,3,2,0,1.5", "whole numbers"),
        ("m1,2,3,2,0,-1", "no run is negative"),
    ],
)
def test_vot_region_that_is_not_one_is_refused(line: str, complaint: str, tmp_path: Path) -> None:
    write(tmp_path / "list.txt", "one\n")
    frames(tmp_path / "one" / "color", range(1, 3), 8)
    path = write(tmp_path / "one" / "groundtruth.txt", f"1,2,3,4\n{line}\n")
    with pytest.raises(DataError) as caught:
        list(Vot(root=str(tmp_path)))
    assert complaint in str(caught.value)
    assert f"{path}, line 2" in str(caught.value)


def test_vot_sequence_file_names_the_channel_and_may_not_lead_outside(tmp_path: Path) -> None:
    write(tmp_path / "list.txt", "one\n")
    frames(tmp_path / "one" / "ir", range(1, 3), 8)
    write(tmp_path / "one" / "groundtruth.txt", "1,2,3,4\n1,2,3,4\n")
    write(tmp_path / "one" / "sequence", "channels.ir=ir/%08d.jpg\nchannel.default=ir\n")
    assert first(Vot(root=str(tmp_path)))[2] == ["00000001.jpg", "00000002.jpg"]
    write(tmp_path / "one" / "sequence", "channels.color=../../ir/%08d.jpg\n")
    with pytest.raises(DataError, match="leads outside the sequence's folder"):
        list(Vot(root=str(tmp_path)))
