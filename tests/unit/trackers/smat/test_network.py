"""SMAT's network: names, sizes, training, factories."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.trackers.layers import seeded_state
from harness.trackers.smat import network as smat
from harness.trackers.smat.graphs import graphs

SHAPES = Path(__file__).resolve().parents[3] / "data" / "smat_state_dict_shapes.txt"


def test_names_and_shapes_are_the_published_ones():
    state = smat.SMAT().state_dict()
    ours = [f"{name} {tuple(value.shape)}" for name, value in state.items() if "num_batches_tracked" not in name]
    assert ours == SHAPES.read_text().splitlines()
    assert sum(name.endswith("num_batches_tracked") for name in state) == 33
    assert sum(parameter.numel() for parameter in smat.SMAT().parameters()) == 3_767_409


def test_small_network_trains_in_batches():
    network = smat.SMAT(width=0.25, template=64, search=128, head=32).train()
    score, size, offset = network(network.stem(torch.rand(3, 3, 64, 64)), torch.rand(3, 3, 128, 128))
    assert (score.shape, size.shape, offset.shape) == ((3, 1, 8, 8), (3, 2, 8, 8), (3, 2, 8, 8))
    (score.mean() + size.mean() + offset.mean()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("options", [{"template": 100}, {"search": 0}, {"head": 30}, {"width": 0}])
def test_sizes_that_cannot_be_are_refused(options):
    with pytest.raises(ValueError, match="must be"):
        smat.SMAT(**options)


def test_random_weights_depend_on_seed_alone():
    state = smat.SMAT(width=0.25, template=64, search=128, head=32).state_dict()
    first, again, other = seeded_state(state, 1), seeded_state(state, 1), seeded_state(state, 2)
    name = "backbone.conv_1.block.conv.weight"
    assert torch.equal(first[name], again[name])
    assert not torch.equal(first[name], other[name])


def test_maps_stay_inside_their_bounds():
    modules = graphs([], seed=7, width=0.25, template=64, search=128, head=32)
    features = modules["template"](torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8))
    score, size, offset = modules["search"](features, torch.randint(0, 256, (1, 128, 128, 3), dtype=torch.uint8))
    for bounded in (score, size):
        assert bounded.min() >= 1e-4
        assert bounded.max() <= 1 - 1e-4
    assert offset.isfinite().all()
