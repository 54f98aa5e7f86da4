# mypy: disallow-subclassing-any=False
"""FEAR-XS's network (ECCV 2022) without its dynamic template update, batch norms folded into the convolutions.

FBNet-C's trunk cut at stride 16, a pixel-wise correlation per branch, and two towers of depthwise-separable convolutions.
The names are those of the published state dict, with the batch norms' folded away (checkpoint.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.trackers.layers import pixel_correlation, seeded_state

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of R, G, B in 0-1
CHANNELS, TEMPLATE_CELLS = 256, 64
BRANCHES = ("cls", "reg")


class Stage(NamedTuple):
    """An inverted residual: channels in, inside (None: not expanded) and out, kernel, stride, whether the input is added."""

    inputs: int
    wide: int | None
    outputs: int
    kernel: int
    stride: int
    residual: bool


TRUNK: Mapping[str, Stage] = {
    "xif1_0": Stage(16, None, 16, 3, 1, True),
    "xif2_0": Stage(16, 96, 24, 3, 2, False),
    "xif2_2": Stage(24, None, 24, 3, 1, True),
    "xif2_3": Stage(24, None, 24, 3, 1, True),
    "xif3_0": Stage(24, 144, 32, 5, 2, False),
    "xif3_1": Stage(32, 96, 32, 5, 1, True),
    "xif3_2": Stage(32, 192, 32, 5, 1, True),
    "xif3_3": Stage(32, 192, 32, 3, 1, True),
    "xif4_0": Stage(32, 192, 64, 5, 2, False),
    "xif4_1": Stage(64, 192, 64, 5, 1, True),
    "xif4_2": Stage(64, 384, 64, 5, 1, True),
    "xif4_3": Stage(64, 384, 64, 5, 1, True),
    "xif4_4": Stage(64, 384, 112, 5, 1, False),
    "xif4_5": Stage(112, 672, 112, 5, 1, True),
    "xif4_6": Stage(112, 672, 112, 5, 1, True),
    "xif4_7": Stage(112, 336, 112, 5, 1, True),
}


class Convolution(nn.Module):
    """A convolution under the name ``conv``, as published, padded by half its kernel."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)  # type: ignore[no-any-return]


class Inverted(nn.Module):
    """Expansion where there is one, depthwise, linear projection."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        wide = stage.wide or stage.inputs
        self.pw = Convolution(stage.inputs, wide) if stage.wide else None
        self.dw = Convolution(wide, wide, stage.kernel, stage.stride, groups=wide)
        self.pwl = Convolution(wide, stage.outputs)
        self.residual = stage.residual

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.pw is None else F.relu(self.pw(x))
        y = self.pwl(F.relu(self.dw(y)))
        return x + y if self.residual else y


class Separable(nn.Module):
    """3x3 depthwise, then 1x1."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=bias)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))  # type: ignore[no-any-return]


def separable(inputs: int, *, bias: bool = True) -> list[nn.Module]:
    """A separable convolution to 256 channels and a ReLU; where the batch norm was, nothing: indices are names."""
    return [Separable(inputs, CHANNELS, bias=bias), nn.Identity(), nn.ReLU()]


class Trunk(nn.Module):
    """``[B, 3, S, S]`` normalised RGB to ``[B, 112, S / 16, S / 16]``."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleDict({"xif0_0": nn.Sequential()})
        self.stages["xif0_0"] = Convolution(3, 16, 3, 2)
        self.stages.update({name: Inverted(stage) for name, stage in TRUNK.items()})

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stages["xif0_0"](x))
        for name in TRUNK:
            x = self.stages[name](x)
        return x


class Neck(nn.Module):
    """The projection of the trunk's features, one for template and search region."""

    def __init__(self) -> None:
        super().__init__()
        self.downsample = nn.Sequential(nn.Conv2d(112, CHANNELS, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.downsample(x)  # type: ignore[no-any-return]


class Head(nn.Module):
    """Features of template and search region to distances ``[B, 4, R, R]`` and logits ``[B, 1, R, R]``."""

    def __init__(self) -> None:
        super().__init__()
        for branch in BRANCHES:
            encode = nn.Sequential(*separable(CHANNELS, bias=False))
            self.add_module(f"{branch}_encode", nn.ModuleDict({"matrix11_s": encode}))
            joined = nn.Sequential(*separable(CHANNELS + TEMPLATE_CELLS))
            self.add_module(f"{branch}_dw", nn.ModuleDict({"enc": joined}))
        self.bbox_tower = nn.Sequential(*separable(CHANNELS), *separable(CHANNELS))
        self.cls_tower = nn.Sequential(*separable(CHANNELS), *separable(CHANNELS))
        self.bbox_pred = Separable(CHANNELS, 4)
        self.cls_pred = Separable(CHANNELS, 1)

    def _joined(self, branch: str, z: Tensor, x: Tensor) -> Tensor:
        encoded = getattr(self, f"{branch}_encode")["matrix11_s"](x)
        correlation = pixel_correlation(encoded, z)
        return getattr(self, f"{branch}_dw")["enc"](torch.cat([encoded, correlation], dim=1))  # type: ignore[no-any-return]

    def forward(self, z: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        distances = torch.exp(self.bbox_pred(self.bbox_tower(self._joined("reg", z, x))))
        return distances, self.cls_pred(self.cls_tower(self._joined("cls", z, x)))


class Fear(nn.Module):
    """The whole network. Image inputs are normalised RGB ``[B, 3, S, S]``; S is 128 and 256."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"model": nn.ModuleDict({"backbone": Trunk()})})
        self.neck = Neck()
        self.connect_model = Head()

    def features(self, image: Tensor) -> Tensor:
        """``[B, 256, S / 16, S / 16]``."""
        return self.neck(self.encoder["model"]["backbone"](image))  # type: ignore[index, no-any-return]

    def forward(self, template_features: Tensor, search: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, 256, 8, 8]`` and a search image to distances (left, top, right, bottom, in search pixels) and logits."""
        return self.connect_model(template_features, self.features(search))  # type: ignore[no-any-return]


class _Graph(nn.Module):
    """A graph whose image comes as uint8 RGB ``[1, S, S, 3]``, normalised by the authors' float32 arithmetic."""

    mean: Tensor
    scale: Tensor

    def __init__(self, network: Fear) -> None:
        super().__init__()
        self.network = network
        mean, deviation = (torch.tensor(values).reshape(1, 3, 1, 1) * 255 for values in (MEAN, DEVIATION))
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("scale", deviation.reciprocal(), persistent=False)

    def normalised(self, image: Tensor) -> Tensor:
        return (image.permute(0, 3, 1, 2).float() - self.mean) * self.scale


class TemplateGraph(_Graph):
    """``template`` to ``template_features``."""

    def forward(self, template: Tensor) -> Tensor:
        return self.network.features(self.normalised(template))


class SearchGraph(_Graph):
    """``template_features`` and ``search`` to ``bbox`` and ``cls``."""

    def forward(self, template_features: Tensor, search: Tensor) -> tuple[Tensor, Tensor]:
        return self.network(template_features, self.normalised(search))  # type: ignore[no-any-return]


def seeded(network: Fear, seed: int) -> dict[str, Tensor]:
    """Random weights from names and ``seed``, small where values would grow without batch norms: the features are of the
    order of 1, the logits too, and the distances, which are exponentials, of some pixels."""
    state = seeded_state(network.state_dict(), seed)
    small = (
        ("neck.downsample.0", 2e-4),
        ("connect_model.bbox_pred.pointwise", 1e-2),
        ("connect_model.cls_pred.pointwise", 1e-2),
    )
    for layer, factor in small:
        state[f"{layer}.weight"] = state[f"{layer}.weight"] * factor
    state["connect_model.bbox_pred.pointwise.bias"] = state["connect_model.bbox_pred.pointwise.bias"] + 3
    return state


def graphs(weights: list[Path], *, seed: int = 0, **_: Any) -> dict[str, nn.Module]:
    """The tracker's two graphs in eval mode; no weights: random ones from ``seed``."""
    network = Fear()
    if weights:
        from harness.trackers.fear.checkpoint import read
        from harness.trackers.weights import load_into

        load_into(network, read(weights[0]), weights[0])
    else:
        network.load_state_dict(seeded(network, seed))
    network.eval().requires_grad_(False)
    return {"template": TemplateGraph(network).eval(), "search": SearchGraph(network).eval()}
