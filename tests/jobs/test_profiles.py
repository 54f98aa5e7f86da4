"""All three profilers on a small network."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from small_jobs import context_of, small_experiment

from harness.backends.torch.profile import name_modules
from harness.core.interfaces import TaskResult

BACKENDS = ("openvino", "onnx", "torch")


@pytest.fixture(scope="module")
def profiled(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[TaskResult, Path]]:
    """The result and the folder of a profile by each backend, with peaks of small products, measured briefly: their values are not looked at here."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"CHANNELS": 16, "SIDE": 8, "WIDTH": 64, "LEAST_RUNS": 2, "LEAST_SECONDS": 0.0}.items():
            patch.setattr(f"harness.backends.shared.products.{name}", value)
        for backend in BACKENDS:
            experiment, artifact = small_experiment(prepared, f"backend={backend}", "task=profile", "task.runs=3")
            folder = tmp_path_factory.mktemp("profile") / backend
            found[backend] = experiment.task.run(context_of(experiment, artifact, folder, 1)), folder
    return found


@pytest.mark.parametrize(
    ("backend", "kinds"),
    [("openvino", "Convolution"), ("onnx", "Conv"), ("torch", "aten::")],
)
def test_profilers_find_the_convolutions(backend, kinds, profiled):
    result, folder = profiled[backend]
    layers = pd.read_csv(folder / "profile/layers.csv")
    types = pd.read_csv(folder / "profile/types.csv")
    assert len(layers) > 5
    assert types["type"].str.contains(kinds).any()
    assert types["share"].sum() == pytest.approx(1.0, abs=1e-3)
    assert (layers["ms"].diff().dropna() <= 0).all()
    assert result.metrics["profile/total_ms"] == pytest.approx(types["ms"].sum(), rel=1e-3)
    assert all((folder / name).is_file() for name in result.files)


def test_operations_are_the_same_whichever_runtime_tells_them(profiled):
    """Products of SMAT's small search graph, a multiplication and an addition each: the three runtimes cut the graph differently."""
    found = {}
    for backend in BACKENDS:
        layers = pd.read_csv(profiled[backend][1] / "profile/layers.csv")
        products = layers[layers["operations"] > 0]
        found[backend] = products["operations"].sum()
        assert (products["limit_ms"] > 0).all()
        assert (layers["bytes"].dropna() > 0).all()
    assert found["openvino"] == pytest.approx(found["onnx"], rel=0.02)  # which pads channels
    assert found["openvino"] == pytest.approx(found["torch"], rel=0.05)  # whose products of attention are in no module


class Twice(torch.nn.Module):
    """Applies one layer to two inputs of different sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 5, bias=False)

    def forward(self, one: torch.Tensor, other: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.layer(one), self.layer(other)


def test_module_that_is_called_twice_has_the_work_of_both_calls() -> None:
    module, work = Twice(), dict[str, tuple[float, float]]()
    hooks = name_modules(module, work)
    with torch.profiler.profile():
        module(torch.zeros(2, 3), torch.zeros(7, 3))
    for hook in hooks:
        hook.remove()
    operations, size = work["layer"]
    assert operations == 2 * (2 + 7) * 3 * 5  # a multiplication and an addition for each row, input and output
    assert size == 4 * ((2 + 7) * 3 + (2 + 7) * 5 + 2 * 3 * 5)  # float32: inputs, outputs, and the weight at each call
