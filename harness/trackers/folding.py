"""Folds batch norms into the convolutions before them: the same function with fewer layers and fewer tensors."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

State = dict[str, Tensor]
EPSILON = 1e-5


def fold(state: State, pairs: Iterable[tuple[str, str]]) -> State:
    """``state`` without its batch norms, each folded into its convolution; ``pairs`` are (convolution, norm) prefixes.

    With a = weight / sqrt(running_var + 1e-5), a convolution W, b becomes a W, bias + a (b - running_mean), computed in
    float64. A convolution without bias gets one. Pairs whose norm is not in ``state`` are left alone.
    """
    folded = dict(state)
    for convolution, norm in pairs:
        if f"{norm}.weight" not in folded or f"{convolution}.weight" not in folded:
            continue
        scale, shift = norm_of(folded, norm)
        weight = folded[f"{convolution}.weight"].double()
        bias = folded.get(f"{convolution}.bias")
        inner = torch.zeros_like(shift) if bias is None else bias.double()
        folded[f"{convolution}.weight"] = (weight * scale.reshape(-1, *[1] * (weight.dim() - 1))).float()
        folded[f"{convolution}.bias"] = (shift + scale * inner).float()
    return folded


def norm_of(state: State, norm: str) -> tuple[Tensor, Tensor]:
    """(scale, shift) in float64 of the batch norm ``norm``, which is taken out of ``state``."""
    weight, bias, mean, variance = (
        state.pop(f"{norm}.{name}").double() for name in ("weight", "bias", "running_mean", "running_var")
    )
    state.pop(f"{norm}.num_batches_tracked", None)
    scale = weight / torch.sqrt(variance + EPSILON)
    return scale, bias - scale * mean
