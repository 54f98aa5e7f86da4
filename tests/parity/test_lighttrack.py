"""LightTrack's trained network and boxes against the golden outputs and the reference's, from the checkpoint and from IR."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openvino as ov
import pytest
import torch
from ready_export import hasten

from harness.backends.onnx.backend import Onnx
from harness.backends.openvino.backend import OpenVino
from harness.core.errors import WeightsError
from harness.core.interfaces import Arrays, Session
from harness.machine.progress import Silent
from harness.prepare.plan import Settings, plan
from harness.prepare.steps import realise
from harness.trackers.lighttrack import LightTrack, ir_files, network

pytestmark = pytest.mark.shared
FRAMES = 20
CASES = {"trained/0": 256, "trained/1": 256, "trained/2": 256, "trained/3_288": 288}


def inputs(case: str) -> tuple[np.ndarray, np.ndarray]:
    """The golden numbers' template and search image, uint8 RGB ``[1, S, S, 3]``."""
    generator = np.random.default_rng(int(case[8]))

    def draw(side: int) -> np.ndarray:
        coarse = generator.integers(0, 200, (side // 16, side // 16, 3))
        return coarse.repeat(16, 0).repeat(16, 1) + generator.integers(0, 56, (side, side, 3))

    template, search = draw(128), draw(CASES[case])
    search[48:112, 80:144] = template[32:96, 32:96]
    return template.astype(np.uint8)[None], search.astype(np.uint8)[None]


def ir_paths(shared: Path) -> list[Path]:
    return [shared / "lighttrack" / "ir" / f"{name}.xml" for name in ("z_feature", "x_feature", "head")]


class Compiled:
    """A model of OpenVINO, in fp32."""

    def __init__(self, model: ov.Model) -> None:
        self.names = [port.get_any_name() for port in model.outputs]
        self.compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(self, arrays: Arrays) -> Arrays:
        found = self.compiled(dict(arrays))
        return {name: found[name] for name in self.names}


@pytest.mark.parametrize("case", CASES)
def test_the_trained_network_gives_the_golden_outputs(shared: Path, case: str) -> None:
    weights = [shared / "lighttrack" / "lighttrack_mobile.safetensors"]
    modules = network.graphs(weights, names=["search", "search_288"])
    template, search = inputs(case)
    features = modules["template"](torch.from_numpy(template))
    maps = modules["search" if CASES[case] == 256 else "search_288"](features, torch.from_numpy(search))
    with np.load(shared / "lighttrack" / "golden_network.npz") as kept:
        if f"{case}/zf" in kept:
            np.testing.assert_allclose(features.numpy(), kept[f"{case}/zf"], atol=5e-4)
        for name, found, tolerance in zip(("score", "box"), maps, (1e-5, 5e-4), strict=True):
            np.testing.assert_allclose(found.numpy(), kept[f"{case}/{name}"], atol=tolerance)


def test_the_published_ir_gives_the_same_outputs_on_rgb(shared: Path) -> None:
    sessions = {name: Compiled(model) for name, model in ir_files.graphs(ir_paths(shared)).items()}
    template, search = inputs("trained/0")
    features = sessions["template"].run({"template": template})["template_features"]
    found = sessions["search"].run({"template_features": features, "search": search})
    with np.load(shared / "lighttrack" / "golden_network.npz") as kept:
        for name, tolerance in (("score", 1e-5), ("box", 5e-4)):
            np.testing.assert_allclose(found[name], kept[f"trained/0/openvino_{name}"], atol=tolerance)
            np.testing.assert_allclose(found[name], kept[f"trained/0/{name}"], atol=tolerance)


def test_ir_files_in_another_order_are_named(shared: Path) -> None:
    z, x, head = ir_paths(shared)
    with pytest.raises(
        WeightsError, match=r"x_feature\.xml is not LightTrack's z_feature.*\[z_feature\.xml, x_feature\.xml"
    ):
        ir_files.graphs([x, z, head])
    with pytest.raises(WeightsError, match="is not an OpenVINO model"):
        ir_files.graphs([shared / "lighttrack" / "SPEC.md", x, head])


def first_boxes(spec: LightTrack, sessions: dict[str, Session], folder: Path) -> np.ndarray:
    frames = sorted(folder.glob("*.jpg"))[:FRAMES]
    first = np.loadtxt(folder / "groundtruth.txt", delimiter=",")[0]
    tracker = spec.start(sessions)
    boxes = [first]
    for index, frame in enumerate(frames):
        image = cv2.cvtColor(cv2.imread(str(frame)), cv2.COLOR_BGR2RGB)
        if index:
            boxes.append(tracker.update(image))
        else:
            tracker.init(image, first)
    return np.array(boxes)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is prepared for one test is there for the next."""
    hasten()
    return tmp_path_factory.mktemp("models")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "weights", "step", "exporter"),
    [("default", "torch", 1, "dynamo"), ("default", "ir", 3, "dynamo"), ("vot2019", "torch", 3, "torchscript")],
)
def test_the_first_boxes_of_every_step_th_sequence_are_the_references(
    shared: Path, cache: Path, settings: Any, weights: str, step: int, exporter: Any
) -> None:
    own = (
        [str(path) for path in ir_paths(shared)]
        if weights == "ir"
        else str(shared / "lighttrack/lighttrack_mobile.safetensors")
    )
    spec = LightTrack(settings=settings, weights=own)
    backend: Any = OpenVino(threads=1, model_cache=False) if weights == "ir" else Onnx(threads=1)  # a worker has one core
    artifact = realise(plan(spec, backend, Settings(exporter, cache=str(cache)), 0), cache, Silent(), 1)
    folders = sorted(path for path in (shared / "real" / "val").iterdir() if path.is_dir())
    assert len(folders) == 12
    sessions = backend.open(artifact)
    for folder in folders[::step]:
        reference_file = shared / "lighttrack" / "reference" / settings / folder.name / f"{folder.name}_001.txt"
        found = first_boxes(spec, sessions, folder)
        reference = np.loadtxt(reference_file, delimiter=",")[: len(found)]
        assert np.abs(found - reference).max() < 0.05, folder.name
