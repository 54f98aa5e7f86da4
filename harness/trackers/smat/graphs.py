"""SMAT's two graphs, with the rewrites that are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from harness.trackers.layers import seeded_state
from harness.trackers.smat.fused import FusedSearch, FusedTemplate
from harness.trackers.smat.network import SMAT, Rewrites, SearchGraph, SeparableAttention, TemplateGraph
from harness.trackers.weights import load, load_into


def graphs(
    weights: list[Path], *, seed: int = 0, rewrites: Rewrites = "all", **options: Any
) -> dict[str, nn.Module]:
    """The tracker's two graphs in eval mode. ``options`` are SMAT's; no weights: ``seeded_state``.

    ``rewrites``: which exact rewrites the arithmetic has. ``none``: as published, layer by layer; ``attention``: the
    attention's; ``all``: those of harness.trackers.smat.fused too. The template's work is done once in any case.
    """
    network = SMAT(**options)
    if weights:
        load_into(network, load(weights[0]), weights[0])
    else:
        network.load_state_dict(seeded_state(network.state_dict(), seed))
    network.eval().requires_grad_(False)
    if rewrites == "all":
        return {"template": FusedTemplate(network).eval(), "search": FusedSearch(network).eval()}
    for module in network.modules():
        if isinstance(module, SeparableAttention):
            module.published = rewrites == "none"
    return {"template": TemplateGraph(network).eval(), "search": SearchGraph(network).eval()}
