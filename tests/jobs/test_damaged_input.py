"""Damaged models, caches, clips, images and annotations: each is named, made anew, or read as it is meant; none is used in silence."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import SUPPORT, harness, with_cache
from patch_sequences import patch_clip, patch_frames, patch_sequence, patch_split

from harness.core.results import Results

OWN = ("--config-dir", SUPPORT / "own", "tracker=standing", "backend=onnx", "mlflow=off")
BOM = b"\xef\xbb\xbf"


@pytest.fixture
def place(tmp_path: Path, prepared: Path) -> Path:
    return with_cache(tmp_path, prepared)


def ao(folder: Path) -> float:
    return float(Results.load(folder).metrics["ao"])


# ------------------------------------------------------------------------------- prepared models


def run_demo(place: Path, folder: str, *more: str) -> tuple[float, str]:
    """The usual job (smat_demo, OpenVINO) over ``base``: its AO and what was said."""
    words = ("dataset=folder", "dataset.root=base", "mlflow=off", f"hydra.run.dir={folder}", *more)
    done = harness(*words, cwd=place, HARNESS_PROGRESS="lines")
    assert done.returncode == 0, done.stderr
    return ao(place / folder), done.stderr


def zeroed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    path.write_bytes(data)


def shortened(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_prepared_model_that_was_damaged_is_made_anew_with_a_notice(tmp_path: Path) -> None:
    patch_split(tmp_path / "base")
    quick = "prepare.exporter=torchscript"  # the cache is the test's own
    sound, _ = run_demo(tmp_path, "sound", quick)
    assert sound > 0.7
    for harm in (zeroed, shortened):
        (weights,) = (tmp_path / "outputs/cache/artifacts").glob("*/search.bin")
        harm(weights)
        found, told = run_demo(tmp_path, harm.__name__, quick)
        assert found == sound
        assert "search.bin" in told and "damaged" in told and "prepared again" in told


@pytest.mark.shared
def test_the_demo_tracker_has_its_known_accuracy_on_the_shared_recipes_frames(
    shared: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(shared / "cases"))
    monkeypatch.chdir(place)
    import gen  # type: ignore[import-not-found]

    gen.split("base", ["alpha", "beta"])
    sys.modules.pop("gen")
    found, _ = run_demo(place, "it")
    assert found == pytest.approx(0.7484, abs=2e-3)  # the same with tracker.rewrites=none, attention and all


# ---------------------------------------------------------------------------------------- clips


def track_clip(place: Path, clip: str, folder: str) -> tuple[Results, str]:
    done = harness(
        *OWN, "dataset=video", f"dataset.path={clip}", "dataset.init_box=[20,30,30,30]", f"hydra.run.dir={folder}", cwd=place,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Results.load(place / folder), done.stderr


@pytest.mark.parametrize(("name", "codec", "share"), [("a.avi", "MJPG", 0.5), ("long walk.avi", "XVID", 0.55), ("b.avi", "MJPG", 0.8)])
def test_a_cut_clip_is_tracked_with_a_warning_that_names_both_numbers(place: Path, name: str, codec: str, share: float) -> None:
    whole = patch_clip(place / "whole.avi", codec, 20).read_bytes()
    (place / name).write_bytes(whole[: int(len(whole) * share)])
    found, told = track_clip(place, name, "cut")
    frames = int(found.dataset["frames"])
    assert 0 < frames < 20
    assert f"{frames} frames were decoded of the 20 that the clip announces" in told
    assert any("announces" in warning for warning in found.warnings)


def test_a_whole_clip_has_no_warning_of_that_kind(place: Path) -> None:
    patch_clip(place / "whole.mp4", "mp4v", 20)
    found, told = track_clip(place, "whole.mp4", "whole")
    assert found.dataset["frames"] == 20 and "announces" not in told


def test_cached_frames_of_a_clip_that_were_lost_are_decoded_again(tmp_path: Path, prepared: Path) -> None:
    patch_clip(tmp_path / "walk.mp4", "mp4v", 20)
    words = [*OWN, f"prepare.cache={prepared}", "dataset=video", "dataset.path=walk.mp4", "dataset.init_box=[20,30,30,30]"]
    assert harness(*words, "hydra.run.dir=one", cwd=tmp_path).returncode == 0
    for number in (10, 11):
        next((tmp_path / "outputs/cache/video").glob(f"*/{number:08d}.png")).unlink()
    done = harness(*words, "hydra.run.dir=two", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    one, two = (Results.load(tmp_path / name) for name in ("one", "two"))
    assert one.dataset["frames"] == two.dataset["frames"] == 20
    assert one.dataset["digest"] == two.dataset["digest"]


# --------------------------------------------------------------------------------------- images


@pytest.mark.parametrize("place_in_file", [0.4, 0.5, 0.6])
def test_a_jpeg_with_garbage_inside_is_a_fault_with_its_name(place: Path, place_in_file: float) -> None:
    patch_split(place / "data set", ["Çeşme", "two"])
    path = place / "data set/two/00000005.jpg"
    data = bytearray(path.read_bytes())
    start = int(len(data) * place_in_file)
    data[start : start + 600] = bytes(min(600, len(data) - start))
    path.write_bytes(data)
    done = harness("check-dataset", "data set", cwd=place)
    assert done.returncode == 1
    assert "two/00000005.jpg" in done.stderr and "1 faults" in done.stdout
    assert "To fix it: restore the files named above" in done.stdout and "GOT-10k" not in done.stdout
    run = harness(*OWN, "dataset=folder", "dataset.root=data set", "hydra.run.dir=it", cwd=place)
    assert run.returncode == 2 and "two/00000005.jpg" in run.stderr


@pytest.mark.parametrize("tail", [bytes(6000), b"\xff" * 100, b"camera data " * 40])
def test_a_sound_jpeg_with_a_tail_is_read(place: Path, tail: bytes) -> None:
    patch_split(place / "base", ["alpha"])
    path = place / "base/alpha/00000003.jpg"
    path.write_bytes(path.read_bytes() + tail)
    assert harness("check-dataset", "base", cwd=place).returncode == 0
    done = harness(*OWN, "dataset=folder", "dataset.root=base", "hydra.run.dir=it", cwd=place)
    assert done.returncode == 0, done.stderr


def test_frames_of_other_sizes_and_a_wrong_resolution_are_reported_by_a_run(place: Path) -> None:
    patch_split(place / "base", ["alpha", "beta", "gamma"])
    for number in (6, 7):
        path = place / f"base/beta/{number:08d}.jpg"
        cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (200, 120)))
    (place / "base/gamma/meta_info.ini").write_text("[METAINFO]\nresolution: (320, 240)\n")
    done = harness(*OWN, "dataset=folder", "dataset.root=base", "hydra.run.dir=it", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "beta: 2 of 8 frames are not 160x120 (frame 6 is 200x120)" in done.stderr
    assert "gamma: 8 of 8 frames are not 320x240 (frame 1 is 160x120)" in done.stderr
    assert "alpha" not in " ".join(Results.load(place / "it").warnings)


# ---------------------------------------------------------------------------------- annotations


@pytest.mark.parametrize("absent", ["0,0,0,0", "-1,-1,-1,-1", "5,5,-3,4", "0 0 0 0"])
def test_truth_without_area_is_reported_by_the_check_and_by_a_run(place: Path, absent: str) -> None:
    patch_split(place / "base")
    path = place / "base/alpha/groundtruth.txt"
    rows = path.read_text().splitlines()
    if " " in absent:
        rows = [row.replace(",", " ") for row in rows]
    rows[3:5] = [absent, absent]
    path.write_text("\n".join(rows) + "\n")
    checked = harness("check-dataset", "base", cwd=place)
    assert "2 boxes have no area (the first on line 4)" in checked.stdout
    done = harness(*OWN, "dataset=folder", "dataset.root=base", "hydra.run.dir=it", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "alpha: 2 truth boxes have no area (the first on line 4)" in done.stderr


def test_lines_of_nan_are_noted_and_not_scored(place: Path) -> None:
    patch_split(place / "base")
    path = place / "base/beta/groundtruth.txt"
    rows = path.read_text().splitlines()
    rows[2:4] = ["nan,nan,nan,nan"] * 2
    path.write_text("\n".join(rows) + "\n")
    assert "2 lines are nan (the first is line 3)" in harness("check-dataset", "base", cwd=place).stdout
    done = harness(*OWN, "dataset=folder", "dataset.root=base", "hydra.run.dir=it", cwd=place)
    assert done.returncode == 0, done.stderr
    assert Results.load(place / "it").dataset["scored_frames"] == 2 * 7 - 2


@pytest.mark.parametrize("box", ["500,400,30,30", "-60,10,30,30", "20,120,30,30"])
def test_a_first_box_outside_the_image_is_found_before_anything_runs(place: Path, box: str) -> None:
    patch_split(place / "base")
    path = place / "base/alpha/groundtruth.txt"
    path.write_text("\n".join([box, *path.read_text().splitlines()[1:]]) + "\n")
    checked = harness("check-dataset", "base", cwd=place)
    assert checked.returncode == 1 and "alpha/groundtruth.txt, line 1" in checked.stderr
    done = harness(*OWN, "dataset=folder", "dataset.root=base", "hydra.run.dir=it", cwd=place)
    assert done.returncode == 2
    assert "alpha" in done.stderr and "outside the image" in done.stderr
    assert not (place / "it/tracks").exists()


@pytest.mark.parametrize("name", ["list.txt", "alpha/groundtruth.txt", "beta/cover.label", "beta/meta_info.ini"])
def test_a_byte_order_mark_is_read_over(place: Path, name: str) -> None:
    patch_split(place / "base")
    (place / "base/beta/cover.label").write_text("8\n" * 8)
    (place / "base/beta/meta_info.ini").write_text("[METAINFO]\r\nresolution: (160, 120)\r\n")
    words = [*OWN, "dataset=folder", "dataset.root=base"]
    plain = harness(*words, "hydra.run.dir=plain", cwd=place)
    assert plain.returncode == 0, plain.stderr
    (place / "base" / name).write_bytes(BOM + (place / "base" / name).read_bytes())
    marked = harness(*words, "hydra.run.dir=marked", cwd=place)
    assert marked.returncode == 0, marked.stderr
    assert ao(place / "plain") == ao(place / "marked")
    assert harness("check-dataset", "base", cwd=place).returncode == 0


def test_a_byte_order_mark_in_result_files_is_read_over(place: Path) -> None:
    for name, mark in (("A", b""), ("B", BOM)):
        (place / name).mkdir()
        (place / name / "s.txt").write_bytes(mark + b"20,30,30,30\r\n24,32,30,30\r\n")
        (place / name / "s_time.txt").write_bytes(mark + b"0.01\r\n0.01\r\n")
    done = harness("compare", "A", "B", "--fail-if", "agreement/mean_iou < 1", cwd=place)
    assert done.returncode == 0, done.stderr


def test_a_folder_without_a_list_is_checked_as_a_run_reads_it(place: Path) -> None:
    patch_split(place / "clips", ["b", "a"], listed=False, suffix=".png")
    checked = harness("check-dataset", "clips", cwd=place)
    assert checked.returncode == 0, checked.stderr
    assert "2 sequences, 16 frames" in checked.stdout and "list.txt does not exist" in checked.stdout
    done = harness(*OWN, "dataset=folder", "dataset.root=clips", "hydra.run.dir=it", cwd=place)
    assert done.returncode == 0 and list(Results.load(place / "it").sequences) == ["a", "b"]


def test_patches_move_as_their_boxes_say() -> None:
    """What the tests of this file take for granted."""
    (first, box), *_, (last, end) = patch_frames(8)
    assert box == (20, 30, 30, 30) and end == (48, 44, 30, 30)
    np.testing.assert_array_equal(first[30:60, 20:50], last[44:74, 48:78])


def test_a_sequence_of_png_files_with_few_digits_is_read(place: Path) -> None:
    patch_sequence(place / "base/one", ".png", 4)
    done = harness(*OWN, "dataset=folder", "dataset.root=base", "hydra.run.dir=it", cwd=place)
    assert done.returncode == 0, done.stderr
