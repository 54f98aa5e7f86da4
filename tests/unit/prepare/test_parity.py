"""Conversions are compared with the source in float64 and judged beside the error of torch's own float32."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness.backends.torch.exact import ExactSession
from harness.backends.torch.session import TorchSession
from harness.core.errors import PrepareError
from harness.core.interfaces import Array, Arrays, Artifact, GraphSpec, TensorSpec
from harness.prepare import parity

GRAPH = GraphSpec("search", (TensorSpec("search", (1, 4, 4, 3), "uint8"),), (TensorSpec("score", (1, 3, 4, 4)),))


class Third(nn.Module):
    """Divides by 3 in the way that trackers enter pixels: ``float()``, a float32 constant, a dtype by name."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("three", torch.tensor(3.0))

    def forward(self, search: torch.Tensor) -> torch.Tensor:
        one = torch.ones(1, dtype=torch.float32)
        return search.permute(0, 3, 1, 2).float() / self.three.to(torch.float32) * one


class Shifted:
    """A backend whose outputs are the exact ones plus ``shift``."""

    def __init__(self, reference: Path, shift: float) -> None:
        with np.load(reference) as kept:
            self.outputs = [kept[f"{draw}/search/out/score"] + shift for draw in range(2)]
        self.runs = 0

    def open(self, artifact: Artifact) -> dict[str, Any]:
        del artifact
        return {"search": self}

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        del inputs
        self.runs += 1
        return {"score": self.outputs[self.runs - 1]}


def test_the_exact_session_computes_in_float64() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3)
    expected = pixels.transpose(0, 3, 1, 2).astype(np.float64) / 3.0
    found = ExactSession(GRAPH, Third()).run({"search": pixels})["score"]
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, expected)
    single = TorchSession(GRAPH, Third(), "cpu").run({"search": pixels})["score"]
    assert single.dtype == np.float32
    assert 0 < np.abs(single - expected).max() < 1e-5


def reference(folder: Path, own_error: float) -> Path:
    """Outputs from 0 to 1 or so; the source's own float32 is off by ``own_error``."""
    path = folder / "parity.npz"

    def exact(name: str, inputs: Arrays) -> Arrays:
        del name
        return {"score": inputs["search"].transpose(0, 3, 1, 2) / 255.0}

    def single(name: str, inputs: Arrays) -> Arrays:
        return {"score": exact(name, inputs)["score"] + own_error}

    parity.make_reference({"search": GRAPH}, single, path, 0, exact)
    return path


def measured(folder: Path, own_error: float, shift: float) -> dict[str, dict[str, dict[str, float]]]:
    path = reference(folder, own_error)
    artifact = Artifact("onnx", "fp32", {}, {"search": GRAPH}, "key", folder)
    return parity.measure(artifact, Shifted(path, shift), path)  # type: ignore[arg-type]


def test_an_error_like_torchs_own_is_not_a_fault_of_the_conversion(tmp_path: Path) -> None:
    found = measured(tmp_path, own_error=0.01, shift=0.03)
    parity.judge(found, 1e-4, "conversion")
    row = found["search"]["score"]
    assert row["max_abs_diff"] == pytest.approx(0.03)
    assert row["torch_error"] == pytest.approx(0.01)
    assert row["allowed"] == pytest.approx(parity.OWN_ERRORS * 0.01)


def test_an_error_far_above_torchs_own_is_named_with_both_allowances(tmp_path: Path) -> None:
    found = measured(tmp_path, own_error=0.001, shift=0.03)
    with pytest.raises(PrepareError, match=r"score of graph search differs .* by 0\.03.*10 times .* float32 \(0\.001\)"):
        parity.judge(found, 1e-4, "conversion")


def test_within_the_tolerance_torchs_own_error_does_not_matter(tmp_path: Path) -> None:
    found = measured(tmp_path, own_error=0.0, shift=5e-5)
    spread = found["search"]["score"]["range"]
    parity.judge(found, 1e-4 / spread, "conversion")
    assert found["search"]["score"]["allowed"] == pytest.approx(1e-4)


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nanotracks_random_weights_give_distances_like_a_crops(version: str, seed: int) -> None:
    from harness.trackers.nanotrack.network import graphs
    from harness.trackers.nanotrack.tracker import NanoTrack

    specs = NanoTrack(version=version, weights="random").graphs  # type: ignore[arg-type]
    modules = graphs([], seed=seed, version=version)  # type: ignore[arg-type]
    known: Arrays = {}
    for name, spec in specs.items():
        known |= TorchSession(spec, modules[name], "cpu").run(parity.seeded_inputs(spec, known, seed))
    assert 1.0 < known["loc"].min() < known["loc"].max() < 1000.0
    assert np.ptp(known["loc"]) > 1.0
