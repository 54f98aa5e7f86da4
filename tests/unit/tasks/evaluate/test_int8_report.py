"""The figures of int8 against fp32, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.core.interfaces import Artifact, Sequence, Track
from harness.tasks.evaluate import int8_report
from harness.tasks.evaluate.int8_report import Differences, Pair
from harness.tasks.evaluate.record import Int8Record


def sequence(name: str, truth: np.ndarray, visible: np.ndarray | None = None) -> Sequence:
    return Sequence(name, tuple(Path(str(index)) for index in range(len(truth))), truth[0], (200, 200), truth, visible)


def boxes(*lefts: float) -> np.ndarray:
    return np.array([[left, 10.0, 20.0, 10.0] for left in lefts])


def pair(name: str = "a", fp32: np.ndarray | None = None, forced: np.ndarray | None = None) -> Pair:
    truth = boxes(10, 10, 10)
    fp32 = truth if fp32 is None else fp32
    return Pair(sequence(name, truth), fp32, fp32 if forced is None else forced, np.array([2.0, 4.0]), np.array([1.0, 2.0]))


def track(name: str, found: np.ndarray) -> Track:
    return Track(name, found, np.zeros(len(found)))


@pytest.mark.parametrize(
    ("lengths", "total", "each"), [([10, 10], 10, 5), ([4, 100], 24, 20), ([3, 3], 100, 3), ([50], 1, 2), ([2, 9, 9], 12, 5)]
)
def test_frames_are_shared_fairly(lengths: list[int], total: int, each: int) -> None:
    assert int8_report.fair_share(lengths, total) == each


def test_speeds_are_ratios_of_sums_and_of_medians() -> None:
    found = int8_report.speeds([pair(), Pair(pair().sequence, boxes(1, 1), boxes(1, 1), np.array([6.0]), np.array([9.0]))])
    assert found["fps_ratio"] == pytest.approx(12 / 12)
    assert found["latency_ratio"] == pytest.approx(4 / 2)


def test_boxes_are_compared_both_ways() -> None:
    record = Int8Record(processor={}, quantisation={})
    forced = boxes(10, 10, 20)  # 10 of 20 columns shared: IoU 1/3
    found = int8_report.boxes_against([pair(forced=forced)], {"a": track("a", boxes(10, 10, 10))}, record)
    assert found["free/mean_iou"] == pytest.approx(1.0)
    assert "free/first_divergent_frame" not in found
    assert found["forced/mean_iou"] == pytest.approx((1 + 1 / 3) / 2)
    assert found["forced/first_divergent_frame"] == 2
    assert record.boxes_forced is not None
    assert record.boxes_forced["a"].min_iou == pytest.approx(1 / 3)


def test_ao_difference_is_pooled_over_frames_and_its_interval_over_sequences() -> None:
    tracks = {"a": track("a", boxes(10, 20, 20)), "b": track("b", boxes(10, 10, 10))}
    found = int8_report.ao_difference([pair("a"), pair("b")], tracks, 0)
    assert found["fp32_ao"] == pytest.approx(1.0)
    assert found["ao_difference"] == pytest.approx(-1 / 3)
    assert found["ao_difference_low"] == pytest.approx(-2 / 3)
    assert found["ao_difference_high"] == pytest.approx(0.0)


def test_covered_frames_do_not_count() -> None:
    hidden = Pair(
        sequence("a", boxes(10, 10, 10), np.array([True, True, False])), boxes(10, 10, 10), boxes(10, 10, 10),
        np.ones(2), np.ones(2),
    )  # fmt: skip
    found = int8_report.ao_difference([hidden], {"a": track("a", boxes(10, 10, 90))}, 0)
    assert found["ao_difference"] == 0.0
    assert "ao_difference_low" not in found


def test_differences_are_shares_of_the_range() -> None:
    found = Differences()
    found.add("search", {"score": np.array([0.0, 4.0])}, {"score": np.array([0.5, 4.0])})
    found.add("search", {"score": np.array([-4.0, 1.0])}, {"score": np.array([-4.0, 3.0])})
    assert found.table()["search/score"] == {"max_abs_diff": 2.0, "range": 8.0, "share": 0.25}


def test_slower_int8_says_so_with_its_costly_layers() -> None:
    layers = {"costly": [{"name": "conv_7", "type": "Convolution", "precision": "f32", "ms": 1.25}]}
    said = int8_report.warnings_of({"latency_ratio": 0.8}, layers)
    assert "int8 is not faster here: 0.80 times fp32" in said[0]
    assert "conv_7 (Convolution, f32, 1.25 ms)" in said[0]
    assert int8_report.warnings_of({"latency_ratio": 1.2}, layers) == []


def test_sizes_are_those_of_the_files(tmp_path: Path) -> None:
    for folder, count in (("int8", 25), ("fp32", 100)):
        (tmp_path / folder).mkdir()
        for name in ("search", "template"):
            (tmp_path / folder / f"{name}.xml").write_text("<net/>")
            (tmp_path / folder / f"{name}.bin").write_bytes(bytes(count if name == "search" else 40))

    def artifact(precision: str) -> Artifact:
        folder = tmp_path / precision
        files = {name: folder / f"{name}.xml" for name in ("search", "template")}
        return Artifact("openvino", precision, files, dict.fromkeys(files), "k", folder, {"mb": 2.0 if precision == "int8" else 4.0})  # type: ignore[arg-type]

    found, told = int8_report.sizes(artifact("int8"), artifact("fp32"))
    assert found == {"size_ratio": 0.5, "weights_ratio": 0.25}
    assert told["weights"]["search"] == {"int8_bytes": 25, "fp32_bytes": 100, "ratio": 0.25}


def test_the_fp32_artifact_lies_beside_the_int8_one(tmp_path: Path) -> None:
    info = {"fp32": {"key": "abc", "folder": "parent", "files": {"search": "search.xml"}, "mb": 3.0}}
    own = Artifact("openvino", "int8", {}, {}, "def", tmp_path / "cache" / "own", info)
    base = int8_report.fp32_artifact(own)
    assert base.files["search"] == tmp_path / "cache" / "parent" / "search.xml"
    assert base.key == "abc"
