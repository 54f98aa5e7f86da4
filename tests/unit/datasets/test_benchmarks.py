"""Facts, recognition and checks of published benchmarks' data sets."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from benchmark_folders import MAKERS, boxes, facts, frames, otb, text, uav123_10fps, vot, write
from got10k_folders import tiny_jpeg

from harness.cli.main import main
from harness.core.errors import ConfigError, DataError
from harness.datasets.auto.dataset import Auto, candidates
from harness.datasets.lasot.dataset import Lasot
from harness.datasets.otb.dataset import Otb
from harness.datasets.uav123_10fps.dataset import Uav123At10fps

COUNTS = {"otb": 100, "uav123": 123, "uav123_10fps": 123, "uav20l": 20, "lasot": 1550, "nfs": 100, "dtb70": 70, "tcolor128": 129}


@pytest.mark.parametrize("name", COUNTS)
def test_list_is_whole_and_names_its_source(name: str) -> None:
    assert len(facts(name)) == COUNTS[name]
    content = (resources.files(f"harness.datasets.{name}") / "sequences.csv").read_text(encoding="utf-8")
    assert any(line.startswith("# Source: ") for line in content.splitlines())


@pytest.mark.parametrize(("split", "count"), [("2013", 51), ("50", 50), ("100", 100)])
def test_otbs_lists_have_their_targets(split: str, count: int) -> None:
    assert sum(split in row["lists"].split() for row in facts("otb").values()) == count


@pytest.mark.parametrize(("split", "count"), [("test", 280), ("extension", 150), ("train", 1120)])
def test_lasots_splits_have_their_sequences(split: str, count: int) -> None:
    assert sum(row["split"] == split for row in facts("lasot").values()) == count


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [("David", 300, 770), ("Football1", 1, 74), ("Freeman3", 1, 460), ("Freeman4", 1, 283), ("Diving", 1, 215), ("BlurCar1", 247, 988),
     ("BlurCar3", 3, 359), ("BlurCar4", 18, 397)],
)  # fmt: skip
def test_otbs_special_ranges_are_the_benchmarks(name: str, start: int, end: int) -> None:
    row = facts("otb")[name]
    assert (int(row["start"]), int(row["end"])) == (start, end)


@pytest.mark.parametrize("name", MAKERS)
def test_auto_names_the_layout(name: str, tmp_path: Path) -> None:
    found = Auto(root=str(MAKERS[name](tmp_path / "data")))
    assert found.name == name
    assert found.notes()[0].startswith(f"dataset=auto: {tmp_path / 'data'} has the layout of {name}")
    assert len(list(found)) == len(found) > 0


@pytest.mark.shared
@pytest.mark.parametrize(("folder", "name", "sequences"), [("otb", "otb", 1), ("uav123_10fps", "uav123_10fps", 3)])
def test_auto_names_the_layout_of_real_copies(folder: str, name: str, sequences: int, shared: Path) -> None:
    found = Auto(root=str(shared / "real_layouts" / folder))
    assert (found.name, len(found)) == (name, sequences)


def test_auto_takes_the_only_split_that_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "atv" / "atv-1"
    frames(folder / "img", range(1, 5), 8)
    write(folder / "groundtruth.txt", text(boxes(4)))
    write(folder / "full_occlusion.txt", "0,0,0,0")
    found = Auto(root=str(tmp_path))
    assert (found.name, found.split) == ("lasot", "extension")
    with pytest.raises(DataError, match="holds no sequence of LaSOT"):
        Lasot(root=str(tmp_path))


def test_auto_says_what_it_knows_where_nothing_fits(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has none of the layouts that are known \(dtb70, folder, got10k, lasot"):
        Auto(root=str(tmp_path))
    assert candidates(tmp_path) == []


def test_missing_root_says_where_to_download_the_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dataset.root is not set; OTB has a folder per sequence .* download it from http"):
        Otb()
    with pytest.raises(DataError, match="does not exist; UAV123@10fps has data_seq"):
        Uav123At10fps(root=str(tmp_path / "none"))


@pytest.mark.parametrize("split", ["2012", "all", ""])
def test_unknown_list_is_refused(split: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="accepted: 2013, 50, 100"):
        Otb(root=str(tmp_path), split=split)


@pytest.mark.parametrize("protocol", ["ope", ["ope", "got10k"], "got10k"])
def test_protocols_are_chosen(protocol: str | list[str], tmp_path: Path) -> None:
    otb(tmp_path)
    chosen = Otb(root=str(tmp_path), protocol=protocol).chosen_protocols()
    assert chosen == ((protocol,) if isinstance(protocol, str) else tuple(protocol))


def test_unknown_protocol_is_refused(tmp_path: Path) -> None:
    otb(tmp_path)
    with pytest.raises(ConfigError, match=r"dataset.protocol is 'vot'; accepted: ope, got10k"):
        Otb(root=str(tmp_path), protocol="vot")


def test_attributes_are_the_published_or_the_annotated(tmp_path: Path) -> None:
    frames(tmp_path / "Car4" / "img", range(1, 660))
    write(tmp_path / "Car4" / "groundtruth_rect.txt", text(boxes(659)))
    assert next(iter(Otb(root=str(tmp_path)))).attributes == ()
    assert next(iter(Otb(root=str(tmp_path), attributes="annotated"))).attributes == ("IV", "SV")


def test_digest_changes_with_the_truth(tmp_path: Path) -> None:
    otb(tmp_path)
    before = Otb(root=str(tmp_path)).digest()
    write(tmp_path / "Deer" / "groundtruth_rect.txt", text(boxes(71, 9)))
    assert Otb(root=str(tmp_path)).digest() != before


def test_check_counts_what_is_missing_and_what_is_unusual(tmp_path: Path) -> None:
    otb(tmp_path)
    truth = boxes(71)
    truth[5] = [60, 40, 12, 12]  # reaches over the image's 64x48
    truth[9] = 0
    write(tmp_path / "Deer" / "groundtruth_rect.txt", text(truth))
    checked = Otb(root=str(tmp_path)).check()
    assert (checked.sequences, checked.frames) == (2, 71 + 215)
    assert len(checked.faults) == 1
    assert "lacks 98 of OTB's 100 sequences" in checked.faults[0]
    assert "Deer: 1 of 71 frames have no visible target." in checked.notes
    assert "Deer: 1 boxes reach outside the image." in checked.notes


def test_check_finds_a_first_box_outside_the_image(tmp_path: Path) -> None:
    otb(tmp_path)
    truth = boxes(71)
    truth[0] = [200, 3, 9, 9]
    path = write(tmp_path / "Deer" / "groundtruth_rect.txt", text(truth))
    faults = Otb(root=str(tmp_path)).check(decode=False).faults
    assert f"{path}: Deer: the first box [199, 2, 9, 9] lies outside the image, which is 64x48 pixels." in faults


def test_check_finds_damaged_images_and_faulty_annotations_of_every_sequence(tmp_path: Path) -> None:
    uav123_10fps(tmp_path)
    damaged = tmp_path / "data_seq" / "UAV123_10fps" / "uav2" / "000007.jpg"
    damaged.unlink()
    damaged.write_bytes(tiny_jpeg((64, 48))[:200])
    path = tmp_path / "anno" / "UAV123_10fps" / "bird1_2.txt"
    lines = path.read_text().splitlines()
    write(path, "\n".join([*lines[:3], "1,2,3", *lines[4:]]))
    faults = Uav123At10fps(root=str(tmp_path)).check().faults
    assert any(str(damaged) in fault for fault in faults)
    assert any(f"{path}, line 4: 3 numbers" in fault for fault in faults)


@pytest.mark.parametrize(("make", "code"), [(vot, 0), (otb, 1)])
def test_check_dataset_recognises_the_layout_and_says_where_to_get_it(
    make: object, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make(tmp_path / "data")  # type: ignore[operator]
    assert main(["check-dataset", str(root)]) == code
    told = capsys.readouterr()
    assert f"{root} has the layout of {'VOT' if code == 0 else 'OTB'}" in told.out
    assert ("To fix it: OTB has a folder per sequence" in told.out) == bool(code)


def test_check_dataset_refuses_an_unknown_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    otb(tmp_path)
    assert main(["check-dataset", str(tmp_path), "--layout", "otp"]) == 2
    assert "--layout otp is not a known data set; accepted: " in capsys.readouterr().err


def test_truth_counts_from_0_where_the_benchmark_counts_from_1(tmp_path: Path) -> None:
    otb(tmp_path)
    sequence = next(iter(Otb(root=str(tmp_path))))
    assert sequence.truth is not None
    np.testing.assert_array_equal(sequence.init_box, boxes(71)[0] - [1, 1, 0, 0])
    assert sequence.meta["first_pixel"] == "1"
