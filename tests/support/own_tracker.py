"""A person's tracker with one small graph, which comes as torch, ONNX or IR, rightly or with a fault of the test's choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.interfaces import Boxes, GraphSpec, Image, Session, Source, TensorSpec, Tracker, TrackerSpec

GRAPH = GraphSpec(
    "search",
    (TensorSpec("patch", (1, 8, 8, 3), "uint8"),),
    (TensorSpec("mean", (1, 3)), TensorSpec("most", (1, 3))),
)


@dataclass
class Own(TrackerSpec):
    """``factory`` and ``weights`` go into the source as they are; ``fault`` is the tracker's, told below."""

    kind: str = "torch"
    factory: str = "own_tracker:modules"
    weights: list[str] = field(default_factory=list)
    fault: str = ""
    name: str = "own"

    @property
    def graphs(self) -> Mapping[str, GraphSpec]:
        if self.fault == "graphs":
            return {}["nothing"]
        return {GRAPH.name: GRAPH}

    def source(self) -> Source:
        return Source(self.kind, self.factory, self.weights)  # type: ignore[arg-type]

    def start(self, sessions: Mapping[str, Session]) -> Tracker:
        if self.fault == "start":
            return sessions["serach"]  # type: ignore[return-value]
        if self.fault == "no tracker":
            return object()  # type: ignore[return-value]
        return OwnTracker(sessions["search"], self.fault)


class OwnTracker(Tracker):
    def __init__(self, session: Session, fault: str) -> None:
        self._session, self._fault = session, fault
        self._box = np.zeros(4)

    def init(self, image: Image, box: Boxes) -> None:
        self._box = np.array(box)

    def place(self, box: Boxes) -> None:
        self._box = np.array(box)

    def update(self, image: Image) -> Boxes:
        name = "path" if self._fault == "input" else "patch"
        found = self._session.run({name: np.ascontiguousarray(image[None, :8, :8])})
        if self._fault == "output":
            return found["score"]
        if self._fault == "box":
            return self._box[:3]
        self.confidence = float(found["most"].max())
        return self._box


# -------------------------------------------------------------------------------------------- factories


def modules(weights: Any = (), *, seed: int = 0) -> dict[str, Any]:
    """A module that returns a tuple, as the graph has it."""
    return {"search": _module(lambda mean, most: (mean, most))}


def named(weights: Any = (), *, seed: int = 0) -> dict[str, Any]:
    """A dict, in another order, with something that the graph does not name."""
    return {"search": _module(lambda mean, most: {"more": most + 1, "most": most, "mean": mean})}


def misnamed(weights: Any = (), *, seed: int = 0) -> dict[str, Any]:
    return {"search": _module(lambda mean, most: {"most": most, "average": mean})}


def one_output(weights: Any = (), *, seed: int = 0) -> dict[str, Any]:
    return {"search": _module(lambda mean, most: mean)}


def no_tensor(weights: Any = (), *, seed: int = 0) -> dict[str, Any]:
    return {"search": _module(lambda mean, most: (mean, None))}


def other_graph(weights: Any = (), *, seed: int = 0) -> dict[str, Any]:
    return {"track": modules()["search"]}


def no_dict(weights: Any = (), *, seed: int = 0) -> Any:
    return modules()["search"]


def no_module(weights: Any = (), *, seed: int = 0) -> dict[str, Any]:
    return {"search": 3}


def fails(weights: Any = (), *, seed: int = 0) -> dict[str, Any]:
    return {"search": weights["backbone"]}


def paths(weights: list[Path], *, seed: int = 0) -> dict[str, Any]:
    """The files themselves: models that need nothing done to them."""
    return {"search": weights[0]}


def _module(arrange: Any) -> Any:
    import torch

    class Graph(torch.nn.Module):
        def forward(self, patch: torch.Tensor) -> Any:
            pixels = patch.to(torch.float32)
            return arrange(pixels.mean(dim=(1, 2)), pixels.amax(dim=(1, 2)))

    return Graph()


def save_ir(path: Path, outputs: tuple[str, str] = ("mean", "most"), dtype: type = np.uint8) -> Path:
    """The graph as IR at ``path``, with a convolution that changes nothing, so that there is a layer to quantise."""
    import openvino as ov
    from openvino import opset13 as op

    patch = op.parameter([1, 8, 8, 3], dtype, name="patch")
    patch.output(0).set_names({"patch"})
    planes = op.transpose(op.convert(patch, "f32"), op.constant(np.array([0, 3, 1, 2])))
    kernel = op.constant(np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1))
    pixels = op.convolution(planes, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
    made = []
    for name, node in zip(outputs, (op.reduce_mean(pixels, [2, 3]), op.reduce_max(pixels, [2, 3])), strict=True):
        node.output(0).set_names({name})
        made.append(op.result(node))
    ov.save_model(ov.Model(made, [patch], "search"), str(path), compress_to_fp16=False)
    return path
