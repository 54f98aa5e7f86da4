"""The network of ``tiny``. Imports torch: loaded only in the processes that prepare it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from harness.jobs.doctor.tiny import GRAPH


class Network(nn.Module):  # type: ignore[misc]
    """The usual operations of trackers: uint8 pixels, convolutions, an attention-like product, an activation."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.mixed = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.last = nn.Conv2d(8, 4, 1)

    def forward(self, search: torch.Tensor) -> torch.Tensor:
        """Returns scores ``[1, 4, 16, 16]`` of a uint8 image ``[1, 32, 32, 3]``."""
        pixels = search.permute(0, 3, 1, 2).to(self.first.weight.dtype) / 255
        found = torch.relu(self.first(pixels))
        found = found + torch.sigmoid(self.mixed(found)) * found
        return self.last(found)


def build(weights: Sequence[Path], seed: int = 0) -> dict[str, nn.Module]:
    """Returns the network with weights drawn from ``seed``; ``weights`` is empty."""
    del weights
    torch.manual_seed(seed)
    return {GRAPH: Network().eval()}
