# mypy: disallow-subclassing-any=False
"""SMAT's network (Gopal and Amer, WACV 2024), with the published state-dict names.

The arithmetic is the published one but for three exact rewrites, each proven in tests/parity:

- the key projection of the separable attention is linear and its scores sum to one, so it is applied to the
  weighted sum of the positions (one position) instead of to all of them;
- query, key and value are convolutions over slices of the one published weight, which needs no three-way split
  of an unaligned tensor (1 + 2d channels);
- what the template goes through before it meets the search region is done once a sequence.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.trackers.layers import PixelCorrelation

Rewrites = Literal["all", "attention", "none"]

PATCH = 2
STRIDE = 16
CHANNELS = (32, 64, 128, 256, 384)
ATTENTION_BLOCKS = (2, 4)
HEAD_CHANNELS = 128
MAP_MARGIN = 1e-4


class ConvLayer(nn.Module):
    """Convolution, batch norm and ReLU under ``block.conv``, ``block.norm``, ``block.act``; padding (k - 1) // 2."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
        norm: bool = True,
        act: bool = True,
    ) -> None:
        super().__init__()
        self.block = nn.Sequential()
        self.block.add_module(
            "conv",
            nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, groups=groups, bias=bias),
        )
        if norm:
            self.block.add_module("norm", nn.BatchNorm2d(outputs))
        if act:
            self.block.add_module("act", nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)  # type: ignore[no-any-return]


class InvertedResidual(nn.Module):
    """1x1 expansion (twice the inputs), depthwise 3x3, linear 1x1; adds its input where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        wide = 2 * inputs
        self.block = nn.Sequential()
        self.block.add_module("exp_1x1", ConvLayer(inputs, wide))
        self.block.add_module("conv_3x3", ConvLayer(wide, wide, 3, stride=stride, groups=wide))
        self.block.add_module("red_1x1", ConvLayer(wide, outputs, act=False))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)
        return x + y if self.residual else y


class SeparableAttention(nn.Module):
    """Attention of linear cost over positions ``[B, d, P, N]``, softmax over N, apart for each of the P groups.

    Published: query, key, value = split(W x + b); out = out_proj(relu(value) * sum_n(key_n softmax(query)_n)).
    ``published`` set, that order of operations is kept: what the rewrites are measured against.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.published = False
        self.qkv_proj = ConvLayer(dim, 1 + 2 * dim, bias=True, norm=False, act=False)
        self.out_proj = ConvLayer(dim, dim, bias=True, norm=False, act=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.published:
            parts = torch.split(self.qkv_proj(x), [1, self.dim, self.dim], dim=1)
            gathered = (parts[1] * F.softmax(parts[0], dim=-1)).sum(dim=-1, keepdim=True)
            return self.out_proj(F.relu(parts[2]) * gathered)  # type: ignore[no-any-return]
        conv = self.qkv_proj.block.conv
        weight, bias = conv.weight, conv.bias
        query, key, value = slice(0, 1), slice(1, 1 + self.dim), slice(1 + self.dim, 1 + 2 * self.dim)
        scores = F.softmax(F.conv2d(x, weight[query], bias[query]), dim=-1)
        pooled = (x * scores).sum(dim=-1, keepdim=True)
        context = F.conv2d(pooled, weight[key], bias[key])
        return self.out_proj(F.relu(F.conv2d(x, weight[value], bias[value])) * context)  # type: ignore[no-any-return]


class AttentionBlock(nn.Module):
    """``x + attention(norm(x))``, then ``x + ffn(norm(x))``; the norm is over channels and positions together.

    The published names leave the indices of dropout layers free, hence the identities.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.pre_norm_attn = nn.Sequential(nn.GroupNorm(1, dim), SeparableAttention(dim), nn.Identity())
        self.pre_norm_ffn = nn.Sequential(
            nn.GroupNorm(1, dim),
            ConvLayer(dim, 2 * dim, bias=True, norm=False),
            nn.Identity(),
            ConvLayer(2 * dim, dim, bias=True, norm=False, act=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.pre_norm_attn(x)
        return x + self.pre_norm_ffn(x)  # type: ignore[no-any-return]


def global_representation(dim: int, blocks: int) -> nn.Sequential:
    """Attention blocks, then one norm."""
    return nn.Sequential(*(AttentionBlock(dim) for _ in range(blocks)), nn.GroupNorm(1, dim))


def unfold(x: Tensor) -> Tensor:
    """``[B, C, H, W]`` to ``[B, C, 4, H W / 4]``: position in the 2x2 patch, then patch, both row-major."""
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels, height // PATCH, PATCH, width // PATCH, PATCH)
    return x.permute(0, 1, 3, 5, 2, 4).reshape(batch, channels, PATCH * PATCH, -1)


def fold(x: Tensor, height: int, width: int) -> Tensor:
    """The inverse of ``unfold``."""
    batch, channels = x.shape[:2]
    x = x.reshape(batch, channels, PATCH, PATCH, height // PATCH, width // PATCH)
    return x.permute(0, 1, 4, 2, 5, 3).reshape(batch, channels, height, width)


class MixedAttention(nn.Module):
    """Local convolutions on search and template, then attention over the positions of both together."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        dim = channels // 2
        self.local_rep = nn.Sequential(
            ConvLayer(channels, channels, 3, groups=channels),
            ConvLayer(channels, dim, norm=False, act=False),
        )
        self.global_rep = global_representation(dim, blocks)
        self.conv_proj = ConvLayer(dim, channels, act=False)

    def join(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Search and template after ``local_rep``, ``[B, C / 2, ...]``, to both after the block, ``[B, C, ...]``."""
        patches_x, patches_z = unfold(x), unfold(z)
        count = patches_x.shape[3]
        both = self.global_rep(torch.cat([patches_x, patches_z], dim=3))
        x = fold(both[..., :count], x.shape[2], x.shape[3])
        z = fold(both[..., count:], z.shape[2], z.shape[3])
        return self.conv_proj(x), self.conv_proj(z)

    def forward(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        return self.join(self.local_rep(x), self.local_rep(z))


class Backbone(nn.Module):
    """Stem of stride 4 for each image apart; two stages of stride 2 that mix search and template."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        c0, c1, c2, c3, c4 = channels
        self.conv_1 = ConvLayer(3, c0, 3, stride=2)
        self.layer_1 = nn.Sequential(InvertedResidual(c0, c1, 1))
        self.layer_2 = nn.Sequential(InvertedResidual(c1, c2, 2), InvertedResidual(c2, c2, 1))
        self.layer_3 = nn.Sequential(InvertedResidual(c2, c3, 2), MixedAttention(c3, ATTENTION_BLOCKS[0]))
        self.layer_4 = nn.Sequential(InvertedResidual(c3, c4, 2), MixedAttention(c4, ATTENTION_BLOCKS[1]))

    def stem(self, image: Tensor) -> Tensor:
        """``[B, 3, S, S]`` in [0, 1] to ``[B, c2, S / 4, S / 4]``."""
        return self.layer_2(self.layer_1(self.conv_1(image)))  # type: ignore[no-any-return]

    def before_mixing(self, stem: Tensor) -> Tensor:
        """Stem features to what enters the first mixed attention, ``[B, c3 / 2, S / 8, S / 8]``."""
        return self.layer_3[1].local_rep(self.layer_3[0](stem))  # type: ignore[no-any-return, union-attr, operator]

    def mix(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Search and template from ``before_mixing`` to features of stride 16, ``[B, c4, S / 16, S / 16]``."""
        x, z = self.layer_3[1].join(x, z)  # type: ignore[union-attr, operator]
        return self.layer_4[1](self.layer_4[0](x), self.layer_4[0](z))  # type: ignore[no-any-return]


class Neck(nn.Module):
    """A batch norm for each of search and template."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.BN_x = nn.BatchNorm2d(channels)
        self.BN_z = nn.BatchNorm2d(channels)


class FeatureFusor(nn.Module):
    """Pixel-wise correlation and the 1x1 convolution that brings it to the head's channels."""

    def __init__(self, positions: int, channels: int) -> None:
        super().__init__()
        self.pw_corr = PixelCorrelation(positions)
        self.adj_layer = nn.Conv2d(positions, channels, 1)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.adj_layer(self.pw_corr(x, z))  # type: ignore[no-any-return]


class BoxHead(nn.Module):
    """Score, offset and size maps of a centre-based head, after separable self-attention in two branches."""

    BRANCHES = (("ctr", 1), ("offset", 2), ("size", 2))

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pre_ssat_cls = ConvLayer(channels, channels, 3)
        self.pre_ssat_reg = ConvLayer(channels, channels, 3)
        self.global_rep_cls = global_representation(channels, 2)
        self.global_rep_reg = global_representation(channels, 4)
        for name, outputs in self.BRANCHES:
            widths = (channels, channels, channels // 2, channels // 4)
            for index in range(3):
                layer = nn.Sequential(
                    nn.Conv2d(widths[index], widths[index + 1], 3, padding=1),
                    nn.BatchNorm2d(widths[index + 1]),
                    nn.ReLU(),
                )
                self.add_module(f"conv{index + 1}_{name}", layer)
            self.add_module(f"conv4_{name}", nn.Conv2d(widths[3], outputs, 1))

    def _attend(self, x: Tensor, blocks: nn.Module) -> Tensor:
        batch, channels, height, width = x.shape
        flat = x.reshape(batch, channels, 1, height * width)
        return blocks(flat).reshape(batch, channels, height, width)  # type: ignore[no-any-return]

    def _branch(self, x: Tensor, name: str) -> Tensor:
        for index in range(1, 5):
            x = getattr(self, f"conv{index}_{name}")(x)
        return x

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``[B, C, H, W]`` to score ``[B, 1, H, W]``, size and offset ``[B, 2, H, W]``."""
        cls = self._attend(self.pre_ssat_cls(x), self.global_rep_cls)
        reg = self._attend(self.pre_ssat_reg(x), self.global_rep_reg)
        score = _bounded_sigmoid(self._branch(cls, "ctr"))
        size = _bounded_sigmoid(self._branch(reg, "size"))
        return score, size, self._branch(reg, "offset")


def _bounded_sigmoid(x: Tensor) -> Tensor:
    return torch.clamp(torch.sigmoid(x), MAP_MARGIN, 1 - MAP_MARGIN)


def scaled_channels(width: float) -> tuple[int, ...]:
    """The backbone's channels times ``width``, to the nearest multiple of 16 (attention halves them), at least 16."""
    return tuple(max(16, int(channels * width / 16 + 0.5) * 16) for channels in CHANNELS)


class SMAT(nn.Module):
    """The whole network. Without arguments it is the published one (3,767,409 parameters).

    ``width`` multiplies the backbone's channels, ``template`` and ``search`` are crop sides in pixels (multiples
    of 32), ``head`` is the head's width (a multiple of 4).
    """

    def __init__(
        self, *, width: float = 1.0, template: int = 128, search: int = 256, head: int = HEAD_CHANNELS
    ) -> None:
        super().__init__()
        if template % 32 or search % 32 or min(template, search) < 32:
            raise ValueError(f"template {template} and search {search} must be positive multiples of 32 pixels")
        if head % 4 or head < 4 or not 0 < width <= 4:
            raise ValueError(f"head {head} must be a positive multiple of 4, width {width} in (0, 4]")
        channels = scaled_channels(width) if width != 1.0 else CHANNELS
        self.template_size, self.search_size = template, search
        self.backbone = Backbone(channels)
        self.neck = Neck(channels[-1])
        self.feature_fusor = FeatureFusor((template // STRIDE) ** 2, head)
        self.box_head = BoxHead(head)
        self.apply(_initialise)
        nn.init.constant_(self.box_head.conv4_ctr.bias, -2.19)  # a score of 0.1 everywhere, as focal losses want

    def stem(self, image: Tensor) -> Tensor:
        """The template's stem features: ``[B, 3, 128, 128]`` in [0, 1] to ``[B, 128, 32, 32]``."""
        return self.backbone.stem(image)

    def template_features(self, image: Tensor) -> Tensor:
        """All that a template goes through before it meets a search region: to ``[B, 128, 16, 16]``."""
        return self.backbone.before_mixing(self.backbone.stem(image))

    def search_maps(self, template_features: Tensor, search: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``template_features`` and a search crop in [0, 1] to (score, size, offset) maps of stride 16."""
        features = self.backbone.before_mixing(self.backbone.stem(search))
        x, z = self.backbone.mix(features, template_features)
        fused: Tensor = self.feature_fusor(self.neck.BN_x(x), self.neck.BN_z(z))
        return self.box_head(fused)  # type: ignore[no-any-return]

    def forward(self, template_stem: Tensor, search: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Stem features ``[B, 128, 32, 32]`` and search crops ``[B, 3, 256, 256]`` to (score, size, offset)."""
        return self.search_maps(self.backbone.before_mixing(template_stem), search)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def image_tensor(image: Tensor) -> Tensor:
    """uint8 ``[1, S, S, 3]`` to float32 ``[1, 3, S, S]`` in [0, 1]."""
    return image.permute(0, 3, 1, 2).float() / 255.0


class TemplateGraph(nn.Module):
    """Graph ``template``: RGB crop to ``template_features``, once a sequence."""

    def __init__(self, network: SMAT) -> None:
        super().__init__()
        self.network = network

    def forward(self, template: Tensor) -> Tensor:
        return self.network.template_features(image_tensor(template))


class SearchGraph(nn.Module):
    """Graph ``search``: ``template_features`` and an RGB crop to score, size and offset maps, every frame."""

    def __init__(self, network: SMAT) -> None:
        super().__init__()
        self.network = network

    def forward(self, template_features: Tensor, search: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.network.search_maps(template_features, image_tensor(search))
