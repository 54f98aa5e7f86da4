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
from harness.scoring import metrics


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, float)


def sequence(name: str, truth: np.ndarray | None, **more: object) -> Sequence:
    first = np.zeros(4) if truth is None else truth[0]
    return Sequence(name, (), first, truth=truth, **more)  # type: ignore[arg-type]


def track(name: str, rows: np.ndarray, seconds: object = 0.1, repetition: int = 1) -> Track:
    return Track(name, rows, np.broadcast_to(np.asarray(seconds, float), len(rows)), repetition=repetition)


# ------------------------------------------------------------------------------------------ overlap


@pytest.mark.parametrize(
    ("mine", "truth", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
        ((0, 0, 10, 10), (5, 0, 10, 10), 50 / 150),
        ((0, 0, 10, 10), (10, 0, 10, 10), 0.0),  # touching; the older +1 convention would give more than 0
        ((0, 0, 2, 2), (1, 1, 2, 2), 1 / 7),
        ((0, 0, 0, 0), (0, 0, 0, 0), 0.0),
        ((3, 3, 0, 5), (0, 0, 10, 10), 0.0),
        ((math.nan, 0, 10, 10), (0, 0, 10, 10), 0.0),
        ((0, 0, math.inf, 10), (0, 0, 10, 10), 0.0),
        ((-5, 0, 10, 10), (-5, 0, 10, 10), 1.0),
    ],
)
def test_overlap_by_hand(mine, truth, expected):
    assert metrics.iou(boxes(mine), boxes(truth)) == pytest.approx([expected], abs=1e-12)


def test_clipping_is_the_toolkits():
    # the corner moves to the image, the width stays: [-10, 0, 20, 10] becomes [0, 0, 20, 10], not [0, 0, 10, 10]
    clipped = metrics.clip_boxes(boxes((-10, 0, 20, 10), (90, 50, 30, 30), (120, 70, 5, 5)), (100, 60))
    assert clipped.tolist() == [[0, 0, 20, 10], [90, 50, 10, 10], [100, 60, 0, 0]]


def test_overlap_does_not_change_its_arguments():
    mine, truth = boxes((-10, 0, 20, 10)), boxes((-10, 0, 20, 10))
    metrics.iou(mine, truth, (15, 15))
    assert mine.tolist() == truth.tolist() == [[-10, 0, 20, 10]]


def test_overlap_of_unequal_numbers_is_refused():
    with pytest.raises(ValueError, match="1 boxes cannot be compared with 2"):
        metrics.iou(boxes((0, 0, 1, 1)), boxes((0, 0, 1, 1), (0, 0, 1, 1)))


def test_success_is_strict():
    ious = np.array([0.5, 0.75, 0.751, 0.2])
    assert metrics.sr(ious, 0.5) == 0.5
    assert metrics.sr(ious, 0.75) == 0.25
    assert metrics.ao(ious) == pytest.approx(0.55025)


def test_success_curve_counts_what_lies_above_each_threshold():
    ious = np.concatenate([np.linspace(0, 1, 201), [0.5, 0.5, 1.0, 0.0]])
    curve = metrics.success_curve(ious)
    assert curve.shape == (101,)
    assert curve == pytest.approx([np.mean(ious > threshold) for threshold in np.linspace(0, 1, 101)], abs=1e-15)
    assert curve[-1] == 0.0


def test_nothing_to_score_is_nan_not_zero():
    assert math.isnan(metrics.ao(np.empty(0)))
    assert math.isnan(metrics.sr(np.empty(0), 0.5))
    assert np.isnan(metrics.success_curve(np.empty(0))).all()


# -------------------------------------------------------------------------------------------- speed


def test_two_speeds_of_the_same_times():
    seconds = np.array([0.1, 0.4])
    assert metrics.fps(seconds) == pytest.approx(2 / 0.5)
    assert metrics.fps_got10k(seconds) == pytest.approx((10 + 2.5) / 2)


def test_times_that_are_none_are_left_out():
    seconds = np.array([0.1, 0.0, -1.0, math.nan, math.inf])
    assert metrics.fps(seconds) == metrics.fps_got10k(seconds) == pytest.approx(10)
    assert math.isnan(metrics.fps(np.array([math.nan])))


def test_latency_in_milliseconds():
    found = metrics.latency_summary(np.arange(1, 102) / 1000, first=0.5)
    assert found == pytest.approx(
        {
            "latency_ms/mean": 51,
            "latency_ms/p50": 51,
            "latency_ms/p90": 91,
            "latency_ms/p99": 100,
            "latency_ms/max": 101,
            "latency_ms/first": 500,
        }
    )
    assert metrics.latency_summary(np.empty(0), first=0.5) == {}


# ---------------------------------------------------------------------------------------- intervals


def test_bootstrap_repeats_a_plain_loop():
    values, weights = np.array([0.2, 0.9, 0.5, 0.7]), np.array([10.0, 100.0, 50.0, 1.0])
    draws = np.random.default_rng(3).integers(0, 4, size=(500, 4))
    means = [sum(weights[i] * values[i] for i in row) / sum(weights[i] for i in row) for row in draws]
    found = metrics.bootstrap_interval(values, weights, seed=3, resamples=500, level=0.9)
    assert found == pytest.approx(tuple(np.quantile(means, [0.05, 0.95])))


def test_bootstrap_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        low, high = metrics.bootstrap_interval(rng.normal(0.6, 0.1, 60), seed=trial, resamples=400)
        hits += low <= 0.6 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_bootstrap_without_enough_sequences_is_nan():
    assert all(map(math.isnan, metrics.bootstrap_interval(np.array([0.5]))))
    assert all(map(math.isnan, metrics.bootstrap_interval(np.array([0.5, math.nan]))))
    assert all(map(math.isnan, metrics.bootstrap_interval(np.array([0.5, 0.4]), np.array([1.0, 0.0]))))


# ------------------------------------------------------------------------------------------ scoring


def test_first_frame_and_covered_frames_do_not_count():
    truth = boxes((0, 0, 10, 10), (0, 0, 10, 10), (0, 0, 10, 10), (0, 0, 10, 10))
    found = metrics.score_tracks(
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
    found = metrics.score_tracks([track("a", long), track("b", missed)], [sequence("a", long), sequence("b", short)])
    assert found.metrics["ao"] == pytest.approx(3 / 4)
    assert {name: row["ao"] for name, row in found.sequences.items()} == pytest.approx({"a": 1.0, "b": 0.0})


def test_what_is_scored_is_what_ships():
    truth = boxes((0, 0, 1, 1), (0, 0, 0.001, 1))
    drawn = boxes((0, 0, 1, 1), (0, 0, 0.0014, 1))  # ships as 0.001
    assert metrics.score_tracks([track("a", drawn)], [sequence("a", truth)]).metrics["ao"] == pytest.approx(1)
    raw = metrics.score_tracks([track("a", drawn)], [sequence("a", truth)], as_shipped=False)
    assert raw.metrics["ao"] == pytest.approx(1 / 1.4)


def test_class_balanced_overlap():
    whole, half = np.tile([0.0, 0, 10, 10], (2, 1)), np.tile([0.0, 0, 10, 5], (2, 1))
    cats, dog = {"object_class": "cat"}, {"object_class": "dog"}
    sequences = [sequence("a", whole, meta=cats), sequence("b", whole, meta=cats), sequence("c", whole, meta=dog)]
    found = metrics.score_tracks([track("a", whole), track("b", half), track("c", half)], sequences)
    assert found.metrics["mao"] == pytest.approx((0.75 + 0.5) / 2)
    unknown = [*sequences[:2], sequence("c", whole, meta={"object_class": "unknown"})]
    assert "mao" not in metrics.score_tracks([track(n, whole) for n in "abc"], unknown).metrics


def test_boxes_that_are_not_finite_count_as_lost_and_are_told():
    truth = np.tile([0.0, 0, 10, 10], (3, 1))
    drawn = truth.copy()
    drawn[1, 0] = math.nan
    found = metrics.score_tracks([track("a", drawn)], [sequence("a", truth)])
    assert found.metrics["ao"] == pytest.approx(0.5)
    assert "a: 1 boxes are not finite (the first at frame 1)" in found.warnings[0]


def test_speed_of_updates_and_of_the_toolkit():
    rows = np.tile([0.0, 0, 10, 10], (3, 1))
    scored = metrics.score_tracks([track("a", rows, [1.0, 0.1, 0.3])], [sequence("a", rows)])
    assert scored.metrics["fps"] == pytest.approx(2 / 0.4)
    assert scored.metrics["fps_got10k"] == pytest.approx((1 + 10 + 1 / 0.3) / 3)
    dropped = metrics.score_tracks([track("a", rows, [1.0, 0.1, 0.3])], [sequence("a", rows)], drop_first_time=True)
    assert dropped.metrics["fps_got10k"] == pytest.approx((10 + 1 / 0.3) / 2)


def test_a_sequence_without_times_has_no_speed_of_another():
    rows = np.tile([0.0, 0, 10, 10], (3, 1))
    tracks = [track("a", rows, 0.1), track("b", rows, math.nan)]
    found = metrics.score_tracks(tracks, [sequence("a", rows), sequence("b", rows)])
    assert "fps" not in found.sequences["b"]
    assert found.metrics["fps_got10k"] == pytest.approx(10)


def test_without_truth_there_is_no_accuracy():
    rows = np.tile([0.0, 0, 10, 10], (3, 1))
    found = metrics.score_tracks([track("a", rows)], [sequence("a", None)])
    assert found.metrics.keys() == {"fps", "fps_got10k"}
    assert found.curve is None
    assert not found.mask
    assert not found.bounds
    assert np.isnan(found.ious["a", 1]).all()


def test_lengths_must_fit():
    rows = np.tile([0.0, 0, 10, 10], (3, 1))
    with pytest.raises(DataError, match="a: the track has 2 boxes, the ground truth 3 lines"):
        metrics.score_tracks([track("a", rows[:2])], [sequence("a", rows)])
    with pytest.raises(DataError, match="track of b"):
        metrics.score_tracks([track("b", rows)], [sequence("a", rows)])


# ---------------------------------------------------------------------------------------- agreement


def test_agreement_by_hand():
    base = {"a": np.tile([0.0, 0, 10, 10], (4, 1)), "b": np.tile([0.0, 0, 10, 10], (2, 1))}
    mine = {name: rows.copy() for name, rows in base.items()}
    mine["a"][0] = 99  # frame 0 does not count
    mine["a"][2] = (0, 0, 10, 5)
    found = metrics.agreement(mine, base)
    assert found["agreement/mean_iou"] == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    assert found["agreement/identical_boxes"] == pytest.approx(3 / 4)
    assert found["agreement/first_divergent_frame"] == 2
    assert "agreement/first_divergent_frame" not in metrics.agreement(base, base)


def test_agreement_needs_the_same_sequences():
    rows = np.tile([0.0, 0, 10, 10], (3, 1))
    with pytest.raises(DataError, match="no sequence"):
        metrics.agreement({"a": rows}, {"b": rows})
    with pytest.raises(DataError, match="a: 2 boxes in one run, 3 in the other"):
        metrics.agreement({"a": rows[:2]}, {"a": rows})


def test_first_divergent_frame():
    base = np.tile([0.0, 0, 10, 10], (5, 1))
    mine = base.copy()
    mine[2, 2] = 9
    mine[4, 2] = 4
    assert metrics.first_divergent_frame(mine, base) == 2
    assert metrics.first_divergent_frame(mine, base, below=0.5) == 4
    assert metrics.first_divergent_frame(base, base) is None


# -------------------------------------------------------------------------------- the toolkit itself


def toolkit_performance(root: Path, results: Path, monkeypatch: pytest.MonkeyPatch, name: str = "mine") -> dict:
    """What the published package ``got10k`` makes of ``results/GOT-10k/NAME``."""
    experiments = pytest.importorskip("got10k.experiments", reason="the official toolkit is not installed")
    monkeypatch.setattr(experiments.ExperimentGOT10k, "plot_curves", lambda *args: None)
    experiment = experiments.ExperimentGOT10k(
        str(root), subset="val", result_dir=str(results), report_dir=str(results / "reports")
    )
    return experiment.report([name])[name]


def our_scores(root: Path, tracks: Path, repetitions: int = 1) -> metrics.Scores:
    dataset = Folder(root=str(root), split="val")
    read = []
    for item in dataset:
        times = read_numbers(tracks / item.name / f"{item.name}_time.txt")
        for number in range(repetitions):
            rows = read_numbers(tracks / item.name / f"{item.name}_{number + 1:03d}.txt")
            read.append(Track(item.name, rows, times[:, number], repetition=number + 1))
    return metrics.score_tracks(read, dataset, as_shipped=False)


def assert_same(found: metrics.Scores, theirs: dict) -> None:
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


def test_what_does_not_count_is_told():
    whole = np.tile([0.0, 0, 10, 10], (3, 1))
    covered = sequence("a", whole, visible=np.array([True, False, False]))
    found = metrics.score_tracks([track("a", whole), track("b", whole)], [covered, sequence("b", whole)])
    assert found.warnings == [
        "No frame of a is scored: one frame alone, or all others covered or absent.",
        "b has no cover labels, so that all frames of it count; covered frames of the other sequences do not.",
    ]
    assert metrics.score_tracks([track("b", whole)], [sequence("b", whole)]).warnings == []
    assert metrics.listed(list("abcde")) == "a, b, c and 2 more"


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_times_that_no_clock_gives_have_neither_speed_nor_latency(value):
    assert metrics.latency_summary(np.full(3, value)) == {}
    assert np.isnan(metrics.fps(np.full(3, value)))
    mixed = metrics.latency_summary(np.array([0.01, value, 0.03]))
    assert mixed["latency_ms/mean"] == pytest.approx(20)


def one_sequence(truth, visible=None):
    truth = np.asarray(truth, float)
    return Sequence("alpha", (), truth[0], (100, 100), truth, visible)


def test_times_that_are_zero_or_negative_are_told():
    truth = np.tile([10.0, 10, 20, 20], (4, 1))
    scores = metrics.score_tracks([Track("alpha", truth, np.array([0.1, 0, -1, 0.1]))], [one_sequence(truth)])
    assert "alpha: 2 times are zero or negative; speed and latency leave them out." in scores.warnings


@pytest.mark.parametrize("absent", [[0, 0, 0, 0], [-1, -1, -1, -1], [5, 5, -3, 4]])
def test_truth_without_area_is_told_with_sequence_and_count(absent):
    truth = np.tile([10.0, 10, 20, 20], (5, 1))
    boxes = truth.copy()
    truth[2:4] = absent
    scores = metrics.score_tracks([Track("alpha", boxes, np.full(5, 0.1))], [one_sequence(truth)])
    assert any("alpha: 2 truth boxes have no area (the first at frame 2) and count as failures" in item for item in scores.warnings)


def test_frames_whose_target_is_absent_are_told():
    truth = np.tile([10.0, 10, 20, 20], (5, 1))
    truth[3] = 0
    visible = np.array([True, True, True, False, True])
    scores = metrics.score_tracks([Track("alpha", truth, np.full(5, 0.1))], [one_sequence(truth, visible)])
    assert "alpha: 1 frames without a target are not scored." in scores.warnings


def test_boxes_without_area_are_told():
    truth = np.tile([10.0, 10, 20, 20], (4, 1))
    boxes = truth.copy()
    boxes[2] = [50, 50, -20, -20]
    scores = metrics.score_tracks([Track("alpha", boxes, np.full(4, 0.1))], [one_sequence(truth)])
    assert any("alpha: 1 boxes have no area (the first at frame 2)" in item for item in scores.warnings)
