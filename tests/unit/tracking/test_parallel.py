"""Sequences in flight: threads within the budget, frames decoded ahead within bounds."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stub_jobs import numbered_sequences

from harness.core.errors import DataError
from harness.core.interfaces import Sequence
from harness.imaging.decoding import read_image
from harness.tracking import prefetch as ahead
from harness.tracking.parallel import Split, split_threads
from harness.tracking.prefetch import DEPTH, DecodeAhead

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


# -------------------------------------------------------------------------------------- decoding ahead


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Sequence:
    return next(iter(numbered_sequences(tmp_path_factory.mktemp("frames"), sequences=1, frames=6)))


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
