"""FEAR-XS's trained network and boxes against the golden outputs and the reference's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from ready_export import hasten

from harness.backends.onnx.backend import Onnx
from harness.machine.progress import Silent
from harness.prepare.plan import Settings, plan
from harness.prepare.steps import realise
from harness.trackers.fear import Fear, network

pytestmark = pytest.mark.shared
FRAMES = 20


def inputs(case: str) -> tuple[np.ndarray, np.ndarray]:
    """The golden numbers' template and search image, uint8 RGB ``[1, S, S, 3]``."""
    generator = np.random.default_rng(20220711)
    if case == "noise":
        template = generator.integers(0, 256, (128, 128, 3), dtype=np.uint8)
        return template[None], generator.integers(0, 256, (256, 256, 3), dtype=np.uint8)[None]
    coarse, fine = (generator.integers(0, 256, (side, side, 3), dtype=np.uint8) for side in (8, 16))
    search = fine.repeat(16, 0).repeat(16, 1)
    search[100:172, 92:164] = coarse.repeat(9, 0).repeat(9, 1)
    return coarse.repeat(16, 0).repeat(16, 1)[None], search[None]


@pytest.mark.parametrize("case", ["noise", "blocks"])
def test_the_trained_network_gives_the_golden_outputs(shared: Path, case: str) -> None:
    modules = network.graphs([shared / "fear" / "fear_xs.safetensors"])
    template, search = inputs(case)
    features = modules["template"](torch.from_numpy(template))
    maps = modules["search"](features, torch.from_numpy(search))
    with np.load(shared / "fear" / "golden_network.npz") as kept:
        assert kept[f"{case}_input_sums"].tolist() == [int(template.sum()), int(search.sum())]
        for name, found, tolerance in zip(
            ("template", "bbox", "cls"), (features, *maps), (2e-5, 1e-3, 5e-5), strict=True
        ):
            np.testing.assert_allclose(found.numpy(), kept[f"{case}_{name}"], atol=tolerance)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of each of the two files of weights are made once."""
    hasten()
    return tmp_path_factory.mktemp("models")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("run", "weights", "smooth", "step", "exporter"),
    [
        ("plain", "fear_xs", False, 1, "dynamo"),
        ("smooth", "fear_xs", True, 3, "dynamo"),
        ("noembs_plain", "fear_xs_noembs", False, 3, "torchscript"),
        ("noembs_smooth", "fear_xs_noembs", True, 3, "torchscript"),
    ],
)
def test_the_first_boxes_of_every_step_th_sequence_are_the_references(
    shared: Path, cache: Path, run: str, weights: str, smooth: bool, step: int, exporter: Any
) -> None:
    spec = Fear(weights=str(shared / "fear" / f"{weights}.safetensors"), smooth=smooth)
    backend = Onnx(threads=1)  # a worker has one core
    artifact = realise(plan(spec, backend, Settings(exporter, cache=str(cache)), 0), cache, Silent(), 1)
    folders = sorted(path for path in (shared / "real" / "val").iterdir() if path.is_dir())
    assert len(folders) == 12
    sessions = backend.open(artifact)
    for folder in folders[::step]:
        frames = sorted(folder.glob("*.jpg"))[:FRAMES]
        reference = np.loadtxt(
            shared / "fear" / "reference" / run / folder.name / f"{folder.name}_001.txt", delimiter=","
        )
        first = np.loadtxt(folder / "groundtruth.txt", delimiter=",")[0]
        tracker = spec.start(sessions)
        boxes = [first]
        for index, frame in enumerate(frames):
            image = cv2.cvtColor(cv2.imread(str(frame)), cv2.COLOR_BGR2RGB)
            if index:
                boxes.append(tracker.update(image))
            else:
                tracker.init(image, first)
        assert np.abs(np.array(boxes) - reference[: len(boxes)]).max() < 0.05, folder.name
