"""Sequences in flight with a model: the same boxes as one by one, no latency, resumed, in order, with the error of a frame."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_jobs import context_of, small_experiment

from harness.core.errors import DataError
from harness.core.interfaces import Boxes, Sequence
from harness.core.results import read_frames
from harness.tasks.evaluate.task import Evaluate
from harness.tracking.assignment import Assignment
from harness.tracking.parallel import track_parallel
from harness.tracking.store import Done


def evaluated(
    prepared: Path, folder: Path, backend: str, mode: str, threads: int, **settings: Any
) -> tuple[Any, dict[str, Boxes]]:
    """What ``task=evaluate`` found, and the boxes by sequence."""
    experiment, artifact = small_experiment(prepared, f"backend={backend}")
    context = context_of(experiment, artifact, folder, threads)
    result = Evaluate(mode=mode, warmup=1, **settings).run(context)  # type: ignore[arg-type]
    frames = read_frames(folder)
    boxes = {str(name): rows[["x", "y", "w", "h"]].to_numpy() for name, rows in frames.groupby("sequence")}
    return result, boxes


@pytest.mark.parametrize("backend", ["openvino", "onnx", "torch"])
def test_boxes_are_those_of_the_serial_mode_to_the_bit(prepared: Path, tmp_path: Path, backend: str) -> None:
    """A thread per inference on both sides, so that no runtime may add up in another order."""
    _, serial = evaluated(prepared, tmp_path / "serial", backend, "serial", 1)
    result, parallel = evaluated(prepared, tmp_path / "parallel", backend, "parallel", 2)
    assert result.details["threads"] == {"requests": 2, "each": 1, "spare": 0}
    assert serial.keys() == parallel.keys()
    for name, boxes in serial.items():
        np.testing.assert_array_equal(parallel[name], boxes, err_msg=name)
    moved = [np.ptp(boxes, axis=0).max() for boxes in serial.values()]
    assert max(moved) > 1  # the boxes are worth comparing


def test_the_parallel_mode_reports_no_latency(prepared: Path, tmp_path: Path) -> None:
    result, _ = evaluated(prepared, tmp_path, "openvino", "parallel", 2)
    assert result.metrics["pipeline_fps"] > 0
    assert not [key for key in result.metrics if key.startswith(("fps", "latency_ms", "stage_ms"))]
    assert all("fps" not in row for row in result.sequences.values())
    assert result.details["contended"] is True
    assert read_frames(tmp_path)["contended"].all()


def test_also_with_one_request_no_latency_is_reported(prepared: Path, tmp_path: Path) -> None:
    result, _ = evaluated(prepared, tmp_path, "openvino", "parallel", 2, requests=1)
    assert result.details["requests"] == 1
    assert not [key for key in result.metrics if key.startswith(("fps", "latency_ms"))]


def test_both_takes_speed_from_the_stated_sequences_alone(prepared: Path, tmp_path: Path) -> None:
    _, serial = evaluated(prepared, tmp_path / "serial", "openvino", "serial", 1)
    result, boxes = evaluated(prepared, tmp_path / "both", "openvino", "both", 1, serial_sequences=2)
    timed = result.details["timed_sequences"]
    assert timed == ["seq_2", "seq_4"]
    frames = read_frames(tmp_path / "both")
    assert sorted(frames[~frames["contended"]]["sequence"].unique()) == timed
    assert {"fps", "fps_got10k", "latency_ms/p50", "stage_ms/inference", "pipeline_fps"} <= result.metrics.keys()
    alone = frames[~frames["contended"] & (frames["frame"] > 0)]["seconds"]
    assert result.metrics["fps"] == pytest.approx(len(alone) / alone.sum())
    for name, expected in serial.items():
        np.testing.assert_array_equal(boxes[name], expected, err_msg=name)


def test_both_is_resumed_without_doing_anything_twice(prepared: Path, tmp_path: Path) -> None:
    evaluated(prepared, tmp_path, "openvino", "both", 1, serial_sequences=1)
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "sequences").iterdir()}
    (tmp_path / "sequences" / "seq_1.json").unlink()
    result, _ = evaluated(prepared, tmp_path, "openvino", "both", 1, serial_sequences=1)
    assert result.details["resumed_sequences"] == 3
    now = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "sequences").iterdir()}
    assert [name for name in kept if kept[name] != now[name]] == ["seq_1.json"]


def tracked(prepared: Path, folder: Path, sequences: list[Sequence], threads: int = 2) -> list[str]:
    """Tracks ``sequences`` and returns their names as they ended."""
    experiment, artifact = small_experiment(prepared, "backend=openvino")
    context = context_of(experiment, artifact, folder, threads)
    ended: list[str] = []

    def keep(sequence: Sequence, done: Done) -> None:
        assert len(done.tracks) == 1
        ended.append(sequence.name)

    track_parallel(Assignment(context, sequences, 1, lambda item: item.truth, keep, lambda: None), None)
    return ended


def shortened(sequence: Sequence, count: int) -> Sequence:
    assert sequence.truth is not None
    return replace(sequence, frames=sequence.frames[:count], truth=sequence.truth[:count], visible=None)


def test_the_longest_sequences_come_first(prepared: Path, tmp_path: Path) -> None:
    experiment, _ = small_experiment(prepared, "backend=openvino")
    lengths = {"seq_1": 2, "seq_2": 6, "seq_3": 4, "seq_4": 3}
    sequences = [shortened(item, lengths[item.name]) for item in experiment.dataset]
    assert tracked(prepared, tmp_path, sequences, threads=1) == ["seq_2", "seq_3", "seq_4", "seq_1"]


def test_a_frame_that_cannot_be_read_ends_the_job_and_is_named(prepared: Path, tmp_path: Path) -> None:
    experiment, _ = small_experiment(prepared, "backend=openvino")
    first, *others = experiment.dataset
    broken = replace(first, frames=(*first.frames[:3], tmp_path / "gone.jpg", *first.frames[4:]))
    before = threading.active_count()
    with pytest.raises(DataError, match=r"gone\.jpg cannot be read"):
        tracked(prepared, tmp_path, [broken, *others])
    assert threading.active_count() == before
