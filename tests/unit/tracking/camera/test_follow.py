"""The loop over frames that come now: its boxes are those of dataset=video, its sinks hold what was tracked."""

from __future__ import annotations

import io
import json
import threading

import cv2
import numpy as np
import pytest
from mjpeg_stream import Stream, clip, jpegs_of, serving
from pixel_tracker import Pixels

from harness.core.errors import ConfigError, TrackingError
from harness.datasets.auto.dataset import recognise
from harness.datasets.folder import Folder
from harness.datasets.video import Video
from harness.tracking.camera.follow import Follower
from harness.tracking.camera.sinks import Film, JsonLines, NobodyReads, Recording
from harness.tracking.camera.sources import source_of
from harness.tracking.loop import Runner

BOX = [20.0, 30.0, 30.0, 24.0]


class Keys:
    """A window whose person presses keys at given frames and draws the boxes in ``boxes``."""

    def __init__(self, keys=None, boxes=()):
        self.keys, self.boxes, self.shown = keys or {}, list(boxes), []

    def choose(self, image):
        self.image = image
        return self.boxes.pop(0)

    def show(self, frame):
        self.shown.append(frame)
        return self.keys.get(len(self.shown), "")

    def close(self):
        pass


def follow(address, *, order="rgb", bad_at=0, sinks=(), box=BOX, every_frame=True, **more):
    source = source_of(str(address), order, every_frame=every_frame, timeout=20.0)
    source.start()
    follower = Follower(Runner(Pixels(order, bad_at), {}), source, list(sinks), None if box is None else np.asarray(box), **more)
    try:
        return follower, follower.run()
    finally:
        source.close()


def lines(text):
    return [json.loads(line) for line in text.getvalue().splitlines()]


def boxes_of_the_data_set(path, tmp_path, order):
    (sequence,) = Video(path=str(path), init_box=BOX, cache=str(tmp_path / "cache"))
    return Runner(Pixels(order), {}).track(sequence).boxes.tolist()


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_a_file_gives_the_boxes_of_the_data_set_bit_for_bit(tmp_path, order):
    path, text = clip(tmp_path / "clip.avi", 20), io.StringIO()
    _, why = follow(path, order=order, sinks=[JsonLines(text)])
    assert [line["box"] for line in lines(text)] == boxes_of_the_data_set(path, tmp_path, order)
    assert why == "the source ended"


def test_a_stream_over_http_gives_the_boxes_of_the_data_set_bit_for_bit(tmp_path):
    path, text = clip(tmp_path / "clip.avi", 30), io.StringIO()
    with serving(Stream(jpegs_of(path))) as address:
        follow(address, sinks=[JsonLines(text)])
    assert [line["box"] for line in lines(text)] == boxes_of_the_data_set(path, tmp_path, "rgb")


def test_the_newest_frames_of_a_stream_are_tracked_and_the_others_counted(tmp_path):
    path, text = clip(tmp_path / "clip.avi", 40), io.StringIO()
    with serving(Stream(jpegs_of(path), pause=0.002)) as address:
        follower, _ = follow(address, sinks=[JsonLines(text)], every_frame=False)
    numbers = [line["frame"] for line in lines(text)]
    assert numbers == sorted(set(numbers)) and numbers[-1] == 39
    assert len(numbers) + follower.source.dropped == 40


def test_lines_tell_the_update_the_confidence_and_the_start(tmp_path):
    text = io.StringIO()
    follow(clip(tmp_path / "clip.avi", 4), sinks=[JsonLines(text)])
    found = lines(text)
    assert [line["confidence"] for line in found] == [None, 1 / 2, 1 / 3, 1 / 4]
    assert [line["started"] for line in found] == [True, False, False, False]
    assert found[0]["ms"] is None and all(line["ms"] > 0 for line in found[1:])
    assert [line["frame"] for line in found] == [0, 1, 2, 3]


def test_a_recording_is_a_data_set_that_gives_the_same_boxes_again(tmp_path):
    path, text = clip(tmp_path / "clip.avi", 12), io.StringIO()
    recording = Recording(tmp_path / "kept", "made by a test")
    follow(path, sinks=[JsonLines(text), recording])
    assert "1 sequence;" in recording.close()
    (sequence,) = Folder(root=str(tmp_path / "kept"))
    tracked = [line["box"] for line in lines(text)]
    assert sequence.truth.tolist() == tracked
    assert Runner(Pixels("rgb"), {}).track(sequence).boxes.tolist() == tracked
    assert recognise(tmp_path / "kept")[0] in ("folder", "got10k")


def test_a_new_box_starts_the_tracker_again_and_a_new_sequence(tmp_path):
    recording, again = Recording(tmp_path / "kept", "made by a test"), [5.0, 6.0, 20.0, 10.0]
    screen = Keys({4: "again", 7: "quit"}, [np.array(again)])
    _, why = follow(clip(tmp_path / "clip.avi", 20), sinks=[recording], screen=screen, showing=True)
    recording.close()
    first, second = Folder(root=str(tmp_path / "kept"))
    assert why == "quit"
    assert [len(first), len(second)] == [4, 3] and second.init_box.tolist() == again
    assert (cv2.imread(str(first.frames[3])) == cv2.imread(str(second.frames[0]))).all()


def test_the_first_box_can_be_drawn_and_the_image_to_draw_on_is_bgr(tmp_path):
    path, screen = clip(tmp_path / "clip.avi", 3), Keys(boxes=[np.array(BOX)])
    text = io.StringIO()
    follow(path, box=None, sinks=[JsonLines(text)], screen=screen)
    assert lines(text)[0]["box"] == BOX
    assert (screen.image == cv2.VideoCapture(str(path)).read()[1]).all()
    assert screen.shown == []  # a window for the box alone shows nothing afterwards


def test_a_target_that_is_lost_waits_for_a_new_box_in_the_window(tmp_path):
    screen, text = Keys({5: "again"}, [np.array(BOX)]), io.StringIO()
    follow(clip(tmp_path / "clip.avi", 7), bad_at=2, sinks=[JsonLines(text)], screen=screen, showing=True)
    assert [line["box"] is None for line in lines(text)] == [False, False, True, True, True, False, False, True]


def test_a_target_that_is_lost_without_a_window_is_an_error_and_what_there_is_stays(tmp_path):
    text = io.StringIO()
    with pytest.raises(TrackingError, match="frame 3: the tracker's box is not finite"):
        follow(clip(tmp_path / "clip.avi", 7), bad_at=3, sinks=[JsonLines(text)])
    assert len(lines(text)) == 3


def test_a_box_outside_the_image_names_its_option(tmp_path):
    with pytest.raises(ConfigError, match=r"--box is \[150\.0, .*not inside the image: the image is 160x120"):
        follow(clip(tmp_path / "clip.avi", 3), box=[150, 30, 30, 30])


def test_it_ends_after_so_many_frames_and_when_it_is_told_to(tmp_path):
    path, stop = clip(tmp_path / "clip.avi", 9), threading.Event()
    follower, why = follow(path, most=4)
    assert follower.meter.frames == 4 and why == "4 frames were asked for"
    stop.set()
    assert follow(path, stop=stop)[1] == "stopped"


def test_it_ends_when_nobody_reads_the_lines(tmp_path):
    class Closed(io.StringIO):
        def flush(self):
            raise BrokenPipeError

    _, why = follow(clip(tmp_path / "clip.avi", 9), sinks=[JsonLines(Closed())])
    assert why == "nobody reads the boxes any more"
    with pytest.raises(NobodyReads):
        JsonLines(Closed()).add(_any_frame())


def _any_frame():
    from harness.tracking.camera.sinks import Followed

    return Followed(np.zeros((2, 2, 3), np.uint8), "bgr", 0, 0.0, np.zeros(4), None, None, 0.0, 0.0, 0, True)


def test_a_film_has_every_frame_and_is_there_only_when_it_is_whole(tmp_path):
    film = Film(tmp_path / "films" / "film.mp4", lambda: 25.0)
    assert list((tmp_path / "films").glob("film.mp4")) == []
    follow(clip(tmp_path / "clip.avi", 9), sinks=[film])
    assert film.close().endswith("film.mp4: 9 frames")
    capture, count = cv2.VideoCapture(str(tmp_path / "films" / "film.mp4")), 0
    while capture.read()[0]:
        count += 1
    assert count == 9 and [path.name for path in (tmp_path / "films").iterdir()] == ["film.mp4"]


def test_the_meter_tells_percentiles_of_what_it_was_given():
    from harness.tracking.camera.meter import Meter

    meter = Meter()
    for value in (0.001, 0.002, 0.003):
        meter.frame(value)
        meter.round(0.01, value / 2)
    assert meter.percentile_ms("update", 50) == pytest.approx(2.0)
    assert meter.percentile_ms("own", 50) == pytest.approx(1.0)
    assert meter.percentile_ms("wait", 50) == pytest.approx(10.0)
    assert meter.frames == 3
