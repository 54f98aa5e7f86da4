"""Sequences in flight: the same boxes as one by one, threads within the budget, frames decoded ahead within bounds."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_jobs import context_of, small_experiment

from harness.core.errors import DataError
from harness.core.interfaces import Boxes, Sequence
from harness.core.results import read_frames
from harness.imaging.decoding import read_image
from harness.tasks.evaluate.task import Evaluate
from harness.tracking import prefetch as ahead
from harness.tracking.assignment import Assignment
from harness.tracking.parallel import Split, split_threads, track_parallel
from harness.tracking.prefetch import DEPTH, DecodeAhead
from harness.tracking.store import Done


@pytest.fixture(scope="module")
def cache(prepared: Path) -> Path:
    return prepared


def evaluated(
    cache: Path, folder: Path, backend: str, mode: str, threads: int, **settings: Any
) -> tuple[Any, dict[str, Boxes]]:
    """What ``task=evaluate`` found, and the boxes by sequence."""
    experiment, artifact = small_experiment(cache, f"backend={backend}")
    context = context_of(experiment, artifact, folder, threads)
    result = Evaluate(mode=mode, warmup=1, **settings).run(context)  # type: ignore[arg-type]
    frames = read_frames(folder)
    boxes = {str(name): rows[["x", "y", "w", "h"]].to_numpy() for name, rows in frames.groupby("sequence")}
    return result, boxes


# ------------------------------------------------------------------------------------------- threads


@pytest.mark.parametrize(
    ("threads", "wanted", "sequences", "device", "split"),
    [
        (2, 2, 12, "cpu", Split(2, 1, 0)),
        (2, 8, 12, "cpu", Split(2, 1, 0)),  # never more than there are threads
        (2, 2, 1, "cpu", Split(1, 2, 0)),  # one sequence gets all
        (8, 3, 12, "cpu", Split(3, 2, 2)),  # what is left over decodes
        (16, 4, 12, "cpu", Split(4, 4, 0)),
        (1, 1, 5, "cpu", Split(1, 1, 0)),
        (4, 8, 12, "gpu", Split(8, 0, 4)),  # elsewhere the processor is free to decode
    ],
)
def test_the_budget_is_shared_and_kept(threads: int, wanted: int, sequences: int, device: str, split: Split) -> None:
    assert split_threads(threads, wanted, sequences, device) == split
    if device == "cpu":
        assert split.requests * split.each + split.spare == threads


# --------------------------------------------------------------------------------------------- boxes


@pytest.mark.parametrize("backend", ["openvino", "onnx", "torch"])
def test_boxes_are_those_of_the_serial_mode_to_the_bit(cache: Path, tmp_path: Path, backend: str) -> None:
    """A thread per inference on both sides, so that no runtime may add up in another order."""
    _, serial = evaluated(cache, tmp_path / "serial", backend, "serial", 1)
    result, parallel = evaluated(cache, tmp_path / "parallel", backend, "parallel", 2)
    assert result.details["threads"] == {"requests": 2, "each": 1, "spare": 0}
    assert serial.keys() == parallel.keys()
    for name, boxes in serial.items():
        np.testing.assert_array_equal(parallel[name], boxes, err_msg=name)
    moved = [np.ptp(boxes, axis=0).max() for boxes in serial.values()]
    assert max(moved) > 1  # the boxes are worth comparing


def test_the_parallel_mode_reports_no_latency(cache: Path, tmp_path: Path) -> None:
    result, _ = evaluated(cache, tmp_path, "openvino", "parallel", 2)
    assert result.metrics["pipeline_fps"] > 0
    assert not [key for key in result.metrics if key.startswith(("fps", "latency_ms", "stage_ms"))]
    assert all("fps" not in row for row in result.sequences.values())
    assert result.details["contended"] is True
    assert read_frames(tmp_path)["contended"].all()


def test_also_with_one_request_no_latency_is_reported(cache: Path, tmp_path: Path) -> None:
    result, _ = evaluated(cache, tmp_path, "openvino", "parallel", 2, requests=1)
    assert result.details["requests"] == 1
    assert not [key for key in result.metrics if key.startswith(("fps", "latency_ms"))]


def test_both_takes_speed_from_the_stated_sequences_alone(cache: Path, tmp_path: Path) -> None:
    _, serial = evaluated(cache, tmp_path / "serial", "openvino", "serial", 1)
    result, boxes = evaluated(cache, tmp_path / "both", "openvino", "both", 1, serial_sequences=2)
    timed = result.details["timed_sequences"]
    assert timed == ["seq_2", "seq_4"]
    frames = read_frames(tmp_path / "both")
    assert sorted(frames[~frames["contended"]]["sequence"].unique()) == timed
    assert {"fps", "fps_got10k", "latency_ms/p50", "stage_ms/inference", "pipeline_fps"} <= result.metrics.keys()
    alone = frames[~frames["contended"] & (frames["frame"] > 0)]["seconds"]
    assert result.metrics["fps"] == pytest.approx(len(alone) / alone.sum())
    for name, expected in serial.items():
        np.testing.assert_array_equal(boxes[name], expected, err_msg=name)


def test_both_is_resumed_without_doing_anything_twice(cache: Path, tmp_path: Path) -> None:
    evaluated(cache, tmp_path, "openvino", "both", 1, serial_sequences=1)
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "sequences").iterdir()}
    (tmp_path / "sequences" / "seq_1.json").unlink()
    result, _ = evaluated(cache, tmp_path, "openvino", "both", 1, serial_sequences=1)
    assert result.details["resumed_sequences"] == 3
    now = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "sequences").iterdir()}
    assert [name for name in kept if kept[name] != now[name]] == ["seq_1.json"]


# --------------------------------------------------------------------------------------- order, errors


def tracked(cache: Path, folder: Path, sequences: list[Sequence], threads: int = 2) -> list[str]:
    """Tracks ``sequences`` and returns their names as they ended."""
    experiment, artifact = small_experiment(cache, "backend=openvino")
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


def test_the_longest_sequences_come_first(cache: Path, tmp_path: Path) -> None:
    experiment, _ = small_experiment(cache, "backend=openvino")
    lengths = {"seq_1": 2, "seq_2": 6, "seq_3": 4, "seq_4": 3}
    sequences = [shortened(item, lengths[item.name]) for item in experiment.dataset]
    assert tracked(cache, tmp_path, sequences, threads=1) == ["seq_2", "seq_3", "seq_4", "seq_1"]


def test_a_frame_that_cannot_be_read_ends_the_job_and_is_named(cache: Path, tmp_path: Path) -> None:
    experiment, _ = small_experiment(cache, "backend=openvino")
    first, *others = experiment.dataset
    broken = replace(first, frames=(*first.frames[:3], tmp_path / "gone.jpg", *first.frames[4:]))
    before = threading.active_count()
    with pytest.raises(DataError, match=r"gone\.jpg cannot be read"):
        tracked(cache, tmp_path, [broken, *others])
    assert threading.active_count() == before


# -------------------------------------------------------------------------------------- decoding ahead


@pytest.fixture
def frames(cache: Path) -> Sequence:
    experiment, _ = small_experiment(cache, "backend=openvino")
    return next(iter(experiment.dataset))


@pytest.mark.parametrize("spare", [0, 1, 3])
def test_frames_come_in_order_whoever_decodes_them(frames: Sequence, spare: int) -> None:
    decoders = DecodeAhead("bgr", spare, 3)
    try:
        images = [image for image, seconds in decoders.frames(frames) if seconds > 0]
    finally:
        decoders.close()
    assert len(images) == len(frames)
    for path, image in zip(frames.frames, images, strict=True):
        np.testing.assert_array_equal(image, read_image(Path(path), "bgr"))


class SlowDecoder:
    """Takes a moment for each frame, and counts who decodes at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lock, self.now, self.most = threading.Lock(), 0, 0
        self.threads: list[str] = []
        monkeypatch.setattr(ahead, "read_image", self.read)

    def read(self, path: Path, color: str) -> Any:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.threads.append(threading.current_thread().name)
        time.sleep(0.005)
        with self.lock:
            self.now -= 1
        return read_image(path, color)  # type: ignore[arg-type]

    def helped(self) -> int:
        return sum(name.startswith("decoder") for name in self.threads)


def test_without_a_spare_core_the_tracker_decodes_itself(frames: Sequence, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowDecoder(monkeypatch)
    decoders = DecodeAhead("bgr", 0, 4)
    for _ in decoders.frames(frames):
        time.sleep(0.005)
    decoders.close()
    assert slow.helped() == 0
    assert slow.most == 1


def test_helpers_take_no_more_than_the_spare_cores(frames: Sequence, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowDecoder(monkeypatch)
    decoders = DecodeAhead("bgr", 2, 4)
    lanes = [threading.Thread(target=lambda: [time.sleep(0.01) for _ in decoders.frames(frames)]) for _ in range(3)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    decoders.close()
    assert slow.helped() > 0
    assert slow.most <= 2 + len(lanes)


def test_a_tracker_that_ends_hands_its_core_to_the_decoders(frames: Sequence, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowDecoder(monkeypatch)
    decoders = DecodeAhead("bgr", 0, 2)
    source = decoders.frames(frames)
    next(source)
    time.sleep(0.05)
    assert slow.helped() == 0
    decoders.release(1)
    time.sleep(0.2)
    assert slow.helped() == DEPTH  # as many ahead as may lie there, and no more
    rest = list(source)
    decoders.close()
    assert len(rest) == len(frames) - 1


def test_an_error_ahead_reaches_the_tracker_at_its_frame(frames: Sequence, tmp_path: Path) -> None:
    broken = replace(frames, frames=(*frames.frames[:2], tmp_path / "gone.jpg", *frames.frames[3:]))
    decoders = DecodeAhead("bgr", 2, 2)
    source = decoders.frames(broken)
    for _ in range(2):
        next(source)
        time.sleep(0.02)
    with pytest.raises(DataError, match=r"gone\.jpg"):
        next(source)
    decoders.close()


@pytest.mark.parametrize("error", [ValueError("odd"), MemoryError(), KeyError("x"), SystemExit(3)])
def test_whatever_stops_a_decoder_reaches_the_tracker(
    frames: Sequence, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    broken = frames.frames[3]

    def read(path: Path, color: str) -> object:
        if path == broken:
            raise error
        return read_image(path, color)

    monkeypatch.setattr(ahead, "read_image", read)
    decoders = DecodeAhead("bgr", 2, 2)
    try:
        source = decoders.frames(frames)
        for _ in range(3):
            next(source)
            time.sleep(0.02)  # so that helpers decode ahead
        with pytest.raises(type(error)):
            next(source)
    finally:
        decoders.close()
