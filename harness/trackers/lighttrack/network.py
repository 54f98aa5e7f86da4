# mypy: disallow-subclassing-any=False
"""LightTrack-Mobile's network (CVPR 2021, arXiv 2104.14545), batch norms folded into the convolutions.

A searched trunk of inverted residuals cut at stride 16, a pixel-wise correlation, and two towers of depthwise-separable
convolutions. The names are those of the published state dict, with the batch norms' folded away (checkpoint.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.trackers.layers import PixelCorrelation, seeded_state

MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of R, G, B in 0-255
CHANNELS, TEMPLATE_CELLS, STRIDE = 96, 64, 16


class Stage(NamedTuple):
    """An inverted residual: its channels, kernel, stride, and the channels inside its squeeze and excitation."""

    inputs: int
    wide: int
    kernel: int
    stride: int
    reduced: int
    outputs: int


TRUNK = (
    (Stage(16, 64, 7, 2, 16, 24), Stage(24, 144, 7, 1, 40, 24)),
    (
        Stage(24, 96, 3, 2, 24, 40),
        Stage(40, 160, 5, 1, 40, 40),
        Stage(40, 240, 7, 1, 64, 40),
        Stage(40, 240, 3, 1, 64, 40),
    ),
    (
        Stage(40, 160, 7, 2, 40, 80),
        Stage(80, 320, 3, 1, 80, 80),
        Stage(80, 320, 7, 1, 80, 80),
        Stage(80, 320, 7, 1, 80, 80),
    ),
    (Stage(80, 480, 7, 1, 120, 96), Stage(96, 384, 5, 1, 96, 96), Stage(96, 576, 3, 1, 144, 96)),
)
CLS_KERNELS, CLS_CHANNELS = (5, 5, 3, 3, 3, 3), 256
REG_KERNELS, REG_CHANNELS = (3, 3, 3, 3, 3, 5, 5, 5), 192
FUSED = 128


def convolution(inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> nn.Conv2d:
    """A convolution with bias, padded by half its kernel."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)


def depthwise(channels: int, kernel: int, stride: int = 1, *, bias: bool = True) -> nn.Conv2d:
    """A kernel per channel, padded by half its size."""
    return nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=bias)


class SqueezeExcitation(nn.Module):
    """The input times hard_sigmoid(expand(relu(reduce(mean))))."""

    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        self.conv_reduce = convolution(channels, reduced)
        self.conv_expand = convolution(reduced, channels)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=(2, 3), keepdim=True)
        return x * F.hardsigmoid(self.conv_expand(F.relu(self.conv_reduce(mean))))


class Separable(nn.Module):
    """The first block: depthwise, attention, projection, and the input added."""

    def __init__(self, channels: int, kernel: int, reduced: int) -> None:
        super().__init__()
        self.conv_dw = depthwise(channels, kernel)
        self.se = SqueezeExcitation(channels, reduced)
        self.conv_pw = convolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_pw(self.se(F.silu(self.conv_dw(x))))  # type: ignore[no-any-return]


class Inverted(nn.Module):
    """Expansion, depthwise, attention, linear projection; the input is added where the shapes agree."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.conv_pw = convolution(stage.inputs, stage.wide)
        self.conv_dw = depthwise(stage.wide, stage.kernel, stage.stride)
        self.se = SqueezeExcitation(stage.wide, stage.reduced)
        self.conv_pwl = convolution(stage.wide, stage.outputs)
        self.residual = stage.stride == 1 and stage.inputs == stage.outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv_pwl(self.se(F.silu(self.conv_dw(F.silu(self.conv_pw(x))))))
        return x + y if self.residual else y


class Trunk(nn.Module):
    """``[B, 3, S, S]`` normalised RGB to ``[B, 96, S / 16, S / 16]``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = convolution(3, 16, 3, 2)
        first = nn.Sequential(Separable(16, 3, 8))
        self.blocks = nn.Sequential(first, *(nn.Sequential(*(Inverted(stage) for stage in row)) for row in TRUNK))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(F.silu(self.conv_stem(x)))  # type: ignore[no-any-return]


class Affine(nn.Module):
    """A scale and a shift per channel: what a batch norm comes to after training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight[:, None, None] + self.bias[:, None, None]


class Neck(nn.Module):
    """One affine for the template's features, another for the search region's."""

    def __init__(self) -> None:
        super().__init__()
        self.BN_z = Affine(CHANNELS)
        self.BN_x = Affine(CHANNELS)


class Fusor(nn.Module):
    """Pixel-wise correlation with channel attention, then a projection for both towers."""

    def __init__(self) -> None:
        super().__init__()
        self.pw_corr = PixelCorrelation(TEMPLATE_CELLS)
        self.adj_layer = convolution(TEMPLATE_CELLS, FUSED)

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        return self.adj_layer(self.pw_corr(x, z))  # type: ignore[no-any-return]


class TowerStep(nn.Module):
    """Depthwise without bias, 1x1, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv1 = depthwise(inputs, kernel, bias=False)
        self.pointwise = convolution(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.pointwise(self.conv1(x)))


def tower(channels: int, kernels: Sequence[int]) -> nn.Sequential:
    """A step per kernel; the first takes the fused channels."""
    inputs = [FUSED] + [channels] * (len(kernels) - 1)
    return nn.Sequential(*(TowerStep(count, channels, kernel) for count, kernel in zip(inputs, kernels, strict=True)))


class Head(nn.Module):
    """Fused features to the score after its sigmoid ``[B, 1, R, R]`` and distances ``[B, 4, R, R]`` in search pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_tower = tower(CLS_CHANNELS, CLS_KERNELS)
        self.cls_perd = nn.ModuleDict({"cls_pred": convolution(CLS_CHANNELS, 1, 3)})  # spelled so as published
        self.reg_tower = tower(REG_CHANNELS, REG_KERNELS)
        self.reg_pred = nn.ModuleDict({"bbox_pred": convolution(REG_CHANNELS, 4, 3)})

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        score = torch.sigmoid(self.cls_perd["cls_pred"](self.cls_tower(x)))
        return score, F.relu(self.reg_pred["bbox_pred"](self.reg_tower(x))) * STRIDE


class LightTrack(nn.Module):
    """The whole network. Image inputs are normalised RGB ``[B, 3, S, S]``; S is 127 or 128, and 256 or 288."""

    def __init__(self) -> None:
        super().__init__()
        self.features = Trunk()
        self.neck = Neck()
        self.feature_fusor = Fusor()
        self.head = Head()

    def forward(self, template_features: Tensor, search: Tensor) -> tuple[Tensor, Tensor]:
        """Trunk features of the template ``[B, 96, 8, 8]`` and a search image to score and distances (left, top, right,
        bottom, at least 0)."""
        z = self.neck.BN_z(template_features)
        x = self.neck.BN_x(self.features(search))
        return self.head(self.feature_fusor(z, x))  # type: ignore[no-any-return]


class _Graph(nn.Module):
    """A graph whose image comes as uint8 RGB ``[1, S, S, 3]``."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: LightTrack) -> None:
        super().__init__()
        self.network = network
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, torch.tensor(values).reshape(1, 3, 1, 1), persistent=False)

    def normalised(self, image: Tensor) -> Tensor:
        return (image.permute(0, 3, 1, 2).float() - self.mean) / self.deviation


class TemplateGraph(_Graph):
    """``template`` to ``template_features``: the trunk alone, before the neck."""

    def forward(self, template: Tensor) -> Tensor:
        return self.network.features(self.normalised(template))  # type: ignore[no-any-return]


class SearchGraph(_Graph):
    """``template_features`` and ``search`` to ``score`` and ``box``; the same for every search size."""

    def forward(self, template_features: Tensor, search: Tensor) -> tuple[Tensor, Tensor]:
        return self.network(template_features, self.normalised(search))  # type: ignore[no-any-return]


def seeded(network: LightTrack, seed: int) -> dict[str, Tensor]:
    """Random weights from names and ``seed``: the neck's scales a tenth of the usual ones, for the correlation sums over
    96 channels, and the distances' bias raised by 4, so that boxes have an extent."""
    state = seeded_state(network.state_dict(), seed)
    for name in ("neck.BN_z.weight", "neck.BN_x.weight"):
        state[name] = state[name] / 10
    state["head.reg_pred.bbox_pred.bias"] = state["head.reg_pred.bbox_pred.bias"] + 4
    return state


def graphs(weights: list[Path], *, seed: int = 0, names: Sequence[str] = ("search",), **_: Any) -> dict[str, nn.Module]:
    """``template`` and a search graph under each of ``names``, in eval mode; no weights: random ones from ``seed``."""
    network = LightTrack()
    if weights:
        from harness.trackers.lighttrack.checkpoint import read
        from harness.trackers.weights import load_into

        load_into(network, read(weights[0]), weights[0])
    else:
        network.load_state_dict(seeded(network, seed))
    network.eval().requires_grad_(False)
    made: dict[str, nn.Module] = {"template": TemplateGraph(network).eval()}
    return made | {name: SearchGraph(network).eval() for name in names}
