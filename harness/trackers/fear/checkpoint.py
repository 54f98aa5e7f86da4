"""Reads FEAR-XS's weights: folded safetensors, or the authors' Lightning checkpoint, whose batch norms are folded here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.trackers.folding import State, fold
from harness.trackers.weights import load

PREFIX = "model."
UNUSED = ("encoder.model.backbone.stages.xif5_", "encoder.model.backbone.stages.xif6_", "encoder.model.head.")
"""FBNet-C's rest, which the checkpoint carries and the tracker does not use."""
ADJUST, SHIFT = "connect_model.adjust", "connect_model.bias"
LOGIT_SCALE = 0.1
"""The authors multiply the classification's logit by it; it is folded into the last convolution."""


def read(path: Path) -> State:
    """The network's state dict from ``path``. Raises WeightsError if it is not a checkpoint."""
    state = {name.removeprefix(PREFIX): value for name, value in load(path).items()}
    return folded(state) if ADJUST in state else state


def folded(state: State) -> State:
    """The authors' state dict without what is unused, batch norms folded, scale and shift of the outputs taken in."""
    used = {name: value for name, value in state.items() if not name.startswith(UNUSED)}
    made = fold(used, pairs(used))
    scale, shift = made.pop(ADJUST), made.pop(SHIFT)
    distances, logit = "connect_model.bbox_pred.pointwise", "connect_model.cls_pred.pointwise"
    if f"{distances}.bias" in made and f"{logit}.bias" in made:
        made[f"{distances}.weight"] = made[f"{distances}.weight"] * scale
        made[f"{distances}.bias"] = made[f"{distances}.bias"] * scale + shift.flatten()
        for name in (f"{logit}.weight", f"{logit}.bias"):
            made[name] = made[name] * LOGIT_SCALE
    return made


def pairs(state: State) -> Iterator[tuple[str, str]]:
    """(convolution, batch norm): ``x.conv`` and ``x.bn`` in the trunk, entry n and n + 1 of a list elsewhere."""
    for norm in [name.removesuffix(".running_var") for name in state if name.endswith(".running_var")]:
        parent, _, name = norm.rpartition(".")
        if name == "bn":
            yield f"{parent}.conv", norm
        else:
            before = f"{parent}.{int(name) - 1}"
            yield (f"{before}.pointwise" if f"{before}.pointwise.weight" in state else before), norm
