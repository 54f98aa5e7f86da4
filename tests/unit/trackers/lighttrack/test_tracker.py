"""LightTrack's tracker over scripted maps: crops, decoding, state and confidence against the published arithmetic."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scripted import Scripted, blocky_image

from harness.core.errors import ConfigError, TrackingError, WeightsError
from harness.trackers.lighttrack import LightTrack
from harness.trackers.lighttrack.tracker import LightTrackTracker

DATA = Path(__file__).resolve().parents[3] / "data"
GOLDEN = json.loads((DATA / "lighttrack_golden_tracker.json").read_text())
IMAGE = np.zeros((240, 320, 3), np.uint8)
BOX = np.array([100.0, 80.0, 40.0, 30.0])


def start(spec: LightTrack, **maps: np.ndarray) -> tuple[LightTrackTracker, dict[str, Scripted]]:
    sessions = {name: Scripted(graph, maps if name != "template" else None) for name, graph in spec.graphs.items()}
    tracker = spec.start(sessions)
    assert isinstance(tracker, LightTrackTracker)
    return tracker, sessions


def maps_of(row: int, column: int, score: float, box: tuple[float, ...]) -> dict[str, np.ndarray]:
    """One cell with ``score`` and distances ``box``; all others 0."""
    made = {"score": np.zeros((1, 1, 16, 16), np.float32), "box": np.zeros((1, 4, 16, 16), np.float32)}
    made["score"][0, 0, row, column] = score
    made["box"][0, :, row, column] = box
    return made


@pytest.mark.parametrize("case", GOLDEN["steps"], ids=lambda case: f"{case['settings']}-{case['maps']}")
def test_a_step_on_golden_maps_gives_the_golden_box(case: dict) -> None:
    with np.load(DATA / "lighttrack_golden_maps.npz") as kept:
        maps = {name: kept[f"{case['maps']}/{name}"] for name in ("score", "box")}
    tracker, sessions = start(LightTrack(weights="random", settings=case["settings"]), **maps)
    width, height = case["image_size"]
    (cx, cy), (w, h) = case["center"], case["size"]
    tracker.init(np.zeros((height, width, 3), np.uint8), np.array([cx - w / 2, cy - h / 2, w, h]))
    found = tracker.update(np.zeros((height, width, 3), np.uint8))
    np.testing.assert_allclose(found, case["box"], atol=1e-6)
    used = "search" if case["search"] == 256 else "search_288"
    assert [name for name, session in sessions.items() if name != "template" and session.calls] == [used]


@pytest.mark.parametrize("index", range(len(GOLDEN["crops"])))
def test_a_crop_has_the_golden_pixels(index: int) -> None:
    case = GOLDEN["crops"][index]
    image = blocky_image(1000 + case["image"], case["width"], case["height"])
    size = case["size"]
    spec = LightTrack(weights="random", settings="vot2019" if size in (127, 288) else "default")
    # a square box of w has a context of 2 w: half the side of the template's crop, more of the search region's
    w = case["side"] / 2 if size < 200 else case["side"] / 2 * spec.published.template / size
    tracker, sessions = start(spec)
    cx, cy = case["center"]
    tracker.init(image, np.array([cx - w / 2, cy - w / 2, w, w]))
    if size < 200:
        crop = sessions["template"].calls[0]["template"][0]
    else:
        tracker.update(image)
        crop = sessions["search_288" if size == 288 else "search"].calls[0]["search"][0]
    step = size // 4
    samples = crop[::step, ::step].astype(int).ravel()
    assert np.abs(samples - case["samples"]).max() <= 1  # libraries and processors round a resize differently
    assert np.abs(crop.reshape(-1, 3).sum(axis=0, dtype=np.int64) - case["sum"]).max() <= size * size * 0.05


def test_the_corner_of_a_crop_rounds_half_to_even() -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    image[..., 0] = np.arange(320).clip(0, 255)
    tracker, sessions = start(LightTrack(weights="random"))
    # context 2 * 64 = 128, so the crop is not resized; corner 200 - 129 / 2 = 135.5 -> 136, and 201 - 64.5 = 136.5 -> 136
    for cx, first in ((200, 136), (201, 136)):
        tracker.init(image, np.array([cx - 32.0, 88.0, 64.0, 64.0]))
        assert sessions["template"].calls[-1]["template"][0, 0, 0, 0] == first


def test_the_best_cell_moves_the_state_by_hand_computed_amounts() -> None:
    # context: sqrt((40 + 35)(30 + 35)) = 69.82; one image pixel is 128 / 69.82 = 1.8332 search pixels
    scale = 128 / math.sqrt(75 * 65)
    w, h = 40 * scale, 30 * scale
    # the cell (9, 8) lies at (128, 144): its box of unchanged size is centred 4 search pixels right of it, 2 above
    maps = maps_of(9, 8, 0.9, (w / 2 - 4, h / 2 + 2, w / 2 + 4, h / 2 - 2))
    tracker, _ = start(LightTrack(weights="random"), **maps)
    tracker.init(IMAGE, BOX)
    assert tracker.confidence is None
    found = tracker.update(IMAGE)
    assert found == pytest.approx([100 + 4 / scale, 80 + (144 - 2 - 128) / scale, 40, 30], abs=1e-4)
    assert tracker.confidence == pytest.approx(0.9)  # not times the penalty, not with the window


def test_the_size_is_learnt_with_the_squared_rate() -> None:
    scale = 128 / math.sqrt(75 * 65)
    w, h = 2 * 40 * scale, 2 * 30 * scale  # twice the size, the same shape: change 2, penalty exp(-0.062)
    tracker, _ = start(LightTrack(weights="random"), **maps_of(8, 8, 0.8, (w / 2, h / 2, w / 2, h / 2)))
    tracker.init(IMAGE, BOX)
    rate = (math.exp(-0.062) * 0.8 * 0.765) ** 2
    assert tracker.update(IMAGE)[2:] == pytest.approx([40 * (1 + rate), 30 * (1 + rate)], rel=1e-5)


def test_a_cell_without_extent_is_never_preferred_and_raises_nothing() -> None:
    scale = 128 / math.sqrt(75 * 65)
    maps = maps_of(8, 8, 0.6, (20 * scale, 15 * scale, 20 * scale, 15 * scale))
    maps["score"][0, 0, 0, 0] = 1.0  # a box of 0 x 0: 0 / 0 in the penalty
    tracker, _ = start(LightTrack(weights="random"), **maps)
    tracker.init(IMAGE, BOX)
    tracker.update(IMAGE)
    assert tracker.confidence == pytest.approx(0.6)


def test_the_output_is_cut_at_zero_and_the_state_is_not() -> None:
    tracker, sessions = start(LightTrack(weights="random"), **maps_of(8, 8, 0.9, (40, 30, 40, 30)))
    tracker.init(IMAGE, np.array([-10.0, -8.0, 40.0, 30.0]))
    found = tracker.update(IMAGE)
    assert found[:2].tolist() == [0, 0]
    tracker.update(IMAGE)
    first, second = (call["search"] for call in sessions["search"].calls)
    assert first.shape == second.shape
    assert found[2] > 0


def test_small_objects_get_the_larger_region_for_the_whole_sequence() -> None:
    spec = LightTrack(weights="random", settings="vot2019")
    tracker, sessions = start(spec)
    tracker.init(IMAGE, np.array([100.0, 80.0, 17.5, 17.5]))  # 306.25 of 76,800 pixels: 0.00399
    tracker.update(IMAGE)
    tracker.place(BOX)
    tracker.update(IMAGE)
    assert (len(sessions["search"].calls), len(sessions["search_288"].calls)) == (0, 2)
    larger, others = start(spec)
    larger.init(IMAGE, np.array([100.0, 80.0, 17.6, 17.6]))  # 309.76: 0.00403
    larger.update(IMAGE)
    assert (len(others["search"].calls), len(others["search_288"].calls)) == (1, 0)


def test_graphs_of_both_sets() -> None:
    default, vot = LightTrack(weights="random"), LightTrack(weights="random", settings="vot2019")
    assert list(default.graphs) == ["template", "search"]
    assert default.per_frame == ("search",)
    assert list(vot.graphs) == ["template", "search", "search_288"]
    assert vot.per_frame == ("search_288", "search")
    assert vot.graphs["template"].inputs[0].shape == (1, 127, 127, 3)
    assert vot.graphs["search_288"].outputs[1].shape == (1, 4, 18, 18)
    assert [spec.per_frame for spec in vot.variants()] == [("search",), ("search_288",)]
    assert [spec.per_frame for spec in default.variants()] == [("search",)]


def test_maps_that_are_not_finite_are_an_error() -> None:
    maps = maps_of(8, 8, 0.9, (40, 30, 40, 30))
    maps["score"][0, 0, 3, 3] = np.nan
    tracker, _ = start(LightTrack(weights="random"), **maps)
    tracker.init(IMAGE, BOX)
    with pytest.raises(TrackingError, match="not finite numbers"):
        tracker.update(IMAGE)


def test_a_box_without_area_is_an_error() -> None:
    tracker, _ = start(LightTrack(weights="random"))
    with pytest.raises(TrackingError, match="box of 0 x 30 pixels has no area"):
        tracker.init(IMAGE, np.array([100.0, 80.0, 0.0, 30.0]))


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(ConfigError, match=r"tracker\.settings is 'vot'; accepted: default, vot2019"):
        LightTrack(settings="vot")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"tracker\.search_size is 255; accepted: 256, 288"):
        LightTrack(search_size=255)
    with pytest.raises(ConfigError, match=r"tracker\.size_lr is 2; accepted: 0 to 1"):
        LightTrack(size_lr=2)


def test_weights_are_asked_for_with_advice(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"needs its trained weights.*LightTrackM\.pth.*tracker\.weights=random"):
        LightTrack().source()
    file = tmp_path / "x.xml"
    file.touch()
    with pytest.raises(WeightsError, match=r"1 IR files of three: \[z_feature, x_feature, head\]"):
        LightTrack(weights=str(file)).source()
    with pytest.raises(ConfigError, match=r"fixed at a template of 128"):
        LightTrack(weights=[str(file)] * 3, settings="vot2019")
    checkpoint = tmp_path / "x.pth"
    checkpoint.touch()
    with pytest.raises(WeightsError, match="2 files; accepted: one checkpoint, or three IR files"):
        LightTrack(weights=[str(checkpoint)] * 2).source()


def test_an_empty_list_of_weights_is_not_taken_for_random_ones() -> None:
    with pytest.raises(WeightsError, match="0 files; accepted: one checkpoint, or three IR files"):
        LightTrack(weights=[]).source()
