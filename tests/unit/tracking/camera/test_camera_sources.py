"""Frames of files, folders and streams: all of them, or the newest; what is said where they do not come."""

from __future__ import annotations

import threading
import time

import cv2
import numpy as np
import pytest
from mjpeg_stream import Stream, clip, jpegs_of, serving

from harness.core.errors import DataError
from harness.imaging.clips import frames_of
from harness.tracking.camera.sources import NewestFrame, SourceStalled, kind_of, source_of


def taken(source, most=1000):
    stop, found = threading.Event(), []
    source.start()
    try:
        while len(found) < most and (frame := source.take(stop)) is not None:
            found.append(frame)
    finally:
        source.close()
    return found


def test_a_file_gives_every_frame_however_slow_the_tracker_is(tmp_path):
    path = clip(tmp_path / "clip.avi", 12)
    source, stop, found = source_of(str(path), "bgr"), threading.Event(), []
    source.start()
    while (frame := source.take(stop)) is not None:
        time.sleep(0.005)
        found.append(frame)
    assert [frame.number for frame in found] == list(range(12)) and source.dropped == 0 and source.fps == 25
    assert all((frame.image == image).all() for frame, image in zip(found, frames_of(path), strict=True))


def test_channels_are_in_the_order_that_is_asked_for(tmp_path):
    path = clip(tmp_path / "clip.avi", 3)
    rgb, bgr = (taken(source_of(str(path), color))[2].image for color in ("rgb", "bgr"))
    assert (rgb == bgr[:, :, ::-1]).all() and (rgb != bgr).any()


def test_the_images_of_a_folder_come_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 2, 1):
        cv2.imwrite(str(tmp_path / f"image{number}.png"), np.full((4, 6, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("no image")
    assert [int(frame.image[0, 0, 0]) for frame in taken(source_of(str(tmp_path), "rgb"))] == [1, 2, 10]


def test_of_a_live_source_the_newest_frame_is_taken_and_the_others_are_counted():
    given, may_go_on = threading.Event(), threading.Event()

    def read(source):
        for number in range(5):
            yield np.full((2, 2, 3), number, np.uint8)
        given.set()
        may_go_on.wait(10)
        yield np.full((2, 2, 3), 5, np.uint8)

    source, stop = NewestFrame("camera 0", "bgr", read, 10.0), threading.Event()
    source.start()
    assert given.wait(10)
    first = source.take(stop)
    may_go_on.set()
    second = source.take(stop)
    assert (first.number, second.number, source.dropped) == (4, 5, 4)
    assert first.image[0, 0, 0] == 4 and source.take(stop) is None


def test_a_stream_gives_the_pixels_of_the_file_with_the_same_images(tmp_path):
    path = clip(tmp_path / "clip.avi", 30)
    with serving(Stream(jpegs_of(path))) as address:
        found = taken(source_of(address, "bgr", every_frame=True))
    assert len(found) == 30
    assert all((frame.image == image).all() for frame, image in zip(found, frames_of(path), strict=True))


@pytest.mark.parametrize("every_frame", [True, False])
def test_a_stream_that_hangs_has_stalled(tmp_path, every_frame):
    path = clip(tmp_path / "clip.avi", 30)
    stream = Stream(jpegs_of(path), hang=True)
    with serving(stream) as address:
        source = source_of(address, "bgr", every_frame=every_frame, timeout=1.0)
        with pytest.raises(SourceStalled, match=r"sent no frame for 1 s; .*--timeout"):
            taken(source)
    assert SourceStalled.exit_code == 1


def test_a_stream_that_nobody_serves_cannot_be_opened():
    with serving(Stream([])) as address:
        pass
    with pytest.raises(DataError, match="cannot be opened"):
        taken(source_of(address, "bgr", timeout=2.0))


def test_waiting_ends_when_it_is_told_to():
    def slow(source):
        time.sleep(1)
        return iter(())

    source, stop = NewestFrame("camera 0", "bgr", slow, None), threading.Event()
    source.start()
    stop.set()
    assert source.take(stop) is None


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("none.mp4", r"none\.mp4 does not exist; give a video file, a folder of images, the number of a camera, or an address"),
        ("gopher://host/clip", "the scheme gopher, which is not known; accepted: rtsp"),
        ("99999999999", "99999999999 does not exist; give a video file, a folder of images, the number of a camera"),
    ],
)
def test_what_is_no_source_is_said_with_what_is_accepted(address, message):
    with pytest.raises(DataError, match=message):
        kind_of(address)


def test_kinds_of_sources(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.mp4").write_bytes(b"")
    assert [kind_of(item) for item in ("0", "clip.mp4", ".", "rtsp://host/stream")] == ["camera", "file", "folder", "stream"]


def test_a_folder_without_images_says_so(tmp_path):
    with pytest.raises(DataError, match="holds no images"):
        taken(source_of(str(tmp_path), "rgb"))
