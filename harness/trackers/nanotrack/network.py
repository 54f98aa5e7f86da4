# mypy: disallow-subclassing-any=False
"""NanoTrack's networks (HonglinChu, 2022-2023), versions 1 to 3, with the published state-dict names.

A MobileNetV3-small-like trunk cut at stride 16, and a head of correlations: v1 has one pixel-wise correlation for both
branches, v2 one per branch, v3 a pixel-wise and a depthwise one per branch.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.trackers.layers import PixelCorrelation, seeded_state

Version = Literal["v1", "v2", "v3"]
TEMPLATE_CELLS = 64  # the template's features are 8 x 8
CENTRE = slice(2, 6)  # the rows and columns of the template that v3's depthwise correlation uses

# kernel, expanded channels, output channels, squeeze and excitation, hard swish, stride
TRUNK = (
    (3, 16, 16, True, False, 2),
    (3, 72, 24, False, False, 2),
    (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2),
    (5, 240, 40, True, True, 1),
    (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1),
    (5, 144, 48, True, True, 1),
)
LAST_OF_V3 = (5, 288, 96, True, True, 1)
DISTANCE_SPREAD, USUAL_DISTANCE = 16, 32.0
"""Random weights: the last layer's outputs are divided by the first (else they reach 14, and a distance a million pixels),
and centred on the logarithm of the second, in pixels of the search crop."""
FEATURES = {"v1": 48, "v2": 48, "v3": 96}


class SqueezeExcitation(nn.Module):
    """The input times hard_sigmoid(fc(mean)); a quarter of the channels, to a multiple of 8, in between."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        reduced = max(8, (channels // 4 + 4) // 8 * 8)
        self.fc = nn.Sequential(
            nn.Linear(channels, reduced), nn.ReLU(), nn.Linear(reduced, channels), nn.Hardsigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        scale = self.fc(x.mean(dim=(2, 3)))
        return x * scale.reshape(x.shape[0], -1, 1, 1)  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """Expansion, depthwise convolution, linear projection; the input is added where the shapes agree.

    Where nothing is expanded the attention follows the activation, else it comes before: as published.
    """

    def __init__(
        self, inputs: int, kernel: int, wide: int, outputs: int, *, attend: bool, swish: bool, stride: int
    ) -> None:
        super().__init__()
        depthwise = nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide, bias=False)
        act = nn.Hardswish if swish else nn.ReLU
        attention = SqueezeExcitation(wide) if attend else nn.Identity()
        project = (nn.Conv2d(wide, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        if inputs == wide:
            self.conv = nn.Sequential(depthwise, nn.BatchNorm2d(wide), act(), attention, *project)
        else:
            expand = (nn.Conv2d(inputs, wide, 1, bias=False), nn.BatchNorm2d(wide), act())
            self.conv = nn.Sequential(*expand, depthwise, nn.BatchNorm2d(wide), attention, act(), *project)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


class Trunk(nn.Module):
    """``[B, 3, S, S]`` BGR, 0-255, to ``[B, C, S / 16, S / 16]``."""

    def __init__(self, version: Version) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.Hardswish())
        ]
        inputs = 16
        for kernel, wide, outputs, attend, swish, stride in TRUNK + ((LAST_OF_V3,) if version == "v3" else ()):
            layers.append(Bottleneck(inputs, kernel, wide, outputs, attend=attend, swish=swish, stride=stride))
            inputs = outputs
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x)  # type: ignore[no-any-return]


def conv_norm(channels: int) -> nn.Sequential:
    """1x1 convolution with bias, batch norm."""
    return nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels))


class ProjectedPixelCorrelation(PixelCorrelation):
    """Pixel-wise correlation of projected features; v3 narrows its map from 16 to 15 with a 2x2 convolution."""

    def __init__(self, channels: int, *, narrow: bool) -> None:
        super().__init__(TEMPLATE_CELLS)
        self.conv_kernel = conv_norm(channels)
        self.conv_search = conv_norm(channels)
        if narrow:
            cells = TEMPLATE_CELLS
            self.conv: nn.Module = nn.Sequential(
                nn.Conv2d(cells, cells, 2, groups=cells, bias=False),
                nn.BatchNorm2d(cells),
                nn.ReLU6(),
                nn.Conv2d(cells, cells, 1),
                nn.BatchNorm2d(cells),
            )
        else:
            self.conv = nn.Identity()

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.conv(super().forward(self.conv_search(x), self.conv_kernel(z)))  # type: ignore[no-any-return]


class DepthwiseCorrelation(nn.Module):
    """Each channel of the template's centre as a kernel over the same channel of the search features, padding 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_kernel = conv_norm(channels)
        self.conv_search = conv_norm(channels)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        kernel = self.conv_kernel(z[:, :, CENTRE, CENTRE])
        search = self.conv_search(x)
        batch, channels, height, width = search.shape
        search = search.reshape(1, batch * channels, height, width)
        kernel = kernel.reshape(batch * channels, 1, kernel.shape[2], kernel.shape[3])
        y = F.conv2d(search, kernel, padding=1, groups=batch * channels)
        return y.reshape(batch, channels, y.shape[2], y.shape[3])


def tower(inputs: int, channels: int, kernels: tuple[int, ...]) -> nn.Sequential:
    """v1's and v2's: depthwise, 1x1, batch norm, ReLU6, once per kernel."""
    layers: list[nn.Module] = []
    for kernel in kernels:
        layers += [
            nn.Conv2d(inputs, inputs, kernel, padding=kernel // 2, groups=inputs, bias=False),
            nn.Conv2d(inputs, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU6(),
        ]
        inputs = channels
    return nn.Sequential(*layers)


def normed_tower(channels: int, blocks: int) -> nn.Sequential:
    """v3's: depthwise 3x3, batch norm, ReLU6, 1x1, batch norm."""
    layers: list[nn.Module] = []
    for _ in range(blocks):
        layers += [
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU6(),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        ]
    return nn.Sequential(*layers)


def prediction(inputs: int, outputs: int) -> nn.Sequential:
    """A 1x1 convolution under index 0, as the published names have it."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1))


class HeadV1(nn.Module):
    """One pixel-wise correlation for both branches."""

    def __init__(self) -> None:
        super().__init__()
        self.corr_pw = PixelCorrelation(TEMPLATE_CELLS)
        self.cls_tower = tower(TEMPLATE_CELLS, 128, (5, 5, 3))
        self.bbox_tower = tower(TEMPLATE_CELLS, 96, (3, 3, 5, 5))
        self.cls_logits = prediction(128, 2)
        self.bbox_pred = prediction(96, 4)

    def forward(self, z: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        both = self.corr_pw(x, z)
        return self.cls_logits(self.cls_tower(both)), torch.exp(self.bbox_pred(self.bbox_tower(both)))


class HeadV2(nn.Module):
    """A pixel-wise correlation per branch."""

    def __init__(self) -> None:
        super().__init__()
        self.corr_pw_reg = ProjectedPixelCorrelation(FEATURES["v2"], narrow=False)
        self.corr_pw_cls = ProjectedPixelCorrelation(FEATURES["v2"], narrow=False)
        self.cls_pw_tower = tower(TEMPLATE_CELLS, 96, (3,) * 6)
        self.bbox_pw_tower = tower(TEMPLATE_CELLS, 96, (3,) * 6)
        self.cls_pred = prediction(96, 2)
        self.bbox_pred = prediction(96, 4)

    def forward(self, z: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        cls = self.cls_pred(self.cls_pw_tower(self.corr_pw_cls(x, z)))
        return cls, torch.exp(self.bbox_pred(self.bbox_pw_tower(self.corr_pw_reg(x, z))))


class HeadV3(nn.Module):
    """A pixel-wise and a depthwise correlation per branch, joined in that order."""

    def __init__(self) -> None:
        super().__init__()
        channels = FEATURES["v3"]
        for branch in ("reg", "cls"):
            self.add_module(f"corr_dw_{branch}", DepthwiseCorrelation(channels))
            self.add_module(f"corr_pw_{branch}", ProjectedPixelCorrelation(channels, narrow=True))
            self.add_module(f"down_{branch}", prediction(TEMPLATE_CELLS + channels, channels))
        self.cls_tower = normed_tower(channels, 6)
        self.bbox_tower = normed_tower(channels, 6)
        self.cls_logits = prediction(channels, 2)
        self.bbox_pred = prediction(channels, 4)

    def _correlate(self, z: Tensor, x: Tensor, branch: str) -> Tensor:
        pixelwise = getattr(self, f"corr_pw_{branch}")(x, z)
        depthwise = getattr(self, f"corr_dw_{branch}")(x, z)
        return getattr(self, f"down_{branch}")(torch.cat([pixelwise, depthwise], dim=1))  # type: ignore[no-any-return]

    def forward(self, z: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        cls = self.cls_logits(self.cls_tower(self._correlate(z, x, "cls")))
        return cls, torch.exp(self.bbox_pred(self.bbox_tower(self._correlate(z, x, "reg"))))


class UnusedNeck(nn.Module):
    """In the published state dict, in no published graph: kept so that checkpoints load strictly, never called."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.downsample = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))


class NanoTrack(nn.Module):
    """The whole network of one version."""

    def __init__(self, version: Version = "v3") -> None:
        super().__init__()
        self.version = version
        self.backbone = Trunk(version)
        self.neck = UnusedNeck(96 if version == "v3" else 64)
        self.ban_head: nn.Module = {"v1": HeadV1, "v2": HeadV2, "v3": HeadV3}[version]()

    def forward(self, template_features: Tensor, search: Tensor) -> tuple[Tensor, Tensor]:
        """``[1, C, 8, 8]`` and BGR ``[1, 3, 255, 255]`` in 0-255 to logits ``[1, 2, R, R]`` and distances
        ``[1, 4, R, R]`` (left, top, right, bottom in search pixels, positive)."""
        return self.ban_head(template_features, self.backbone(search))  # type: ignore[no-any-return]


class TemplateGraph(nn.Module):
    """Graph ``template``: uint8 BGR ``[1, 127, 127, 3]`` to ``template_features``."""

    def __init__(self, network: NanoTrack) -> None:
        super().__init__()
        self.network = network

    def forward(self, template: Tensor) -> Tensor:
        return self.network.backbone(template.permute(0, 3, 1, 2).float())  # type: ignore[no-any-return]


class SearchGraph(nn.Module):
    """Graph ``search``: ``template_features`` and uint8 BGR ``[1, 255, 255, 3]`` to ``cls``, ``loc``."""

    def __init__(self, network: NanoTrack) -> None:
        super().__init__()
        self.network = network

    def forward(self, template_features: Tensor, search: Tensor) -> tuple[Tensor, Tensor]:
        return self.network(template_features, search.permute(0, 3, 1, 2).float())  # type: ignore[no-any-return]


def graphs(weights: list[Path], *, seed: int = 0, version: Version = "v3", **_: Any) -> dict[str, nn.Module]:
    """The tracker's two graphs in eval mode; no weights: random ones from ``seed``, with finite activations."""
    network = NanoTrack(version)
    if weights:
        from harness.trackers.weights import load, load_into

        load_into(network, load(weights[0]), weights[0])
    else:
        state = seeded_state(network.state_dict(), seed)
        state["backbone.features.0.0.weight"] /= 255  # pixels come unscaled
        # distances are exponentials: of numbers around the logarithm of a usual distance, a few units apart at most
        state["ban_head.bbox_pred.0.weight"] /= DISTANCE_SPREAD
        state["ban_head.bbox_pred.0.bias"] += math.log(USUAL_DISTANCE)
        network.load_state_dict(state)
    network.eval().requires_grad_(False)
    return {"template": TemplateGraph(network).eval(), "search": SearchGraph(network).eval()}
