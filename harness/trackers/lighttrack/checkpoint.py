"""Reads LightTrack's weights: our folded safetensors, or the authors' checkpoint, whose batch norms are folded here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.trackers.folding import State, fold, norm_of
from harness.trackers.weights import load

PREFIX = "feature_extractor."
LOGIT_SCALE = 0.1
"""The authors multiply the classification's logit by it; it is folded into the last convolution."""


def read(path: Path) -> State:
    """The network's state dict from ``path``. Raises WeightsError if it is not a checkpoint."""
    state = {name.removeprefix(PREFIX): value for name, value in load(path).items()}
    return folded(state) if "features.bn1.running_var" in state else state


def folded(state: State) -> State:
    """The authors' state dict with its batch norms folded and the factor on the logit taken in."""
    made = fold(state, pairs(state))
    for neck in ("neck.BN_z", "neck.BN_x"):
        if f"{neck}.running_var" in made:
            scale, shift = norm_of(made, neck)
            made |= {f"{neck}.weight": scale.float(), f"{neck}.bias": shift.float()}
    for name in ("head.cls_perd.cls_pred.weight", "head.cls_perd.cls_pred.bias"):
        if name in made:
            made[name] = made[name] * LOGIT_SCALE
    return made


def pairs(state: State) -> Iterator[tuple[str, str]]:
    """(convolution, batch norm) of the authors' module: numbered in a block's order, ``BN`` in a tower's steps."""
    for norm in [name.removesuffix(".running_var") for name in state if name.endswith(".running_var")]:
        parent, _, name = norm.rpartition(".")
        if norm == "features.bn1":
            yield "features.conv_stem", norm
        elif name == "BN":
            yield f"{parent}.pointwise", norm
        elif name.startswith("bn"):
            separable = f"{parent}.conv_pwl.weight" not in state
            order = ("conv_dw", "conv_pw") if separable else ("conv_pw", "conv_dw", "conv_pwl")
            yield f"{parent}.{order[int(name.removeprefix('bn')) - 1]}", norm
