# mypy: disallow-subclassing-any=False
"""SMAT's graphs rewritten for speed: the same functions, to rounding, with 12 % fewer operations a frame.

Built from a SMAT module in eval mode; every product of weights is taken in double precision. Beyond the rewrites that
harness.trackers.smat.network has already:

- batch norms, the norms' scales and the pixels' 1/255 are folded into the convolutions and projections beside them;
- two linear maps in a row are one: layer_1's projection and layer_2.0's expansion (64 to 64 to 128 channels at
  128 x 128 positions), layer_3.1's conv_proj and layer_4.0's expansion (128 to 256 to 512);
- layer_4.1's conv_proj, the neck and the correlation, (Wz z + bz)' (Wx x + bx), are z' (Wz' Wx) x with the biases
  gathered: the template's 64 kernels have 192 channels, and the search features are not projected at all;
- adj_layer and the head's first 3x3 convolutions are one convolution from 64 channels; what adj_layer's bias adds
  depends on the position at the border alone, and is a constant map;
- attention works on an image's rows of channels, one per position, in the image's own order. So its projections are matrix
  products over contiguous rows, channels-last convolutions before and after need no change of layout, and nothing is put
  in the order of the 2x2 patches: only the softmax and the weighted sum know of them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.trackers.smat.network import MAP_MARGIN, PATCH, SMAT, AttentionBlock, ConvLayer, InvertedResidual

EPS = 1e-5


class Affine(NamedTuple):
    """``W x + b`` in double precision; ``W [out, in, k, k]`` or ``[out, in]``."""

    weight: Tensor
    bias: Tensor

    def after(self, first: Affine) -> Affine:
        """This map, 1x1, applied to the output of ``first``, 1x1."""
        return Affine(self.weight @ first.weight, self.weight @ first.bias + self.bias)

    def normed(self, norm: nn.GroupNorm | nn.BatchNorm2d) -> Affine:
        """This map, 1x1, applied to ``x * norm.weight + norm.bias``."""
        gamma, beta = norm.weight.double(), norm.bias.double()
        return Affine(self.weight * gamma, self.weight @ beta + self.bias)


def scale_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """A batch norm in eval mode as ``x * scale + shift``."""
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    return scale, norm.bias.double() - norm.running_mean.double() * scale


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d | None) -> Affine:
    """A convolution with the batch norm that follows it."""
    weight = conv.weight.double()
    bias = torch.zeros(weight.shape[0], dtype=torch.float64) if conv.bias is None else conv.bias.double()
    if norm is None:
        return Affine(weight, bias)
    scale, shift = scale_shift(norm)
    return Affine(weight * scale.reshape(-1, 1, 1, 1), bias * scale + shift)


def layer(module: ConvLayer) -> Affine:
    """The linear part of a ConvLayer."""
    return folded(module.block.conv, getattr(module.block, "norm", None))


def matrix(affine: Affine) -> Affine:
    """A 1x1 convolution as a matrix ``[out, in]``."""
    return Affine(affine.weight.flatten(1), affine.bias)


class Conv(nn.Module):
    """A convolution of folded weights, padding (k - 1) // 2, and ReLU where asked."""

    def __init__(self, affine: Affine, *, stride: int = 1, depthwise: bool = False, relu: bool = True) -> None:
        super().__init__()
        weight = affine.weight if affine.weight.dim() == 4 else affine.weight[:, :, None, None]
        self.register_buffer("weight", weight.float().contiguous())
        self.register_buffer("bias", affine.bias.float().contiguous())
        self.stride, self.relu = stride, relu
        self.padding = (weight.shape[2] - 1) // 2
        self.groups = weight.shape[0] if depthwise else 1

    def forward(self, x: Tensor) -> Tensor:
        y = F.conv2d(x, self.weight, self.bias, self.stride, self.padding, 1, self.groups)
        return y.relu_() if self.relu else y  # in place: a pass that writes elsewhere takes PyTorch twice the memory traffic


class Linear(nn.Module):
    """A projection of rows ``[..., in]`` to ``[..., out]``, and ReLU where asked."""

    def __init__(self, affine: Affine, *, relu: bool = False) -> None:
        super().__init__()
        self.register_buffer("weight", affine.weight.float().contiguous())
        self.register_buffer("bias", affine.bias.float().contiguous())
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        y = F.linear(x, self.weight, self.bias)
        return y.relu_() if self.relu else y


def standardise(x: Tensor) -> Tensor:
    """Zero mean and unit variance over all of ``x``."""
    return F.group_norm(x.reshape(1, 1, -1), 1, eps=EPS).reshape(x.shape)


class Attention(nn.Module):
    """An attention block over rows ``[1, L, d]``, one per position; the softmax is over the positions of a group.

    The rows stay in their order: a row of scores for each group has -1e4 where a position belongs to another, and the weighted
    sums of all groups are one matrix product. ``groups [L]`` are the rows' groups, from 0; ``bands``: the rows are
    those of an image of as many bands of 2x2 patches, which are the groups' places.
    """

    def __init__(self, block: AttentionBlock, groups: Tensor, bands: int = 0) -> None:
        super().__init__()
        norm, attention = block.pre_norm_attn[0], block.pre_norm_attn[1]
        dim = attention.dim
        every = matrix(layer(attention.qkv_proj)).normed(norm)
        query, key, value = (
            Affine(every.weight[part], every.bias[part])
            for part in (slice(0, 1), slice(1, 1 + dim), slice(1 + dim, 1 + 2 * dim))
        )
        self.count, self.bands = int(groups.max()) + 1, bands
        if self.count > 1:
            own = groups == torch.arange(self.count)[:, None]
            self.register_buffer("others", torch.where(own, 0.0, -1e4)[None])  # the exponential of -1e4 is 0
        if self.count > 1 and not bands:
            self.register_buffer("groups", groups)
        self.query, self.key, self.value = Linear(query), Linear(key), Linear(value, relu=True)
        self.out = Linear(matrix(layer(attention.out_proj)))
        self.wide = Linear(matrix(layer(block.pre_norm_ffn[1])).normed(block.pre_norm_ffn[0]), relu=True)
        self.narrow = Linear(matrix(layer(block.pre_norm_ffn[3])))

    def forward(self, x: Tensor) -> Tensor:
        normed = standardise(x)
        scores = self.query(normed).reshape(1, 1, -1)
        if self.count > 1:
            scores = scores + self.others
        context = self.key(torch.matmul(F.softmax(scores, dim=-1), normed))
        weighed = self._times(self.value(normed), context)
        x = x + self.out(weighed)
        return x + self.narrow(self.wide(standardise(x)))

    def _times(self, values: Tensor, context: Tensor) -> Tensor:
        """``values [1, L, d]`` times their group's row of ``context [1, groups, d]``."""
        if self.count == 1:
            return values * context
        if not self.bands:
            return values * context[:, self.groups]
        inner = PATCH * values.shape[2]  # the positions of a patch that lie on one line
        lines = values.reshape(self.bands, PATCH, -1, inner)
        return (lines * context.reshape(1, PATCH, 1, inner)).reshape(values.shape)


def places(height: int, width: int) -> Tensor:
    """``[H W]``: the place of each position in its patch, 0 to 3."""
    rows, columns = torch.arange(height) % PATCH, torch.arange(width) % PATCH
    return (rows[:, None] * PATCH + columns).reshape(-1)


def to_rows(x: Tensor) -> Tensor:
    """``[1, C, H, W]`` to ``[1, H W, C]``, row-major."""
    return x.permute(0, 2, 3, 1).reshape(1, -1, x.shape[1])


def to_image(rows: Tensor, side: int) -> Tensor:
    """The inverse of ``to_rows`` for a square image."""
    return rows.reshape(1, side, side, -1).permute(0, 3, 1, 2)


class Mixing(nn.Module):
    """Attention over search and template together, patches of 2x2; the last norm without its scale and shift.

    Where it fits, the two are one image: the template's bands of patches (two lines each) are laid side by side below the search
    region. Every patch stays whole, and the search region's rows are neither moved to be joined nor to be parted.
    Else the template's rows follow as they are.
    """

    def __init__(self, blocks: nn.Sequential, search: int, template: int) -> None:
        super().__init__()
        self.searched, self.width = search**2, template
        self.beside = search // template
        fits = search % template == 0 and template // PATCH % self.beside == 0
        below = places(template // self.beside, search) if fits else places(template, template)
        self.beside = self.beside if fits else 1
        bands = (search + template // self.beside) // PATCH if fits else 0
        groups = torch.cat([places(search, search), below])
        self.blocks = nn.ModuleList(Attention(block, groups, bands) for block in list(blocks)[:-1])

    def forward(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """``x [1, C, S, S]``, ``z [1, C, T, T]`` to rows ``[1, S S, C]`` and ``[1, T T, C]``."""
        rows = torch.cat([to_rows(x), self._bands(to_rows(z), self.beside, PATCH)], dim=1)
        for block in self.blocks:
            rows = block(rows)
        rows = standardise(rows)
        return rows[:, : self.searched], self._bands(rows[:, self.searched :], PATCH, self.beside)

    def _bands(self, rows: Tensor, outer: int, inner: int) -> Tensor:
        """Swaps ``outer`` and ``inner``: the bands that share a line, and the lines of a band."""
        if self.beside == 1:
            return rows
        parts = rows.reshape(-1, outer, inner, self.width * rows.shape[2])
        return parts.transpose(1, 2).reshape(rows.shape)


class Correlation(nn.Module):
    """conv_proj, neck and pixel-wise correlation over rows, then channel attention: ``[1, h w, H, W]``."""

    def __init__(self, network: SMAT) -> None:
        super().__init__()
        mixed = network.backbone.layer_4[1]
        project = matrix(layer(mixed.conv_proj)).normed(mixed.global_rep[-1])
        scale_x, shift_x = scale_shift(network.neck.BN_x)
        scale_z, shift_z = scale_shift(network.neck.BN_z)
        weight_x, bias_x = project.weight * scale_x[:, None], project.bias * scale_x + shift_x
        weight_z, bias_z = project.weight * scale_z[:, None], project.bias * scale_z + shift_z
        self.kernels = Linear(Affine(weight_x.T @ weight_z, weight_x.T @ bias_z))
        self.constant = Linear(Affine((weight_z.T @ bias_x)[None], (bias_z @ bias_x)[None]))
        attention = network.feature_fusor.pw_corr.CA_layer
        self.squeeze = Conv(folded(attention.fc1, None))
        self.excite = Conv(folded(attention.fc2, None), relu=False)

    def forward(self, x: Tensor, z: Tensor, side: int) -> Tensor:
        """``x [1, H W, C]`` and ``z [1, h w, C]``, row-major."""
        kernels, constant = self.kernels(z), self.constant(z)
        maps = to_image(torch.matmul(x, kernels.transpose(1, 2)) + constant.transpose(1, 2), side)
        # as convolutions: OpenVINO 2026.4.1 crashes on a mean over tokens followed by matrix products
        return maps * torch.sigmoid(self.excite(self.squeeze(maps.mean(dim=(2, 3), keepdim=True))))


class HeadEntry(nn.Module):
    """adj_layer and a first 3x3 convolution of the head: one convolution, plus the map of what the bias adds."""

    def __init__(self, adjust: nn.Conv2d, first: ConvLayer, side: int) -> None:
        super().__init__()
        inner, outer = matrix(folded(adjust, None)), layer(first)
        weight = torch.einsum("omyx,mi->oiyx", outer.weight, inner.weight)
        self.conv = Conv(Affine(weight, torch.zeros_like(outer.bias)), relu=False)
        constant = inner.bias.reshape(1, -1, 1, 1).expand(1, -1, side, side)
        self.register_buffer("shift", F.conv2d(constant, outer.weight, outer.bias, padding=1).float())

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return y.add_(self.shift).relu_()


class HeadAttention(nn.Module):
    """A first convolution, attention blocks over all positions, and the last norm: ``[1, C, H, W]``."""

    def __init__(self, entry: HeadEntry, blocks: nn.Sequential, side: int) -> None:
        super().__init__()
        self.entry = entry
        self.blocks = nn.ModuleList(Attention(block, torch.zeros(side**2)) for block in list(blocks)[:-1])
        self.register_buffer("scale", blocks[-1].weight.detach().clone())
        self.register_buffer("shift", blocks[-1].bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        x = self.entry(x)
        rows = to_rows(x)
        for block in self.blocks:
            rows = block(rows)
        return to_image(standardise(rows) * self.scale + self.shift, x.shape[2])


def branch(head: nn.Module, name: str) -> nn.Sequential:
    """conv1 to conv4 of one of the head's branches."""
    layers: list[nn.Module] = [
        Conv(folded(*list(getattr(head, f"conv{index}_{name}"))[:2])) for index in (1, 2, 3)
    ]
    return nn.Sequential(*layers, Conv(folded(getattr(head, f"conv4_{name}"), None), relu=False))


def residual(module: InvertedResidual) -> nn.Sequential:
    """The three convolutions of an inverted residual, without the addition."""
    parts = module.block
    stride = parts.conv_3x3.block.conv.stride[0]
    return nn.Sequential(
        Conv(layer(parts.exp_1x1)),
        Conv(layer(parts.conv_3x3), stride=stride, depthwise=True),
        Conv(layer(parts.red_1x1), relu=False),
    )


class Stem(nn.Module):
    """Pixels, 0 to 255, to what enters the first mixing, ``[1, 128, S / 8, S / 8]``."""

    def __init__(self, network: SMAT) -> None:
        super().__init__()
        backbone = network.backbone
        first = layer(backbone.conv_1)
        self.start = Conv(Affine(first.weight / 255, first.bias), stride=2)
        narrow, wide = backbone.layer_1[0], backbone.layer_2[0].block
        expand = matrix(layer(wide.exp_1x1))
        # narrow networks add layer_1's input to its output; then the projection cannot be joined with the expansion behind it
        self.lifted = residual(narrow) if narrow.residual else None
        if self.lifted is None:
            expand = expand.after(matrix(layer(narrow.block.red_1x1)))
        self.entry = nn.Sequential(
            *([] if narrow.residual else residual(narrow)[:-1]),
            Conv(expand),
            Conv(layer(wide.conv_3x3), stride=2, depthwise=True),
            Conv(layer(wide.red_1x1), relu=False),
        )
        self.added = residual(backbone.layer_2[1])
        mixed = backbone.layer_3[1]
        self.exit = nn.Sequential(
            *residual(backbone.layer_3[0]),
            Conv(layer(mixed.local_rep[0]), depthwise=True),
            Conv(layer(mixed.local_rep[1]), relu=False),
        )

    def forward(self, image: Tensor) -> Tensor:
        x = self.start(image)
        if self.lifted is not None:
            x = x + self.lifted(x)
        x = self.entry(x)
        return self.exit(x + self.added(x))  # type: ignore[no-any-return]


class Descent(nn.Module):
    """From rows of the first mixing to an input of the second: stride 2, ``[1, 192, H / 2, W / 2]``."""

    def __init__(self, network: SMAT) -> None:
        super().__init__()
        first, second = network.backbone.layer_3[1], network.backbone.layer_4[1]
        parts = network.backbone.layer_4[0].block
        project = matrix(layer(first.conv_proj)).normed(first.global_rep[-1])
        self.convolve = nn.Sequential(
            Conv(matrix(layer(parts.exp_1x1)).after(project)),
            Conv(layer(parts.conv_3x3), stride=2, depthwise=True),
            Conv(layer(parts.red_1x1), relu=False),
            Conv(layer(second.local_rep[0]), depthwise=True),
            Conv(layer(second.local_rep[1]), relu=False),
        )

    def forward(self, rows: Tensor, side: int) -> Tensor:
        """``rows [1, side^2, C]``."""
        return self.convolve(to_image(rows, side))  # type: ignore[no-any-return]


class FusedTemplate(nn.Module):
    """Graph ``template``: uint8 RGB ``[1, T, T, 3]`` to ``template_features [1, 128, T / 8, T / 8]``."""

    def __init__(self, network: SMAT) -> None:
        super().__init__()
        self.stem = Stem(network)

    def forward(self, template: Tensor) -> Tensor:
        return self.stem(template.permute(0, 3, 1, 2).float())  # type: ignore[no-any-return]


class FusedSearch(nn.Module):
    """Graph ``search``: ``template_features`` and uint8 RGB ``[1, S, S, 3]`` to score, size and offset maps."""

    def __init__(self, network: SMAT) -> None:
        super().__init__()
        head = network.box_head
        self.side = network.search_size // 16
        search, template = self.sides = (network.search_size // 8, network.template_size // 8)
        self.stem = Stem(network)
        self.first = Mixing(network.backbone.layer_3[1].global_rep, search, template)
        self.descent = Descent(network)
        self.second = Mixing(network.backbone.layer_4[1].global_rep, search // 2, template // 2)
        self.correlation = Correlation(network)
        adjust = network.feature_fusor.adj_layer
        self.cls = HeadAttention(HeadEntry(adjust, head.pre_ssat_cls, self.side), head.global_rep_cls, self.side)
        self.reg = HeadAttention(HeadEntry(adjust, head.pre_ssat_reg, self.side), head.global_rep_reg, self.side)
        self.score, self.size, self.offset = (branch(head, name) for name in ("ctr", "size", "offset"))

    def forward(self, template_features: Tensor, search: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.maps(template_features, search.permute(0, 3, 1, 2).float())

    def maps(self, template_features: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The maps of a crop ``[1, 3, S, S]`` in 0 to 255."""
        x, z = self.first(self.stem(pixels), template_features)
        x, z = self.second(self.descent(x, self.sides[0]), self.descent(z, self.sides[1]))
        fused = self.correlation(x, z, self.side)
        cls, reg = self.cls(fused), self.reg(fused)
        score, size = torch.sigmoid(self.score(cls)), torch.sigmoid(self.size(reg))
        low, high = MAP_MARGIN, 1 - MAP_MARGIN
        return torch.clamp(score, low, high), torch.clamp(size, low, high), self.offset(reg)
