"""Scores: cases worked by hand, and the official toolkit's own numbers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from got10k_folders import write_list, write_sequence

from harness.core.errors import DataError
from harness.core.interfaces import Sequence, Track
from harness.core.results import read_numbers, write_tracks
from harness.datasets.folder import Folder
from harness.scoring.got10k import Scores, score_tracks
from harness.scoring.speed import fps, latency_summary


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, float)


def sequence(name: str, truth: np.ndarray | None, **more: object) -> Sequence:
    first = np.zeros(4) if truth is None else truth[0]
    return Sequence(name, (), first, truth=truth, **more)  # type: ignore[arg-type]


def track(name: str, rows: np.ndarray, seconds: object = 0.1, repetition: int = 1) -> Track:
    return Track(name, rows, np.broadcast_to(np.asarray(seconds, float), len(rows)), repetition=repetition)


# ------------------------------------------------------------------------------------------ scoring


def test_first_frame_and_covered_frames_do_not_count():
    truth = boxes((0, 0, 10, 10), (0, 0, 10, 10), (0, 0, 10, 10), (0, 0, 10, 10))
    found = score_tracks(
        [track("a", boxes((50, 50, 1, 1), (0, 0, 10, 10), (50, 50, 1, 1), (0, 0, 10, 5)))],
        [sequence("a", truth, visible=np.array([True, True, False, True]))],
    )
    assert found.scored_frames == 2
    assert found.metrics["ao"] == pytest.approx(0.75)
    assert found.metrics["sr50"] == 0.5
    assert np.isnan(found.ious["a", 1][0])
    assert found.ious["a", 1][2] == 0  # covered: an overlap, but not scored
    assert found.scored["a", 1].tolist() == [False, True, False, True]
    assert found.sequences["a"]["frames"] == 4
    assert found.sequences["a"]["scored_frames"] == 2


def test_frames_are_pooled_not_averaged_by_sequence():
    long, short = np.tile([0.0, 0, 10, 10], (4, 1)), np.tile([0.0, 0, 10, 10], (2, 1))
    missed = np.tile([90.0, 90, 1, 1], (2, 1))
    found = score_tracks([track("a", long), track("b", missed)], [sequence("a", long), sequence("b", short)])
    assert found.metrics["ao"] == pytest.approx(3 / 4)
    assert {name: row["ao"] for name, row in found.sequences.items()} == pytest.approx({"a": 1.0, "b": 0.0})


def test_what_is_scored_is_what_ships():
    truth = boxes((0, 0, 1, 1), (0, 0, 0.001, 1))
    drawn = boxes((0, 0, 1, 1), (0, 0, 0.0014, 1))  # ships as 0.001
    assert score_tracks([track("a", drawn)], [sequence("a", truth)]).metrics["ao"] == pytest.approx(1)
    raw = score_tracks([track("a", drawn)], [sequence("a", truth)], as_shipped=False)
    assert raw.metrics["ao"] == pytest.approx(1 / 1.4)


def test_class_balanced_overlap():
    whole, half = np.tile([0.0, 0, 10, 10], (2, 1)), np.tile([0.0, 0, 10, 5], (2, 1))
    cats, dog = {"object_class": "cat"}, {"object_class": "dog"}
    sequences = [sequence("a", whole, meta=cats), sequence("b", whole, meta=cats), sequence("c", whole, meta=dog)]
    found = score_tracks([track("a", whole), track("b", half), track("c", half)], sequences)
    assert found.metrics["mao"] == pytest.approx((0.75 + 0.5) / 2)
    unknown = [*sequences[:2], sequence("c", whole, meta={"object_class": "unknown"})]
    assert "mao" not in score_tracks([track(n, whole) for n in "abc"], unknown).metrics


def test_boxes_that_are_not_finite_count_as_lost_and_are_reported():
    truth = np.tile([0.0, 0, 10, 10], (3, 1))
    drawn = truth.copy()
    drawn[1, 0] = math.nan
    found = score_tracks([track("a", drawn)], [sequence("a", truth)])
    assert found.metrics["ao"] == pytest.approx(0.5)
    assert "a: 1 boxes are not finite (the first on line 2)" in found.warnings[0]


def test_speed_of_updates_and_of_the_toolkit():
    rows = np.tile([0.0, 0, 10, 10], (3, 1))
    scored = score_tracks([track("a", rows, [1.0, 0.1, 0.3])], [sequence("a", rows)])
    assert scored.metrics["fps"] == pytest.approx(2 / 0.4)
    assert scored.metrics["fps_got10k"] == pytest.approx((1 + 10 + 1 / 0.3) / 3)
    dropped = score_tracks([track("a", rows, [1.0, 0.1, 0.3])], [sequence("a", rows)], drop_first_time=True)
    assert dropped.metrics["fps_got10k"] == pytest.approx((10 + 1 / 0.3) / 2)


def test_a_sequence_without_times_has_no_speed_of_another():
    rows = np.tile([0.0, 0, 10, 10], (3, 1))
    tracks = [track("a", rows, 0.1), track("b", rows, math.nan)]
    found = score_tracks(tracks, [sequence("a", rows), sequence("b", rows)])
    assert "fps" not in found.sequences["b"]
    assert found.metrics["fps_got10k"] == pytest.approx(10)


def test_without_truth_there_is_no_accuracy():
    rows = np.tile([0.0, 0, 10, 10], (3, 1))
    found = score_tracks([track("a", rows)], [sequence("a", None)])
    assert found.metrics.keys() == {"fps", "fps_got10k"}
    assert found.curve is None
    assert not found.mask
    assert not found.bounds
    assert np.isnan(found.ious["a", 1]).all()


def test_lengths_must_fit():
    rows = np.tile([0.0, 0, 10, 10], (3, 1))
    with pytest.raises(DataError, match="a: the track has 2 boxes, the ground truth 3 lines"):
        score_tracks([track("a", rows[:2])], [sequence("a", rows)])
    with pytest.raises(DataError, match="track of b"):
        score_tracks([track("b", rows)], [sequence("a", rows)])


# -------------------------------------------------------------------------------- the toolkit itself


def toolkit_performance(root: Path, results: Path, monkeypatch: pytest.MonkeyPatch, name: str = "mine") -> dict:
    """What the published package ``got10k`` makes of ``results/GOT-10k/NAME``."""
    experiments = pytest.importorskip("got10k.experiments", reason="the official toolkit is not installed")
    monkeypatch.setattr(experiments.ExperimentGOT10k, "plot_curves", lambda *args: None)
    experiment = experiments.ExperimentGOT10k(
        str(root), subset="val", result_dir=str(results), report_dir=str(results / "reports")
    )
    return experiment.report([name])[name]


def our_scores(root: Path, tracks: Path, repetitions: int = 1) -> Scores:
    dataset = Folder(root=str(root), split="val")
    read = []
    for item in dataset:
        times = read_numbers(tracks / item.name / f"{item.name}_time.txt")
        for number in range(repetitions):
            rows = read_numbers(tracks / item.name / f"{item.name}_{number + 1:03d}.txt")
            read.append(Track(item.name, rows, times[:, number], repetition=number + 1))
    return score_tracks(read, dataset, as_shipped=False)


def assert_same(found: Scores, theirs: dict) -> None:
    overall = theirs["overall"]
    assert found.metrics["ao"] == pytest.approx(overall["ao"], abs=1e-9)
    assert found.metrics["sr50"] == pytest.approx(overall["sr"], abs=1e-9)
    assert found.metrics["sr75"] == pytest.approx(overall["succ_curve"][75], abs=1e-9)
    assert found.metrics["fps_got10k"] == pytest.approx(overall["speed_fps"], rel=1e-9)
    assert found.curve == pytest.approx(overall["succ_curve"], abs=1e-9)
    for name, row in theirs["seq_wise"].items():
        assert found.sequences[name]["ao"] == pytest.approx(row["ao"], abs=1e-9)
        assert found.sequences[name]["sr50"] == pytest.approx(row["sr"], abs=1e-9)


@pytest.mark.parametrize("repetitions", [1, 3])
def test_scores_are_the_toolkits(tmp_path, monkeypatch, repetitions):
    rng = np.random.default_rng(repetitions)
    size = (64, 48)
    names = [f"GOT-10k_Val_{number:06d}" for number in range(1, 8)]
    write_list(tmp_path / "data/val", names)
    for name in names:
        count = int(rng.integers(2, 40))
        truth = np.column_stack([rng.uniform(-20, 70, (count, 2)), rng.uniform(0.5, 50, (count, 2))])
        cover = rng.integers(0, 9, count)
        cover[1] = 8
        write_sequence(tmp_path / "data/val" / name, truth, size=size, cover=cover)
        tracks = []
        for number in range(repetitions):
            drawn = truth + rng.normal(0, 3, truth.shape)
            drawn[rng.random(count) < 0.2] = truth[rng.integers(0, count)]
            drawn[:, 2:] = np.maximum(drawn[:, 2:], 0.01)
            drawn[0] = truth[0]
            tracks.append(Track(name, drawn, rng.uniform(0.01, 0.5, count), repetition=number + 1))
        write_tracks(tmp_path / "results/GOT-10k/mine" / name / "..", tracks)
    theirs = toolkit_performance(tmp_path / "data", tmp_path / "results", monkeypatch)
    found = our_scores(tmp_path / "data", tmp_path / "results/GOT-10k/mine", repetitions)
    assert found.mask
    assert found.bounds
    assert_same(found, theirs)


@pytest.mark.slow
@pytest.mark.shared
def test_published_val_results_score_as_the_toolkit_does(shared, tmp_path, monkeypatch):
    """NanoTrack v3's published boxes; the toolkit needs images, labels and a resolution, so stand-ins are written."""
    published, truths = shared / "results/nanotrackv3_got10k_val", shared / "results/got10k_val_groundtruth"
    names = sorted(path.name for path in truths.iterdir())
    write_list(tmp_path / "data/val", names)
    rng = np.random.default_rng(0)
    for name in names:
        truth = read_numbers(truths / name / "groundtruth.txt")
        cover = rng.integers(0, 9, len(truth))
        write_sequence(tmp_path / "data/val" / name, truth, size=(1280, 720), cover=cover, jpeg=b"")
    (tmp_path / "results/GOT-10k").mkdir(parents=True)
    (tmp_path / "results/GOT-10k/mine").symlink_to(published.resolve())
    theirs = toolkit_performance(tmp_path / "data", tmp_path / "results", monkeypatch)
    assert_same(our_scores(tmp_path / "data", published), theirs)


def test_what_does_not_count_is_reported():
    whole = np.tile([0.0, 0, 10, 10], (3, 1))
    covered = sequence("a", whole, visible=np.array([True, False, False]))
    found = score_tracks([track("a", whole), track("b", whole)], [covered, sequence("b", whole)])
    assert found.warnings == [
        "No frame of a is scored: one frame alone, or all others covered or absent.",
        "b has no cover labels, so that all frames of it count; covered frames of the other sequences do not.",
    ]
    assert score_tracks([track("b", whole)], [sequence("b", whole)]).warnings == []


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_times_that_no_clock_gives_have_neither_speed_nor_latency(value):
    assert latency_summary(np.full(3, value)) == {}
    assert np.isnan(fps(np.full(3, value)))
    mixed = latency_summary(np.array([0.01, value, 0.03]))
    assert mixed["latency_ms/mean"] == pytest.approx(20)


def one_sequence(truth, visible=None):
    truth = np.asarray(truth, float)
    return Sequence("alpha", (), truth[0], (100, 100), truth, visible)


def test_times_that_are_zero_or_negative_are_reported():
    truth = np.tile([10.0, 10, 20, 20], (4, 1))
    scores = score_tracks([Track("alpha", truth, np.array([0.1, 0, -1, 0.1]))], [one_sequence(truth)])
    assert "alpha: 2 times are zero or negative; speed and latency leave them out." in scores.warnings


@pytest.mark.parametrize("absent", [[0, 0, 0, 0], [-1, -1, -1, -1], [5, 5, -3, 4]])
def test_truth_without_area_is_reported_with_sequence_and_count(absent):
    truth = np.tile([10.0, 10, 20, 20], (5, 1))
    boxes = truth.copy()
    truth[2:4] = absent
    scores = score_tracks([Track("alpha", boxes, np.full(5, 0.1))], [one_sequence(truth)])
    assert any(
        "alpha: 2 truth boxes have no area (the first on line 3) and count as failures" in item
        for item in scores.warnings
    )


def test_frames_whose_target_is_absent_are_reported():
    truth = np.tile([10.0, 10, 20, 20], (5, 1))
    truth[3] = 0
    visible = np.array([True, True, True, False, True])
    scores = score_tracks([Track("alpha", truth, np.full(5, 0.1))], [one_sequence(truth, visible)])
    assert "alpha: 1 frames without a target are not scored." in scores.warnings


def test_boxes_without_area_are_reported():
    truth = np.tile([10.0, 10, 20, 20], (4, 1))
    boxes = truth.copy()
    boxes[2] = [50, 50, -20, -20]
    scores = score_tracks([Track("alpha", boxes, np.full(4, 0.1))], [one_sequence(truth)])
    assert any("alpha: 1 boxes have no area (the first on line 3)" in item for item in scores.warnings)
