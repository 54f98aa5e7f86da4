"""``track`` by the command line: boxes of ``dataset=video``, one sentence for what goes wrong, a clean end by Ctrl-C."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from command_line import harness
from mjpeg_stream import Stream, clip, jpegs_of, serving

from harness.core.results import read_frames

BOX = "20,30,30,24"
FAST = ("backend=onnx", "threads=1")


@pytest.fixture(scope="module")
def track(imports, prepared):
    """Runs ``track`` in a folder."""

    def run(folder, *words):
        return imports.run("track", *words[:1], *FAST, *words[1:], f"prepare.cache={prepared}", cwd=folder, DISPLAY="", WAYLAND_DISPLAY="")

    return run


def boxes(done):
    return [json.loads(line)["box"] for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory, prepared):
    """A folder with a clip and what ``dataset=video`` makes of it with the demo tracker."""
    folder = tmp_path_factory.mktemp("track")
    clip(folder / "clip.avi", 30)
    words = ("dataset=video", "dataset.path=clip.avi", f"dataset.init_box=[{BOX}]", "hydra.run.dir=run", "mlflow=off")
    done = harness(*words, *FAST, f"prepare.cache={prepared}", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_file_gives_the_boxes_of_the_data_set(place, track):
    done = track(place, "clip.avi", "--box", BOX, "--json")
    assert done.returncode == 0, done.stderr
    wanted = read_frames(place / "run")[["x", "y", "w", "h"]].to_numpy()
    assert (np.round(boxes(done), 3) == wanted).all() and len(wanted) == 30
    assert "30 frames of clip.avi, 0 dropped" in done.stderr and "the source ended" in done.stderr


def test_a_stream_gives_the_boxes_of_the_data_set_and_keeps_its_password(place, track):
    stream = Stream(jpegs_of(place / "clip.avi"), guarded=True)
    with serving(stream) as address:
        secret = address.replace("http://", "http://me:geheim77@")
        done = track(place, secret, "--box", BOX, "--json", "--every-frame")
    assert done.returncode == 0, done.stderr
    wanted = read_frames(place / "run")[["x", "y", "w", "h"]].to_numpy()
    assert (np.round(boxes(done), 3) == wanted).all()
    assert stream.asked[-1] == "Basic " + base64.b64encode(b"me:geheim77").decode()
    assert "geheim77" not in done.stderr + done.stdout and "127.0.0.1" in done.stderr


def test_film_and_recording_are_written(place, track):
    done = track(place, "clip.avi", "--box", BOX, "--out", "film.mp4", "--record", "kept")
    assert done.returncode == 0 and done.stdout == "", done.stderr
    assert (place / "film.mp4").stat().st_size > 0
    assert (place / "kept/list.txt").read_text() == "clip_001\n"
    assert "boxes: made by smat_demo on onnx, not by a person" in (place / "kept/clip_001/meta_info.ini").read_text()
    again = track(place, "kept/clip_001", "--box", BOX, "--json")
    truth = np.loadtxt(place / "kept/clip_001/groundtruth.txt", delimiter=",")
    assert np.asarray(boxes(again)).tolist() == truth.tolist()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("clip.avi",), 2, "there is no display here; give the box by --box x,y,w,h and take the result by --out FILE.mp4, --json"),
        (("none.avi", "--box", BOX, "--json"), 2, "none.avi does not exist; give a video file, a folder of images"),
        (("clip.avi", "--box", "1,2,3", "--json"), 2, "--box is '1,2,3'; accepted: x,y,w,h"),
        (("clip.avi", "--box", "150,2,30,30", "--json"), 2, "--box is [150.0, 2.0, 30.0, 30.0], which is not inside the image"),
        (("clip.avi", "--box", BOX, "--out", "film.avi"), 2, "--out film.avi is no MP4 file"),
        (("http://127.0.0.1:9/x", "--box", BOX, "--json", "--timeout", "0.5"), 2, "http://127.0.0.1:9/x cannot be opened"),
        (("clip.avi", "--box", BOX, "--json", "backend=onx"), 2, "onx"),
    ],
)
def test_what_goes_wrong_is_one_sentence(place, track, words, code, message):
    done = track(place, *words)
    assert done.returncode == code, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and message in errors[0] and "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a console's Ctrl-C cannot be sent to one process on Windows")
@pytest.mark.parametrize(("sign", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_ctrl_c_or_being_told_to_end_writes_what_there_is(place, prepared, ready_path, sign, code):
    cut = f"cut-{sign}"
    command = [sys.executable, "-m", "harness", "track", "", "--box", BOX, "--json", "--record", cut, *FAST, f"prepare.cache={prepared}"]
    with serving(Stream(jpegs_of(place / "clip.avi") * 200, pause=0.05)) as address:
        command[4] = address
        child = subprocess.Popen(
            command, cwd=place, env={**os.environ, "PYTHONPATH": ready_path}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        first = [child.stdout.readline() for _ in range(5)]
        child.send_signal(getattr(signal, sign))
        rest, errors = child.communicate(timeout=60)
    assert child.returncode == code, errors
    count = len(first) + len(rest.splitlines())
    assert len(np.loadtxt(place / cut / "clip_001/groundtruth.txt", delimiter=",")) == count
    assert "stopped" in errors and "Traceback" not in errors


def test_a_reader_that_goes_away_ends_it_quietly(place, prepared, ready_path):
    command = [sys.executable, "-m", "harness", "track", "clip.avi", "--box", BOX, "--json", *FAST, f"prepare.cache={prepared}"]
    child = subprocess.Popen(
        command, cwd=place, env={**os.environ, "PYTHONPATH": ready_path}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    child.stdout.readline()
    child.stdout.close()
    deadline = time.monotonic() + 60
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert child.returncode == 0 and "Traceback" not in child.stderr.read()
