"""The ways in which foreign trackers are called, each on a tracker of its kind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from foreign_trackers import FOREIGN, PROGRAM, REPO, frame

from harness.trackers.native import styles
from harness.trackers.native.styles.common import as_box, as_score
from harness.trackers.native.styles.opencv import OpenCv
from harness.trackers.native.styles.pytracking import PyTracking


class Mistake(Exception):
    pass


@pytest.fixture(autouse=True)
def _folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOREIGN))
    monkeypatch.syspath_prepend(str(REPO))


def adapt(factory: str | None, **settings: Any) -> Any:
    recipe = {
        "style": None, "factory": factory, "command": None, "options": {}, "weights": None, "images": None, "color": None,
        "frames": "rgb", "fresh": None, "confidence": None, "start_timeout": 30.0, "timeout": 5.0, **settings,
    }  # fmt: skip
    return styles.adapt(recipe, 1, Mistake)


def moving(step: tuple[int, int], start: tuple[int, int] = (20, 12)) -> list[np.ndarray]:
    """Frames of a textured square that moves by ``step`` pixels a frame over a textured ground."""
    draw = np.random.default_rng(0)
    ground, square = draw.integers(0, 90, (60, 90, 3)), draw.integers(120, 255, (14, 16, 3))
    found = []
    for index in range(4):
        image = ground.copy()
        x, y = start[0] + step[0] * index, start[1] + step[1] * index
        image[y : y + 14, x : x + 16] = square
        found.append(image.astype(np.uint8))
    return found


# --------------------------------------------------------------------------------------------- got10k


def test_got10k_tracker_follows_a_square_by_its_steps() -> None:
    adapter = adapt("matching:Matching")
    first, *others = moving((2, 1))
    assert adapter.init(first, [20.0, 12.0, 16.0, 14.0])["seconds"] > 0
    boxes = [adapter.update(image)["box"] for image in others]
    assert boxes == [[22, 13, 16, 14], [24, 14, 16, 14], [26, 15, 16, 14]]
    assert adapter.facts()["style"] == "got10k"


def test_a_class_that_takes_pil_images_is_recognised_by_its_init() -> None:
    adapter = adapt("matching:WantsPil")
    adapter.init(frame(8, 9, (1, 2, 3)), [0, 0, 1, 1])
    assert adapter.update(frame(8, 9, (1, 2, 3)))["box"] == [9, 8, 1, 2]
    assert adapter.facts()["images"] == "pil"


def test_the_toolkits_own_subclasses_get_pil_images_at_once() -> None:
    toolkit = pytest.importorskip("got10k.trackers", reason="the official toolkit is not installed")
    adapter = styles.got10k.Got10k(
        {"factory": "x:y", "images": None, "color": None, "frames": "rgb", "fresh": None, "weights": None},
        toolkit.IdentityTracker(),
        toolkit.IdentityTracker,
        Mistake,
    )
    adapter.init(frame(), [1, 2, 3, 4])
    assert adapter.update(frame())["box"] == [1, 2, 3, 4]
    assert adapter.images == "pil"


# --------------------------------------------------------------------------------------------- pytracking


def test_a_repositorys_evaluation_object_makes_the_tracker_in_its_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPO)
    options = {"name": "follow", "parameter_name": "small", "dataset_name": "got10k"}
    adapter = adapt("lib.test.evaluation.tracker:Tracker", options=options)
    first, *others = moving((1, 2))
    adapter.init(first, [20.0, 12.0, 16.0, 14.0])
    replies = [adapter.update(image) for image in others]
    assert [reply["box"][:2] for reply in replies] == [[21, 14], [22, 16], [23, 18]]
    assert [reply["confidence"] for reply in replies] == [1, 1, 1]  # 1 / (1 + no difference)
    assert adapter.facts()["confidence"] == "best_score"
    before = adapter.subject
    adapter.init(first, [20.0, 12.0, 16.0, 14.0])
    assert adapter.subject is not before  # built anew, as the repository's evaluation does


class Output:
    """Answers with what it is given."""

    def __init__(self, **output: Any) -> None:
        self.output = output

    def initialize(self, image: Any, info: dict[str, Any]) -> None:
        self.info = info

    def track(self, image: Any) -> dict[str, Any]:
        return self.output


@pytest.mark.parametrize(
    ("output", "score"),
    [
        ({}, None),
        ({"best_score": 0.5, "all_scores": [0.9]}, 0.5),
        ({"best_score": None, "all_scores": [0.1, 0.75]}, 0.75),
        ({"object_presence_score": np.array([[0.25]])}, 0.25),
        ({"max_score": float("nan")}, None),
        ({"conf_score": "high"}, None),
    ],
)
def test_the_score_of_an_output_is_found_under_the_usual_keys(output: dict[str, Any], score: float | None) -> None:
    subject = Output(target_bbox=[1, 2, 3, 4], **output)
    adapter = PyTracking(recipe_of(), subject, lambda: subject, Mistake)
    adapter.init(frame(), [1, 2, 3, 4])
    assert subject.info == {"init_bbox": [1, 2, 3, 4]}
    reply = adapter.update(frame())
    assert (reply["box"], reply["confidence"]) == ([1, 2, 3, 4], score)


def test_a_score_under_a_key_of_ones_own_is_named() -> None:
    subject = Output(target_bbox=[1, 2, 3, 4], best_score=0.9, sureness=0.1)
    adapter = PyTracking(recipe_of(confidence="sureness"), subject, lambda: subject, Mistake)
    adapter.init(frame(), [1, 2, 3, 4])
    assert adapter.update(frame())["confidence"] == 0.1
    wrong = PyTracking(recipe_of(confidence="gone"), subject, lambda: subject, Mistake)
    wrong.init(frame(), [1, 2, 3, 4])
    with pytest.raises(Mistake, match=r"no such key; it has: target_bbox, best_score, sureness"):
        wrong.update(frame())


def test_an_output_without_a_box_is_reported() -> None:
    subject = Output(boxes=[1, 2, 3, 4])
    adapter = PyTracking(recipe_of(), subject, lambda: subject, Mistake)
    adapter.init(frame(), [1, 2, 3, 4])
    with pytest.raises(TypeError, match="it must be a mapping with 'target_bbox'"):
        adapter.update(frame())


def recipe_of(**settings: Any) -> dict[str, Any]:
    return {"factory": "x:y", "fresh": False, "color": None, "frames": "rgb", "weights": None, "confidence": None, **settings}


def test_boxes_and_scores_may_be_tensors() -> None:
    import torch

    grown = torch.tensor([1.0, 2.0, 3.0, 4.5], requires_grad=True)
    assert as_box(grown) == [1, 2, 3, 4.5]
    assert as_box([torch.tensor(1.0), 2, 3, torch.tensor(4.5)]) == [1, 2, 3, 4.5]
    assert as_score(torch.tensor([[0.25, 0.5]])) == 0.5


# --------------------------------------------------------------------------------------------- opencv


def errors_of_mil() -> list[float]:
    """How far TrackerMIL's boxes lie from a square that moves by (1, 1), in pixels."""
    adapter = adapt("cv2:TrackerMIL")
    images, errors = moving((1, 1)), []
    adapter.init(images[0], [20.2, 11.8, 16.0, 14.0])  # its rectangles are of whole pixels
    for index, image in enumerate(images[1:], 1):
        x, y, w, h = adapter.update(image)["box"]
        assert (w, h) == (16, 14)
        errors.append(max(abs(x - 20 - index), abs(y - 12 - index)))
    assert adapter.facts() == {"style": "opencv", "tracker": "cv2.TrackerMIL"}
    return errors


def test_opencvs_own_tracker_is_built_and_follows_a_square() -> None:
    # it draws its samples anew in every run and takes no seed: one run in a hundred strays, three in a row do not
    assert any(max(errors_of_mil()) < 14 for _ in range(3))


def test_an_opencv_tracker_that_lost_its_target_leaves_the_box_and_tells_its_score() -> None:
    class Lost:
        found = True

        def init(self, image: Any, box: Any) -> None:
            self.box = box

        def update(self, image: Any) -> Any:
            return self.found, (5, 6, 7, 8) if self.found else (0, 0, 0, 0)

        def getTrackingScore(self) -> float:
            return 0.5 if self.found else 0.125

    Lost.__module__ = "cv2"
    subject = Lost()
    adapter = OpenCv({**recipe_of(), "style": "opencv"}, subject, lambda: subject, Mistake)
    adapter.init(frame(), [1.0, 2.0, 3.0, 4.0])
    assert adapter.update(frame()) | {"seconds": 0} == {"box": [5, 6, 7, 8], "confidence": 0.5, "seconds": 0}
    Lost.found = False
    assert adapter.update(frame()) | {"seconds": 0} == {"box": [5, 6, 7, 8], "confidence": 0.125, "seconds": 0}


def test_model_files_of_an_opencv_tracker_are_asked_for_by_name() -> None:
    with pytest.raises(Mistake, match=r"cv2.TrackerNano needs its model files: tracker.weights=\[backbone,neckhead\]"):
        adapt("cv2:TrackerNano")
    with pytest.raises(Mistake, match=r"cv2.TrackerNano takes 2 model file\(s\)"):
        adapt("cv2:TrackerNano", weights="one.onnx")
    with pytest.raises(Mistake, match=r"cv2.TrackerVit has no parameter 'size'; it has: .*net"):
        adapt("cv2:TrackerVit", weights="net.onnx", options={"size": 3})


# --------------------------------------------------------------------------------------------- trax


@pytest.fixture
def program(tmp_path: Path) -> Any:
    pytest.importorskip("trax", reason="the extra [trax] is not installed")

    def start(*words: str) -> Any:
        return adapt(None, command=[sys.executable, str(PROGRAM), *words], scratch=str(tmp_path))

    return start


def test_a_trax_program_is_followed_and_its_frames_are_cleared_away(program: Any, tmp_path: Path) -> None:
    adapter = program()
    assert adapter.facts()["tracker"] == "shifting"
    for _ in range(2):  # a second sequence starts it anew
        (number,) = adapter.processes()
        adapter.init(frame(), [20.5, 12.0, 16.0, 14.0])
        for step in range(1, 4):
            reply = adapter.update(frame())
            assert reply["box"] == [20.5 + step, 12, 16, 14]
            assert reply["confidence"] == 0.5
    assert adapter.processes() != [number] or number
    assert len(list(tmp_path.glob("*.png"))) <= 2
    adapter.close()
    assert adapter.processes() == []


def test_a_trax_program_sees_the_pixels_that_were_sent(program: Any, tmp_path: Path) -> None:
    adapter = program()
    image = np.random.default_rng(0).integers(0, 255, (12, 10, 3), dtype=np.uint8)
    adapter.init(image, [1, 2, 3, 4])
    stored = cv2.imread(str(next(tmp_path.glob("*.png"))))
    np.testing.assert_array_equal(stored[:, :, ::-1], image)
    adapter.close()


def test_a_trax_program_that_dies_is_reported_with_its_exit_code(program: Any, capfd: pytest.CaptureFixture[str]) -> None:
    adapter = program("2")
    adapter.init(frame(), [1, 2, 3, 4])
    adapter.update(frame())
    with pytest.raises(RuntimeError, match="its exit code is 1"):
        adapter.update(frame())
    assert "the program's last words" in capfd.readouterr().err
    adapter.close()


def test_a_program_that_does_not_speak_trax_is_reported(tmp_path: Path) -> None:
    pytest.importorskip("trax", reason="the extra [trax] is not installed")
    with pytest.raises(RuntimeError, match="no TraX greeting came"):
        adapt(None, command=[sys.executable, "-c", "print('hello')"], scratch=str(tmp_path))


def test_model_files_that_opencv_cannot_use_are_told_with_their_order(tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ("backbone.onnx", "head.onnx")]
    for file in files:
        Path(file).write_text("version https://git-lfs.github.com/spec/v1")  # what a repository without its large files holds
    with pytest.raises(Mistake, match=r"cv2:TrackerNano cannot use its model files; tracker\.weights is \[backbone,neckhead\]"):
        adapt("cv2:TrackerNano", weights=files)


def test_a_missing_package_is_to_be_installed_for_the_python_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wants.py").write_text("import surely_not_installed\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(Mistake, match=r"imports 'surely_not_installed'.* install it for /opt/own/bin/python"):
        adapt("wants:Tracker", python="/opt/own/bin/python")
    with pytest.raises(Mistake, match=r"imports 'surely_not_installed'.* with tracker\.python=PATH"):
        adapt("wants:Tracker")
