"""The tracking loop: whose clock runs when, whose box places the next crop, what a failure says."""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from own_tracker import GRAPH, Own, modules

from harness.backends.torch.session import TorchSession
from harness.core.errors import BackendError, ConfigError, HarnessError, TrackingError
from harness.core.interfaces import Array, Arrays, Boxes, GraphSpec, Image, Sequence, Session, Tracker
from harness.tracking.loop import Runner, decoded

CROP, RUN, POST = 0.004, 0.008, 0.002


class SlowSession:
    """Sleeps for ``RUN`` seconds."""

    spec = GraphSpec("search", (), ())

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        del inputs
        time.sleep(RUN)
        return {}


class SlowTracker(Tracker):
    """Sleeps before and after its session runs; its box moves a pixel per update."""

    def __init__(self, session: Session, runs: int, bad_at: int) -> None:
        self.session, self.runs, self.bad_at = session, runs, bad_at
        self.placed: list[list[float]] = []
        self.updates = 0
        self.box: Boxes = np.zeros(4)
        self.collecting: list[bool] = []

    def init(self, image: Image, box: Boxes) -> None:
        self.box = np.array(box)

    def place(self, box: Boxes) -> None:
        self.box = np.array(box)
        self.placed.append(list(box))

    def update(self, image: Image) -> Boxes:
        self.collecting.append(gc.isenabled())
        self.updates += 1
        time.sleep(CROP)
        for _ in range(self.runs):
            self.session.run({})
        time.sleep(POST)
        self.box = self.box + np.array([1.0, 0, 0, 0])
        return self.box if self.updates != self.bad_at else np.full(4, np.nan)


class SlowSpec:
    """Stands for a TrackerSpec."""

    color = "rgb"

    def __init__(self, runs: int = 1, bad_at: int = 0) -> None:
        self.runs, self.bad_at = runs, bad_at
        self.tracker: Any = None

    def start(self, sessions: Mapping[str, Session]) -> Tracker:
        self.tracker = SlowTracker(sessions["search"], self.runs, self.bad_at)
        return self.tracker


@pytest.fixture
def sequence(tmp_path: Path) -> Sequence:
    paths = []
    for index in range(6):
        paths.append(tmp_path / f"{index}.png")
        cv2.imwrite(str(paths[-1]), np.full((40, 60, 3), index, np.uint8))
    truth = np.array([[index * 2.0, 5, 10, 10] for index in range(6)])
    return Sequence("moving", tuple(paths), truth[0], truth=truth)


def runner(spec: SlowSpec) -> Runner:
    return Runner(spec, {"search": SlowSession()})  # type: ignore[arg-type]


@pytest.mark.parametrize("runs", [1, 2])
def test_stages_are_told_apart_and_make_up_the_whole(sequence: Sequence, runs: int) -> None:
    track = runner(SlowSpec(runs)).track(sequence)
    stages = {name: values[1:] for name, values in track.stages.items()}
    total = stages["preprocess"] + stages["inference"] + stages["postprocess"]
    np.testing.assert_allclose(total, track.seconds[1:], atol=1e-9)
    for name, least in (("preprocess", CROP), ("inference", runs * RUN), ("postprocess", POST)):
        assert stages[name].min() >= least
        assert np.median(stages[name]) < least + 0.02, name
    assert (stages["decode"] > 0).all()


def test_decoding_is_outside_the_clock(sequence: Sequence) -> None:
    def slow_frames() -> Any:
        for item in decoded(sequence, "rgb"):
            time.sleep(0.03)
            yield item

    track = runner(SlowSpec()).track(sequence, frames=slow_frames())
    assert np.median(track.seconds[1:]) < 0.03


def test_boxes_begin_with_the_given_one_and_follow_the_tracker(sequence: Sequence) -> None:
    track = runner(SlowSpec()).track(sequence)
    np.testing.assert_array_equal(track.boxes[:, 0], np.arange(6) + sequence.init_box[0])


def test_feedback_places_the_previous_truth_before_every_update(sequence: Sequence) -> None:
    assert sequence.truth is not None
    spec = SlowSpec()
    track = runner(spec).track(sequence, feedback=sequence.truth)
    assert spec.tracker.placed == sequence.truth[:-1].tolist()
    np.testing.assert_array_equal(track.boxes[1:, 0], sequence.truth[:-1, 0] + 1)


def test_a_limit_ends_early(sequence: Sequence) -> None:
    spec = SlowSpec()
    track = runner(spec).track(sequence, limit=3)
    assert len(track.boxes) == len(track.seconds) == 3
    assert spec.tracker.updates == 2


def test_a_box_that_is_not_a_number_names_sequence_and_frame(sequence: Sequence) -> None:
    with pytest.raises(TrackingError, match=r"moving, frame 4: .*not finite"):
        runner(SlowSpec(bad_at=3)).track(sequence)
    assert gc.isenabled()


def test_no_garbage_is_collected_while_the_clock_runs(sequence: Sequence) -> None:
    spec = SlowSpec()
    runner(spec).track(sequence)
    assert spec.tracker.collecting == [False] * 5
    assert gc.isenabled()


def test_each_frame_is_reported_outside_the_clock(sequence: Sequence) -> None:
    told: list[float] = []

    def on_frame(seconds: float) -> None:
        told.append(seconds)
        time.sleep(0.02)

    track = runner(SlowSpec()).track(sequence, on_frame=on_frame)
    assert told == track.seconds.tolist()
    assert np.median(track.seconds[1:]) < CROP + RUN + POST + 0.015


@pytest.mark.parametrize(
    ("fault", "says", "error"),
    [
        ("input", r"moving, frame 2: .*|graph search was run without its input 'patch'", HarnessError),
        ("output", r"moving, frame 2: the tracker failed with KeyError: 'score' \(own_tracker\.py, line \d+\)", TrackingError),
        ("box", r"moving, frame 2: the tracker returned array\(.*\); accepted: a box \[x, y, w, h\]", TrackingError),
        ("start", r"own_tracker\.Own\.start failed: KeyError: 'serach' .*it gets the sessions of search", ConfigError),
        ("no tracker", r"own_tracker\.Own\.start returned a object; accepted: .* derives from Tracker", ConfigError),
    ],
)
def test_what_is_wrong_with_a_persons_tracker_is_reported(
    sequence: Sequence, fault: str, says: str, error: type[HarnessError]
) -> None:
    session = TorchSession(GRAPH, modules()["search"], "cpu")
    with pytest.raises(error, match=says):
        Runner(Own(fault=fault), {"search": session}).track(sequence)
    assert gc.isenabled()


def test_a_tracker_that_does_not_tell_its_confidence_has_none() -> None:
    assert SlowSpec().start({"search": SlowSession()}).confidence is None


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (FileNotFoundError(2, "No such file or directory", "templates.npy"), TrackingError, r"moving, frame 2: the tracker failed with FileNotFoundError: .*templates\.npy.*\(test_loop\.py, line \d+\)"),
        (BackendError("ONNX Runtime cannot run graph search: invalid dimensions."), BackendError, "moving, frame 2: ONNX Runtime cannot run graph search"),
    ],
)
def test_whatever_an_update_meets_is_told_with_sequence_and_frame(
    sequence: Sequence, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[HarnessError], says: str
) -> None:
    def failing(self: SlowSession, inputs: Mapping[str, Array]) -> Arrays:
        raise error

    monkeypatch.setattr(SlowSession, "run", failing)
    with pytest.raises(kind, match=says):
        runner(SlowSpec()).track(sequence)
