"""Every tracker's graphs run wholly on the device that they are moved to: no tensor that a frame needs stays behind.

``meta`` stands for the other device: it computes shapes alone, and refuses a tensor of the processor as a card does.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
import yaml

from harness.backends.shared.modules import call_factory
from harness.core.config import build, conf_folder
from harness.core.interfaces import TrackerSpec


def specs() -> list[TrackerSpec]:
    """Every shipped tracker whose graphs come as torch modules, with random weights."""
    found = []
    for path in sorted((conf_folder() / "tracker").glob("*.yaml")):
        section = yaml.safe_load(path.read_text()) | {"seed": 0}
        if "weights" in section and "defaults" not in section:  # native trackers run no graphs
            found.append(build(section | {"weights": "random"}, TrackerSpec, "tracker"))
    return [spec for spec in found if spec.source().kind == "torch"]


SPECS = specs()


def run_elsewhere(module: torch.nn.Module, shapes: Mapping[str, tuple[tuple[int, ...], str]]) -> object:
    given = [torch.empty(shape, dtype=getattr(torch, dtype), device="meta") for shape, dtype in shapes.values()]
    with torch.inference_mode():
        return module.to("meta")(*given)


def test_trackers_with_torch_modules_are_found() -> None:
    assert {"smat", "smat_demo", "nanotrack", "lighttrack", "fear"} <= {spec.name for spec in SPECS}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_no_tensor_of_a_trackers_graphs_stays_on_the_processor(spec: TrackerSpec) -> None:
    source = spec.source()
    modules = call_factory({"factory": source.factory, "weights": [], "seed": 0, "options": dict(source.options)})
    for name, graph in spec.graphs.items():
        made = run_elsewhere(modules[name], {item.name: (tuple(item.shape), item.dtype) for item in graph.inputs})
        outputs = [made] if isinstance(made, torch.Tensor) else list(made.values() if isinstance(made, Mapping) else made)  # type: ignore[call-overload]
        assert [(tuple(item.shape), item.device.type) for item in outputs] == [(tuple(item.shape), "meta") for item in graph.outputs]


class Forgetful(torch.nn.Module):
    """Keeps a constant that is neither a parameter nor a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = torch.tensor([1.0, 2.0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - self.mean


def test_a_tensor_that_stays_behind_is_noticed() -> None:
    with pytest.raises(RuntimeError, match=r"(same|expected) device"):
        run_elsewhere(Forgetful(), {"x": ((1, 2), "float32")})
