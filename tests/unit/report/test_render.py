"""Boxes on frames: the right colours in the right places, a film that can be read, sheets of even size."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import make_runs
import numpy as np
import pytest

from harness.core.errors import ConfigError, DataError
from harness.report import looks, render
from harness.report.sources import load

FRAMES, SIZE = 30, (400, 240)


def make_frames(root: Path) -> dict[str, Any]:
    """A data set of grey frames for the first two sequences of a made run, and its configuration section."""
    names = [f"seq_{index:03d}" for index in range(2)]
    for index, name in enumerate(names):
        folder = root / name
        folder.mkdir(parents=True)
        for frame in range(FRAMES):
            cv2.imwrite(str(folder / f"{frame + 1:08d}.jpg"), np.full((SIZE[1], SIZE[0], 3), 128, np.uint8))
        boxes = make_runs.truth_of(index, FRAMES)
        (folder / "groundtruth.txt").write_text("".join(",".join(f"{v:.3f}" for v in box) + "\n" for box in boxes))
        (folder / "meta_info.ini").write_text(f"[METAINFO]\nresolution: ({SIZE[0]}, {SIZE[1]})\n")
        for label in ("absence", "cover", "cut_by_image"):
            (folder / f"{label}.label").write_text(("8\n" if label == "cover" else "0\n") * FRAMES)
    (root / "list.txt").write_text("\n".join(names) + "\n")
    return {"name": "folder", "target": "harness.datasets.folder.Folder", "root": str(root), "split": "",
            "sequences": None, "limit": None}  # fmt: skip


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    section = make_frames(tmp_path / "data")
    for backend in ("torch", "onnx"):
        make_runs.make_job(tmp_path / backend, backend, frames=FRAMES, sequences=2, noise_px=1.0, config={"dataset": section})
    return [tmp_path / "torch", tmp_path / "onnx"]


def test_film_and_sheet(runs: list[Path], tmp_path: Path) -> None:
    film, sheet = render.render([load(folder) for folder in runs], "seq_001", tmp_path / "out")
    capture = cv2.VideoCapture(str(film))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES
    done, image = capture.read()
    assert done
    assert image.shape == (288, 480, 3)  # enlarged to 480 wide, of even size
    picture = cv2.imread(str(sheet))
    assert picture is not None
    assert picture.shape == (3 * 240, 4 * 400, 3)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["seq_001.mp4", "seq_001.png"]


def test_boxes_stand_where_the_run_has_them(runs: list[Path]) -> None:
    job = load(runs[1])
    source = render.find_sequence(job, "seq_000")
    assert job.frames is not None
    box = job.frames[(job.frames["sequence"] == "seq_000") & (job.frames["frame"] == 7)].iloc[0]
    color = np.array([round(255 * part) for part in looks.styles([job])[job.folder].color][::-1])
    picture = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
    own = [layer for layer in render._layers([job], source) if layer.name != "truth"]
    render.draw(picture, source, own, 7, 1.0)
    x, y = round(box["x"]), round(box["y"] + box["h"] / 2)
    near = picture[y, x - 2 : x + 3].astype(int)  # across the middle of the box's left edge
    assert (np.abs(near - color).sum(axis=1) < 30).any()
    inside = picture[y, x + 10].astype(int)
    outside = picture[220, 20].astype(int)
    assert (inside == 128).all()
    assert (outside == 128).all()
    render.draw(picture, source, render._layers([job], source), 7, 1.0)
    assert source.truth is not None
    corner = np.round(source.truth[7]).astype(int)
    assert (picture[corner[1] + corner[3] // 2, corner[0]] > 200).all()  # the truth is white and on top


def test_without_ffmpeg_the_film_is_made_all_the_same(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    film, _ = render.render([load(runs[0])], "seq_000", tmp_path / "out")
    assert cv2.VideoCapture(str(film)).get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES


def test_what_cannot_be_drawn_is_reported(runs: list[Path], tmp_path: Path) -> None:
    job = load(runs[0])
    with pytest.raises(DataError, match="'seq_009' is not among"):
        render.render([job], "seq_009", tmp_path / "out")
    with pytest.raises(ConfigError, match="no run"):
        render.render([], "seq_000", tmp_path / "out")
    job.results.config["dataset"] = {"name": "gone"}
    with pytest.raises(DataError, match="names no data set"):
        render.render([job], "seq_000", tmp_path / "out")


def test_worst_and_median(runs: list[Path]) -> None:
    job = load(runs[0])
    for index, (name, value) in enumerate([("a", 0.9), ("b", 0.2), ("c", 0.5)]):
        job.results.sequences[name] = {"frames": float(index), "ao": value}
    job.results.sequences = {name: job.results.sequences[name] for name in "abc"}
    assert render.notable(job) == {"worst": "b", "median": "c"}
    job.results.scoring["random_weights"] = True
    assert render.notable(job) == {}


def test_a_jobs_own_pictures(runs: list[Path], tmp_path: Path) -> None:
    names = sorted(load(runs[0]).results.sequences.items(), key=lambda item: item[1]["ao"])
    found = render.job_sheets(load(runs[0]), tmp_path / "here")
    assert found == [tmp_path / f"here/worst_{names[0][0]}.jpg", tmp_path / f"here/median_{names[1][0]}.jpg"]
    assert all(cv2.imread(str(path)) is not None for path in found)


@pytest.mark.parametrize(("name", "stem"), [("a/../../b", "a_.._.._b-"), ("..", "sequence-"), ("ok-1.x", "ok-1.x")])
def test_no_name_leaves_the_folder(name: str, stem: str) -> None:
    assert render._safe(name).startswith(stem)
    assert set(render._safe(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.-")


def test_names_that_differ_in_signs_alone_get_files_of_their_own() -> None:
    assert len({render._safe(name) for name in ("a b", "a_b", "a/b", "a:b")}) == 4


def test_a_sequence_that_the_data_set_lacks_is_told_before_anything_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(*arguments: object) -> None:
        raise AssertionError("the demo data set was drawn")

    monkeypatch.setattr("harness.datasets.demo.dataset.generate", drawn)
    make_runs.make_job(tmp_path / "run", sequences=1, frames=5)
    with pytest.raises(DataError, match="has no images in the data set demo"):
        render.find_sequence(load(tmp_path / "run"), "seq_000")
