"""FEAR-XS's tracker over scripted maps: regions, clamping, decoding and confidence against the published arithmetic."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scripted import Scripted, blocky_image

from harness.core.errors import TrackingError, WeightsError
from harness.imaging.crops import Cropper
from harness.trackers.fear import Fear
from harness.trackers.fear.tracker import FearTracker, clamped, region

DATA = Path(__file__).resolve().parents[3] / "data"
GOLDEN = json.loads((DATA / "fear_golden_tracker.json").read_text())
IMAGE = np.zeros((240, 320, 3), np.uint8)
BOX = np.array([100.0, 80.0, 40.0, 30.0])


def start(smooth: bool = False, **maps: np.ndarray) -> tuple[FearTracker, dict[str, Scripted]]:
    spec = Fear(weights="random", smooth=smooth)
    sessions = {name: Scripted(graph, maps if name != "template" else None) for name, graph in spec.graphs.items()}
    tracker = spec.start(sessions)
    assert isinstance(tracker, FearTracker)
    return tracker, sessions


@pytest.mark.parametrize("case", GOLDEN["clamps"], ids=lambda case: str(case["box"]))
def test_a_box_is_clamped_as_published(case: dict) -> None:
    assert clamped(*case["box"], *case["image"]) == tuple(case["out"])


@pytest.mark.parametrize("index", range(len(GOLDEN["crops"])))
def test_a_crop_has_the_golden_pixels(index: int) -> None:
    case = GOLDEN["crops"][index]
    template = case["kind"] == "template"
    x, y, width, height = region(tuple(case["box"]), 0.2 if template else 2.0)
    assert [x, y, width, height] == case["region"]
    image = blocky_image(index, *case["image"], np.uint8)
    tracker, _ = start()
    tracker.init(image, BOX)
    assert tracker.fill.tolist() == case["fill"]
    crop = Cropper(128 if template else 256).cut(image, (x, y, x + width, y + height), fill=tracker.fill)[0]
    with np.load(DATA / "fear_golden_crops.npz") as kept:
        expected = kept[f"crop{index}"].astype(int)
    assert np.abs(crop[::16, ::16] - expected).max() <= 1  # libraries and processors round a resize differently
    assert np.abs(crop.reshape(-1, 3).sum(axis=0, dtype=np.int64) - case["sum"]).max() <= crop.shape[0] ** 2 * 0.05


@pytest.mark.parametrize("smooth", [False, True], ids=["plain", "smooth"])
@pytest.mark.parametrize("case", GOLDEN["decodes"], ids=lambda case: str(case["seed"]))
def test_golden_maps_give_the_golden_box(case: dict, smooth: bool) -> None:
    crop = GOLDEN["crops"][case["crop"]]
    generator = np.random.default_rng(case["seed"])
    bbox = generator.uniform(0.5, 90, (1, 4, 16, 16)).astype(np.float32)
    cls = generator.normal(-3, 2, (1, 1, 16, 16)).astype(np.float32)
    tracker, _ = start(smooth, bbox=bbox, cls=cls)
    image = np.zeros((crop["image"][1], crop["image"][0], 3), np.uint8)
    tracker.init(image, np.array(crop["box"], float))
    assert tracker.update(image).tolist() == case["smooth" if smooth else "plain"]["box"]


def test_the_confidence_is_the_sigmoid_at_the_chosen_cell() -> None:
    cls = np.full((1, 1, 16, 16), -5, np.float32)
    cls[0, 0, 0, 0] = 1.5  # the highest, far from the middle
    cls[0, 0, 8, 8] = 1.0
    plain, _ = start(bbox=np.full((1, 4, 16, 16), 25.6, np.float32), cls=cls)
    plain.init(IMAGE, BOX)
    assert plain.confidence is None
    plain.update(IMAGE)
    assert plain.confidence == pytest.approx(1 / (1 + math.exp(-1.5)), rel=1e-6)
    smooth, _ = start(smooth=True, bbox=np.full((1, 4, 16, 16), 25.6, np.float32), cls=cls)
    smooth.init(IMAGE, BOX)
    smooth.update(IMAGE)  # the window prefers the middle; the confidence is without it
    assert smooth.confidence == pytest.approx(1 / (1 + math.exp(-1.0)), rel=1e-6)


def test_the_first_of_equal_scores_is_taken_in_rows() -> None:
    cls = np.full((1, 1, 16, 16), -5, np.float32)
    cls[0, 0, 3, 9] = cls[0, 0, 9, 3] = 2.0
    tracker, _ = start(bbox=np.full((1, 4, 16, 16), 20, np.float32), cls=cls)
    tracker.init(IMAGE, BOX)
    # region (20, 20, 200, 150); x1 = 16 * 9 - 20 = 124 -> 124 * 200 / 256 + 20 = 116.9; y1 = 28 -> 36.4
    # w = 40 * 200 / 256 = 31.25, h = 40 * 150 / 256 = 23.4
    assert tracker.update(IMAGE).tolist() == [117, 36, 31, 23]


def test_a_region_many_times_the_image_is_cropped() -> None:
    tracker, sessions = start(bbox=np.full((1, 4, 16, 16), 20, np.float32))
    image = np.full((1080, 1920, 3), 90, np.uint8)
    tracker.init(image, np.array([0.0, 0.0, 1920.0, 1080.0]))
    tracker.update(image)
    assert (sessions["search"].calls[0]["search"] == 90).all()


def test_maps_that_are_not_finite_are_an_error() -> None:
    tracker, _ = start(bbox=np.full((1, 4, 16, 16), np.inf, np.float32))
    tracker.init(IMAGE, BOX)
    with pytest.raises(TrackingError, match="not finite numbers"):
        tracker.update(IMAGE)


def test_weights_are_asked_for_with_advice() -> None:
    with pytest.raises(WeightsError, match=r"needs its trained weights.*FEAR-XS-NoEmbs\.ckpt.*tracker\.weights=random"):
        Fear().source()
    with pytest.raises(WeightsError, match=r"there is no file .*nothing\.ckpt"):
        Fear(weights="nothing.ckpt").source()
