"""Scoring of result folders: what they are scored against, and the job that is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from got10k_folders import lines, write_list, write_sequence

from harness.core.errors import DataError, StoreError
from harness.core.files import read_json
from harness.core.interfaces import Track
from harness.core.results import Results, read_frames, write_tracks
from harness.datasets.folder import Folder
from harness.publish.submission.reference import Wanted
from harness.publish.submission.scoring import Scored, score_all, write_job

TRUTH = np.tile([2.0, 2, 8, 8], (5, 1))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split in ("val", "train"):
        for name in (f"{split}_a", f"{split}_b"):
            write_sequence(tmp_path / "data" / split / name, TRUTH)
        write_list(tmp_path / "data" / split, [f"{split}_a", f"{split}_b"])
    return tmp_path / "data"


def results(folder: Path, boxes: np.ndarray = TRUTH, names: tuple[str, ...] = ("val_a", "val_b")) -> Path:
    for name in names:
        write_tracks(folder, [Track(name, boxes, np.array([1.0, 0.1, 0.1, 0.1, 0.1]))])
    return folder


def score(*paths: Path, root: Path | None = None, **more: object) -> list[Scored]:
    drop = bool(more.pop("drop_first_time", False))
    wanted = Wanted(root, more.pop("split", None), more.pop("wanted", None))  # type: ignore[arg-type]
    return score_all(list(paths), wanted, drop)[0]


def test_the_split_is_found_by_its_names(root, tmp_path):
    (found,) = score(results(tmp_path / "mine"), root=root)
    assert found.scores.metrics["ao"] == pytest.approx(1)
    assert found.scores.scored_frames == 8
    assert found.warnings == []
    with pytest.raises(DataError, match=r"has the splits train, val; name the one of .* with --split"):
        score(results(tmp_path / "others", names=("x",)), root=root)


def test_the_data_is_the_evaluations_own(root, tmp_path):
    """Scored results and our own runs over the same data bear the same digest, so they can be compared."""
    against = score_all([results(tmp_path / "mine")], Wanted(root, "val"))[1][0]
    assert against.dataset["digest"] == Folder(root=str(root), split="val").digest()


def test_sequences_must_be_there(root, tmp_path):
    path = results(tmp_path / "mine", names=("val_a",))
    with pytest.raises(DataError, match=r"mine lacks 1 of 2 sequences \(val_b\); complete it"):
        score(path, root=root)
    (found,) = score(path, root=root, wanted=["val_a"])
    assert list(found.scores.sequences) == ["val_a"]


def test_more_sequences_are_left_out_and_reported(root, tmp_path):
    (found,) = score(results(tmp_path / "mine", names=("val_a", "val_b", "zoo")), root=root)
    assert list(found.scores.sequences) == ["val_a", "val_b"]
    assert "1 sequences are not among those to score and are left out (zoo" in found.warnings[0]


def test_lengths_must_fit(root, tmp_path):
    for name in ("val_a", "val_b"):
        write_tracks(tmp_path / "mine", [Track(name, TRUTH[:4], np.full(4, 0.1))])
    with pytest.raises(DataError, match="val_a has 4 boxes for 5 frames"):
        score(tmp_path / "mine", root=root)


def test_truth_alone_has_neither_mask_nor_bounds_and_says_so(tmp_path):
    (tmp_path / "truth/a").mkdir(parents=True)
    (tmp_path / "truth/a/groundtruth.txt").write_text(lines(TRUTH))
    (found,) = score(results(tmp_path / "mine", names=("a",)), root=tmp_path / "truth")
    assert found.scores.metrics["ao"] == pytest.approx(1)
    assert not found.scores.got10k.mask
    assert not found.scores.got10k.bounds
    assert any("No mask is applied to 1 sequences" in warning for warning in found.warnings)
    assert any("No bounds are applied to 1 sequences" in warning for warning in found.warnings)


@pytest.mark.parametrize("images", [True, False])
def test_first_boxes_alone_give_speed_only(tmp_path, images):
    folder = write_sequence(tmp_path / "data/test/a", TRUTH[:1], frames=5)
    if not images:
        for path in [*folder.glob("*.jpg"), *folder.glob("*.label")]:
            path.unlink()
    write_list(tmp_path / "data/test", ["a"])
    (found,) = score(results(tmp_path / "mine", names=("a",)), root=tmp_path / "data")
    assert found.scores.metrics.keys() == {"fps", "fps_got10k"}
    assert any("first boxes alone" in warning for warning in found.warnings)


def test_without_a_data_set_speed_and_agreement(tmp_path):
    moved = TRUTH.copy()
    moved[3:, 2] = 4
    first, second = score(results(tmp_path / "base"), results(tmp_path / "mine", moved))
    assert first.agreement is None
    assert second.scores.metrics.keys() == {"fps", "fps_got10k"}
    assert second.agreement is not None
    assert second.agreement["agreement/mean_iou"] == pytest.approx(0.75)
    assert second.agreement["agreement/identical_boxes"] == pytest.approx(0.5)
    assert second.agreement["sequences"]["val_a"] == {
        "mean_iou": pytest.approx(0.75),
        "first_divergent_frame": 3,
        "first_below_0.5": None,
    }


def test_missing_times_are_reported(root, tmp_path):
    path = results(tmp_path / "mine")
    (path / "val_b/val_b_time.txt").unlink()
    (found,) = score(path, root=root)
    assert "fps" not in found.scores.sequences["val_b"]
    assert any("1 sequences have no times (val_b" in warning for warning in found.warnings)


# ---------------------------------------------------------------------------------------- the job


def job(root: Path | None, path: Path, folder: Path) -> Results:
    scored, references = score_all([path], Wanted(root))
    write_job(scored[0], references[0], folder, False, ["score"])
    return Results.load(folder)


def test_a_job_is_kept(root, tmp_path):
    drawn = TRUTH + np.array([0.123456789, 0, 0, 0])
    (tmp_path / "mine").mkdir()
    for name in ("val_a", "val_b"):
        (tmp_path / f"mine/{name}.txt").write_text("".join(",".join(map(repr, row)) + "\n" for row in drawn.tolist()))
        (tmp_path / f"mine/{name}_time.txt").write_text("0.2\n" * 5)
    found = job(root, tmp_path / "mine", tmp_path / "job")
    assert found.status == "ok"
    assert found.choice("task") == "score"
    assert found.name == found.choice("tracker") == "mine"
    assert found.environment["machine"] == ""  # nobody knows where it was measured
    assert found.metrics["fps"] == pytest.approx(5)
    assert found.metrics["latency_ms/p50"] == pytest.approx(200)
    assert found.dataset["truth"] is True
    assert found.dataset["scored_frames"] == 8
    assert found.scoring["mask"]
    assert len(found.details["success_curve"]) == 101
    frames = read_frames(tmp_path / "job")
    assert len(frames) == 10
    assert frames.loc[frames["scored"], "iou"].mean() == pytest.approx(found.metrics["ao"], abs=1e-12)
    # scoring the kept files again gives the same, to the last digit
    again = job(root, tmp_path / "job", tmp_path / "again")
    assert again.metrics["ao"] == found.metrics["ao"]


def test_own_jobs_keep_what_is_known_of_them(root, tmp_path):
    results(tmp_path / "run/tracks")
    Results(
        id="0",
        name="openvino",
        status="ok",
        config={"backend": {"name": "openvino"}, "tracker": {"name": "smat"}, "mlflow": {"name": "off"}},
        environment={"machine": "m1"},
        scoring={"random_weights": True},
    ).save(tmp_path / "run")
    found = job(root, tmp_path / "run", tmp_path / "job")
    assert (found.name, found.choice("backend"), found.choice("tracker")) == ("openvino", "openvino", "smat")
    assert found.choice("mlflow") == ""
    assert found.environment["machine"] == "m1"
    assert "ao" not in found.metrics  # boxes of random weights mean nothing
    assert found.scoring["random_weights"]
    assert all("ao" not in row for row in found.sequences.values())
    assert read_frames(tmp_path / "job")["iou"].isna().all()


def test_jobs_are_not_overwritten(root, tmp_path):
    path = results(tmp_path / "mine")
    job(root, path, tmp_path / "job")
    with pytest.raises(StoreError, match="already holds a job; choose another folder by --out"):
        job(root, path, tmp_path / "job")


def test_agreement_lies_beside_the_results(root, tmp_path):
    scored, references = score_all([results(tmp_path / "a"), results(tmp_path / "b")], Wanted(root))
    write_job(scored[1], references[1], tmp_path / "job", False, [])
    assert read_json(tmp_path / "job/agreement.json") == {
        "agreement/mean_iou": pytest.approx(1),
        "agreement/identical_boxes": 1.0,
        "agreement/first_divergent_frame": None,
    }
