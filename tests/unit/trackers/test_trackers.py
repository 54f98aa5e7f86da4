"""SMAT and NanoTrack over sessions that answer what a test wants: settings, state, decoding, errors."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from harness.core.errors import ConfigError, TrackingError, WeightsError
from harness.core.interfaces import TrackerSpec
from harness.trackers.nanotrack.tracker import NanoTrack
from harness.trackers.smat.tracker import Smat

CONF = Path(__file__).resolve().parents[3] / "conf" / "tracker"


class Scripted:
    """A session that returns the arrays it was given and keeps copies of its inputs."""

    def __init__(self, outputs):
        self.outputs, self.calls = outputs, []

    def run(self, inputs):
        self.calls.append({name: value.copy() for name, value in inputs.items()})
        return self.outputs


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)


# -------------------------------------------------------------------------------------------- SMAT


def smat_maps(row: int, column: int, size=(0.25, 0.5), offset=(0.5, 0.25)) -> dict[str, np.ndarray]:
    score = np.full((1, 1, 16, 16), 0.1, np.float32)
    score[0, 0, row, column] = 0.9
    return {
        "score": score,
        "size": np.tile(np.array(size, np.float32).reshape(1, 2, 1, 1), (1, 1, 16, 16)),
        "offset": np.tile(np.array(offset, np.float32).reshape(1, 2, 1, 1), (1, 1, 16, 16)),
    }


def start_smat(maps):
    template = Scripted({"template_features": np.zeros((1, 128, 16, 16), np.float32)})
    search = Scripted(maps)
    return Smat(weights="random").start({"template": template, "search": search}), template, search


def test_smat_decodes_the_best_cell(image):
    tracker, template, search = start_smat(smat_maps(6, 9))
    box = np.array([100.0, 80.0, 40.0, 40.0])  # search side 160, one map cell is 10 pixels
    tracker.init(image, box)
    found = tracker.update(image)
    # centre = crop corner (120 - 80, 100 - 80) + ((9 + 0.5) 10, (6 + 0.25) 10); size = (0.25, 0.5) 160
    assert found == pytest.approx([135 - 20, 82.5 - 40, 40, 80])
    assert len(template.calls) == 1
    assert template.calls[0]["template"].shape == (1, 128, 128, 3)
    assert search.calls[0]["search"].shape == (1, 256, 256, 3)
    assert search.calls[0]["search"].dtype == np.uint8


def test_smats_confidence_is_the_score_at_the_chosen_cell(image):
    maps = smat_maps(6, 9)
    maps["score"][0, 0, 0, 0] = 0.95  # higher, and held back by the window
    tracker, _, _ = start_smat(maps)
    tracker.init(image, np.array([100.0, 80.0, 40.0, 40.0]))
    assert tracker.confidence is None
    tracker.update(image)
    assert tracker.confidence == pytest.approx(0.9)


def test_smat_keeps_its_state_and_place_sets_it(image):
    tracker, _, search = start_smat(smat_maps(6, 9))
    tracker.init(image, np.array([100.0, 80.0, 40.0, 40.0]))
    first = tracker.update(image)
    second = tracker.update(image)
    assert not np.array_equal(first, second)
    tracker.place(np.array([100.0, 80.0, 40.0, 40.0]))
    assert np.array_equal(tracker.update(image), first)
    assert np.array_equal(search.calls[0]["search"], search.calls[2]["search"])


def test_the_box_returned_is_the_callers(image):
    tracker, _, _ = start_smat(smat_maps(7, 8))
    tracker.init(image, np.array([100.0, 80.0, 40.0, 40.0]))
    box = tracker.update(image)
    state = box.copy()
    box[:] = -1000
    other, _, _ = start_smat(smat_maps(7, 8))
    other.init(image, state)
    assert np.array_equal(tracker.update(image), other.update(image))


def test_smat_stays_inside_the_image(image):
    tracker, _, _ = start_smat(smat_maps(0, 15, size=(0.9, 0.9)))
    tracker.init(image, np.array([280.0, 5.0, 40.0, 40.0]))
    for _ in range(30):
        x, y, w, h = tracker.update(image)
        assert min(x, y) >= 0
        assert x + w <= 320
        assert y + h <= 240


def test_smat_refuses_maps_that_are_not_numbers(image):
    tracker, _, _ = start_smat({name: np.full_like(value, np.nan) for name, value in smat_maps(0, 0).items()})
    tracker.init(image, np.array([100.0, 80.0, 40.0, 40.0]))
    with pytest.raises(TrackingError, match="not finite"):
        tracker.update(image)


@pytest.mark.parametrize("box", [[100.0, 80.0, 0.0, 40.0], [-500.0, 80.0, 20.0, 20.0]])
@pytest.mark.parametrize("start", ["smat", "nanotrack"])
def test_a_box_without_area_or_outside_is_an_error(image, start, box):
    tracker = start_smat(smat_maps(0, 0))[0] if start == "smat" else start_nanotrack(nanotrack_maps(7, 7))[0]
    with pytest.raises(TrackingError):
        tracker.init(image, np.array(box))


# --------------------------------------------------------------------------------------- NanoTrack


def nanotrack_maps(row: int, column: int, distances=(30.0, 20.0, 34.0, 44.0), cells: int = 15) -> dict[str, np.ndarray]:
    cls = np.zeros((1, 2, cells, cells), np.float32)
    cls[0, 0] = 8.0
    cls[0, :, row, column] = (-8.0, 8.0)
    loc = np.tile(np.array(distances, np.float32).reshape(1, 4, 1, 1), (1, 1, cells, cells))
    return {"cls": cls, "loc": loc}


def start_nanotrack(maps, **settings):
    template = Scripted({"template_features": np.zeros((1, 96, 8, 8), np.float32)})
    search = Scripted(maps)
    spec = NanoTrack(weights="random", **settings)
    return spec.start({"template": template, "search": search}), template, search


def test_nanotracks_confidence_is_the_softmax_at_the_chosen_cell(image):
    maps = nanotrack_maps(7, 8)
    maps["cls"][0, :, 7, 8] = (0.5, 2.0)
    tracker, _, _ = start_nanotrack(maps)
    tracker.init(image, np.array([140.0, 100.0, 32.0, 32.0]))
    assert tracker.confidence is None
    tracker.update(image)
    assert tracker.confidence == pytest.approx(1 / (1 + np.exp(-1.5)))  # without window and penalty


def test_nanotrack_moves_to_the_best_cell(image):
    tracker, template, search = start_nanotrack(nanotrack_maps(7, 8), size_lr=1.0, penalty_k=0.0)
    tracker.init(image, np.array([140.0, 100.0, 32.0, 32.0]))
    found = tracker.update(image)
    # context side 64, so 127 / 64 search pixels per image pixel; the cell lies 16 right of the centre
    scale = 127 / 64
    score = 1 / (1 + np.exp(-16))
    w = 32 * (1 - score) + 64 / scale * score
    cx, cy = 155.5 + (16 + 2) / scale, 115.5 + 12 / scale
    assert found == pytest.approx([cx - w / 2, cy - w / 2, w, w])
    assert template.calls[0]["template"].shape == (1, 127, 127, 3)
    assert search.calls[0]["search"].shape == (1, 255, 255, 3)


def test_nanotrack_penalises_change(image):
    maps = nanotrack_maps(7, 7)
    maps["cls"][0, :, 7, 6] = (-8.0, 8.0)  # as sure and as near as (7, 8), but of a very different shape
    maps["cls"][0, :, 7, 8] = (-8.0, 8.0)
    maps["cls"][0, :, 7, 7] = (8.0, 0.0)
    maps["loc"][0, :, 7, 6] = (120.0, 2.0, 120.0, 2.0)
    tracker, _, _ = start_nanotrack(maps)
    tracker.init(image, np.array([140.0, 100.0, 32.0, 32.0]))
    assert tracker.update(image)[0] + 16 > 155.5  # went right, to the cell of the same shape


def test_nanotrack_stays_within_bounds(image):
    tracker, _, _ = start_nanotrack(nanotrack_maps(0, 14, distances=(400.0, 400.0, 400.0, 400.0)))
    tracker.init(image, np.array([280.0, 5.0, 30.0, 30.0]))
    for _ in range(20):
        x, y, w, h = tracker.update(image)
        assert 10 <= w <= 320
        assert 10 <= h <= 240
        assert 0 <= x + w / 2 <= 320
        assert 0 <= y + h / 2 <= 240


def test_nanotrack_refuses_maps_that_are_not_numbers(image):
    tracker, _, _ = start_nanotrack(nanotrack_maps(7, 7, distances=(np.inf, 1.0, np.inf, 1.0)))
    tracker.init(image, np.array([140.0, 100.0, 32.0, 32.0]))
    with pytest.raises(TrackingError, match="not finite"):
        tracker.update(image)


def test_hyper_parameters_follow_the_version():
    assert NanoTrack(version="v1").published[2:] == (0.462, 0.148, 0.390)
    assert NanoTrack(version="v2", penalty_k=0.5).published[2:] == (0.490, 0.5, 0.385)
    assert NanoTrack(version="v3").published[:2] == (15, 96)


# ---------------------------------------------------------------------------------- specifications

SPECS = {
    "smat": Smat(weights="random"),
    "small": Smat(weights="random", width=0.375, template_size=64, search_size=128, head_channels=48),
    "odd": Smat(weights="random", width=0.27, template_size=96, search_size=160, head_channels=36),
    "v1": NanoTrack(version="v1", weights="random"),
    "v2": NanoTrack(version="v2", weights="random"),
    "v3": NanoTrack(version="v3", weights="random"),
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_graphs_are_what_the_factory_makes(spec: TrackerSpec):
    source = spec.source()
    module, _, function = source.factory.partition(":")
    made = getattr(importlib.import_module(module), function)(list(source.weights), seed=source.seed, **source.options)
    assert list(made) == list(spec.graphs)
    known: dict[str, torch.Tensor] = {}
    for name, graph in spec.graphs.items():
        inputs = [
            known.get(t.name, torch.zeros(t.shape, dtype=torch.uint8 if t.dtype == "uint8" else torch.float32))
            for t in graph.inputs
        ]
        outputs = made[name](*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        assert [tuple(value.shape) for value in outputs] == [tensor.shape for tensor in graph.outputs]
        known |= {tensor.name: value for tensor, value in zip(graph.outputs, outputs, strict=True)}
    for name in source.code:
        importlib.import_module(name)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (Smat(), ["MobileViTv2_Track_ep0300.pth.tar", "github.com/goutamyg/SMAT", "tracker.weights=weights/"]),
        (Smat(weights="nowhere.pth"), ["nowhere.pth", "no file", "github.com/goutamyg/SMAT"]),
        (NanoTrack(), ["github.com/HonglinChu/SiamTrackers", "tracker.weights=weights/nanotrackv3.pth", "random"]),
        (NanoTrack(weights=["a.onnx", "b.onnx"]), ["a.onnx", "no file"]),
        (NanoTrack(weights="a.onnx"), ["one ONNX file", "[backbone.onnx, head.onnx]"]),
    ],
)
def test_without_weights_the_error_says_what_to_do(spec, words):
    with pytest.raises(WeightsError) as caught:
        spec.source()
    for word in words:
        assert word in str(caught.value)


def test_random_weights_are_marked():
    assert Smat(weights="random").random_weights
    assert not Smat(weights="x.pth").random_weights
    assert Smat(weights="random", seed=4).source().seed == 4
    assert Smat(weights="random").source().weights == ()
    assert NanoTrack(weights="random").random_weights


def test_package_prefix_is_the_package(tmp_path):
    path = Smat(weights="package:core/interfaces.py").source().weights[0]
    assert path.name == "interfaces.py"
    assert path.parent.parent.name == "harness"


@pytest.mark.parametrize(
    ("cls", "settings", "key"),
    [
        (Smat, {"search_size": 250}, "search_size"),
        (Smat, {"head_channels": 30}, "head_channels"),
        (Smat, {"width": 0.0}, "width"),
        (Smat, {"search_factor": 0.5}, "search_factor"),
        (NanoTrack, {"version": "v4"}, "version"),
        (NanoTrack, {"window_influence": 1.5}, "window_influence"),
        (NanoTrack, {"penalty_k": -1.0}, "penalty_k"),
        (NanoTrack, {"weights": ["a", "b", "c"]}, "weights"),
    ],
)
def test_settings_that_cannot_be_are_named(cls, settings, key):
    with pytest.raises(ConfigError, match=f"tracker.{key}"):
        cls(**settings)


@pytest.mark.parametrize("name", ["smat", "smat_demo", "nanotrack"])
def test_yaml_names_the_class_and_its_fields(name):
    text = (CONF / f"{name}.yaml").read_text()
    section = yaml.safe_load(text)
    assert text.startswith("# ")
    assert section.pop("name") == name
    module, _, cls = section.pop("target").rpartition(".")
    fields = {item.name for item in dataclasses.fields(getattr(importlib.import_module(module), cls))}
    assert set(section) == fields - {"name"}
