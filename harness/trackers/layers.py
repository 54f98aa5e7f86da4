# mypy: disallow-subclassing-any=False
"""What several networks share: the pixel-wise correlation, and random weights that depend on names alone."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


def pixel_correlation(x: Tensor, z: Tensor) -> Tensor:
    """Each template position of ``z [B, C, h, w]`` as a 1x1 kernel over ``x [B, C, H, W]``: ``[B, h w, H, W]``."""
    batch, _, height, width = x.shape
    kernels = z.flatten(2).transpose(1, 2)
    correlation = torch.bmm(kernels, x.flatten(2))
    return correlation.reshape(batch, kernels.shape[1], height, width)


class ChannelAttention(nn.Module):
    """Squeeze and excitation without reduction: the input times sigmoid(fc2(relu(fc1(mean))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels, 1)
        self.fc2 = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=(2, 3), keepdim=True)
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(mean))))


class PixelCorrelation(nn.Module):
    """Each template position as a 1x1 kernel over the search features, then channel attention."""

    def __init__(self, positions: int) -> None:
        super().__init__()
        self.CA_layer = ChannelAttention(positions)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """``x [B, C, H, W]``, ``z [B, C, h, w]`` to ``[B, h w, H, W]``."""
        return self.CA_layer(pixel_correlation(x, z))  # type: ignore[no-any-return]


def seeded_state(state: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Random values for every floating-point entry of ``state``, from its name and ``seed`` alone.

    A generator per name, crc32 of the name plus 2^32 times the seed, so seed 0 is the scheme of the golden
    numbers: variances and scales uniform in [0.5, 1.5], means and biases normal with deviation 0.1, weights
    normal with variance 2 / fan-in. Activations stay finite through all layers.
    """
    drawn = {}
    for name, value in state.items():
        if not value.is_floating_point():
            drawn[name] = value.clone()
            continue
        shape = tuple(value.shape)
        generator = np.random.default_rng(zlib.crc32(name.encode()) + (seed << 32))
        if name.endswith("running_var"):
            array = generator.uniform(0.5, 1.5, shape)
        elif name.endswith(("running_mean", "bias")):
            array = generator.normal(0, 0.1, shape)
        elif len(shape) == 1:
            array = generator.uniform(0.5, 1.5, shape)
        else:
            array = generator.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        drawn[name] = torch.from_numpy(array.astype(np.float32))
    return drawn
