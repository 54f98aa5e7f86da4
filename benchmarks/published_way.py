"""The published method of tracking, in few lines, with which the harness is compared.

The whole network runs on every frame, including its template; attention is as published (a key for every position, one
projection split in three); NumPy pads the image and converts it to float64; every runtime is compiled with its
defaults.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

NAMES = ("score", "size", "offset")
HANN = np.outer(*2 * [0.5 * (1 - np.cos(2 * np.pi * np.arange(1, 17) / 17))])


def whole_network(seed: int = 0) -> Any:
    """(template [1, 3, 128, 128], search [1, 3, 256, 256]) in [0, 1] to score, size and offset maps; seeded weights."""
    import torch
    from torch.nn import functional

    from harness.trackers.layers import seeded_state
    from harness.trackers.smat import network as smat

    def published_attention(self: Any, x: Any) -> Any:
        query, key, value = torch.split(self.qkv_proj(x), [1, self.dim, self.dim], dim=1)
        context = (key * functional.softmax(query, dim=-1)).sum(dim=-1, keepdim=True)
        return self.out_proj(functional.relu(value) * context)

    class Whole(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = smat.SMAT()
            self.network.load_state_dict(seeded_state(self.network.state_dict(), seed))
            for module in self.network.modules():
                if isinstance(module, smat.SeparableAttention):
                    module.forward = published_attention.__get__(module)  # type: ignore[method-assign]

        def forward(self, template: Any, search: Any) -> Any:
            return self.network(self.network.stem(template), search)

    return Whole().eval()


def export(path: Path) -> Path:
    """Writes the whole network as ONNX to ``path``, once."""
    import torch

    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        inputs = (torch.zeros(1, 3, 128, 128), torch.zeros(1, 3, 256, 256))
        names = {"input_names": ["template", "search"], "output_names": list(NAMES)}
        temporary = path.with_suffix(".part")
        with torch.no_grad():
            torch.onnx.export(whole_network(), inputs, str(temporary), dynamo=False, opset_version=17, **names)
        temporary.rename(path)
    return path


def network(runtime: str, model: Path) -> Callable[[Any, Any], list[Any]]:
    """``run(template, search) -> [score, size, offset]`` by ``torch``, ``onnx``, ``openvino`` or ``openvino-throughput``.

    The last two use float32, as on the published machine; ``openvino-own-precision`` leaves it to OpenVINO, which uses
    bfloat16 if the processor supports it.
    """
    if runtime == "torch":
        import torch

        module = whole_network()

        def run(template: Any, search: Any) -> list[Any]:
            with torch.no_grad():
                return [maps.numpy() for maps in module(torch.from_numpy(template), torch.from_numpy(search))]

        return run
    if runtime == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(model))
        return lambda template, search: session.run(list(NAMES), {"template": template, "search": search})
    import openvino

    chosen = {} if runtime == "openvino-own-precision" else {"INFERENCE_PRECISION_HINT": "f32"}
    if runtime == "openvino-throughput":
        chosen["PERFORMANCE_HINT"] = "THROUGHPUT"
    compiled = openvino.Core().compile_model(str(model), "CPU", chosen)

    def infer(template: Any, search: Any) -> list[Any]:
        outputs = compiled({"template": template, "search": search})
        return [outputs[name] for name in NAMES]

    return infer


def crop(image: Any, box: Any, factor: float, size: int) -> tuple[Any, float]:
    """The square around ``box``, padded with black, resized, as float32 ``[1, 3, size, size]``; crop pixels per pixel."""
    side = math.ceil(math.sqrt(box[2] * box[3]) * factor)
    x, y = round(box[0] + 0.5 * box[2] - 0.5 * side), round(box[1] + 0.5 * box[3] - 0.5 * side)
    height, width = image.shape[:2]
    left, top, right, bottom = max(0, -x), max(0, -y), max(x + side - width + 1, 0), max(y + side - height + 1, 0)
    inside = image[y + top : y + side - bottom, x + left : x + side - right]
    padded = cv2.copyMakeBorder(inside, top, bottom, left, right, cv2.BORDER_CONSTANT)
    pixels = cv2.resize(padded, (size, size)) / 255.0
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None].astype(np.float32)), size / side


class PublishedTracker:
    """SMAT as published over ``network``; boxes are ``[x, y, w, h]``, images RGB."""

    def __init__(self, run: Callable[[Any, Any], list[Any]]) -> None:
        self.run = run

    def init(self, image: Any, box: Any) -> None:
        self.template, self.box = crop(image, box, 2.0, 128)[0], list(box)

    def update(self, image: Any) -> list[float]:
        search, scale = crop(image, self.box, 4.0, 256)
        score, size, offset = self.run(self.template, search)
        row, column = np.unravel_index((score[0, 0] * HANN).argmax(), HANN.shape)
        side, (x, y, w, h) = 256 / scale, self.box
        width, height = size[0, :, row, column] * side
        centre_x = (column + offset[0, 0, row, column]) / 16 * side + x + 0.5 * w - 0.5 * side
        centre_y = (row + offset[0, 1, row, column]) / 16 * side + y + 0.5 * h - 0.5 * side
        x1, y1 = centre_x - 0.5 * width, centre_y - 0.5 * height
        x2, y2 = min(max(10, x1 + width), image.shape[1]), min(max(10, y1 + height), image.shape[0])
        x1, y1 = min(max(0, x1), image.shape[1] - 10), min(max(0, y1), image.shape[0] - 10)
        self.box = [x1, y1, max(10, x2 - x1), max(10, y2 - y1)]
        return self.box
