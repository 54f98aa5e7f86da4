"""LightTrack's network: golden outputs of seeded weights, the published size, and the authors' checkpoint folded."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from harness.core.errors import WeightsError
from harness.trackers.layers import seeded_state
from harness.trackers.lighttrack import network
from harness.trackers.lighttrack.checkpoint import read
from harness.trackers.weights import load_into

DATA = Path(__file__).resolve().parents[3] / "data"


def golden_images(seed: int, size: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
    """The golden numbers' template and search image, uint8 ``[1, S, S, 3]``."""
    generator = np.random.default_rng(seed)

    def draw(side: int) -> np.ndarray:
        coarse = generator.integers(0, 200, (side // 16, side // 16, 3))
        return coarse.repeat(16, 0).repeat(16, 1) + generator.integers(0, 56, (side, side, 3))

    template, search = draw(128), draw(size)
    search[48:112, 80:144] = template[32:96, 32:96]
    return tuple(torch.from_numpy(image.astype(np.uint8)[None]) for image in (template, search))  # type: ignore[return-value]


def test_seeded_weights_give_the_golden_outputs() -> None:
    graphs = network.graphs([], seed=0)
    template, search = golden_images(0)
    features = graphs["template"](template)
    score, box = graphs["search"](features, search)
    with np.load(DATA / "lighttrack_golden_maps.npz") as kept:
        for name, found, tolerance in (("zf", features, 1e-5), ("score", score, 1e-5), ("box", box, 1e-3)):
            np.testing.assert_allclose(found.numpy(), kept[f"seeded/0/{name}"], atol=tolerance, rtol=0)


def test_it_has_the_published_number_of_parameters() -> None:
    state = network.LightTrack().state_dict()
    assert len(state) == 196
    assert sum(value.numel() for value in state.values()) == 1_958_453


def test_search_graphs_of_two_sizes_share_their_weights() -> None:
    graphs = network.graphs([], seed=1, names=["search", "search_288"])
    features = graphs["template"](torch.zeros(1, 127, 127, 3, dtype=torch.uint8))
    assert features.shape == (1, 96, 8, 8)
    score, box = graphs["search_288"](features, torch.zeros(1, 288, 288, 3, dtype=torch.uint8))
    assert (score.shape, box.shape) == ((1, 1, 18, 18), (1, 4, 18, 18))
    first, second = (next(graphs[name].parameters()) for name in ("search", "search_288"))
    assert first is second


# ------------------------------------------------------------------------------------ the authors' checkpoint


def norms(module: nn.Module) -> Iterator[tuple[str, str]]:
    """(convolution, batch norm) of the authors' module, in the order that they number them."""
    yield "features.conv_stem", "features.bn1"
    for name, block in module.named_modules():
        if isinstance(block, network.Separable):
            yield f"{name}.conv_dw", f"{name}.bn1"
            yield f"{name}.conv_pw", f"{name}.bn2"
        elif isinstance(block, network.Inverted):
            yield from (
                (f"{name}.{part}", f"{name}.bn{n}") for n, part in enumerate(("conv_pw", "conv_dw", "conv_pwl"), 1)
            )
        elif isinstance(block, network.TowerStep):
            yield f"{name}.pointwise", f"{name}.BN"


def unfolded() -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """A network whose convolutions are followed by batch norms, and its state under the authors' names."""
    module = network.LightTrack().double()
    module.load_state_dict(seeded_state(module.state_dict(), 3))
    state = {}
    for index, (convolution, norm) in enumerate(norms(copy.deepcopy(module))):
        parent, _, name = convolution.rpartition(".")
        inner = module.get_submodule(convolution)
        inner.bias = None
        batch_norm = nn.BatchNorm2d(inner.out_channels).double()
        drawn = seeded_state({f"{norm}.{key}": value for key, value in batch_norm.state_dict().items()}, index)
        batch_norm.load_state_dict({key.rpartition(".")[2]: value for key, value in drawn.items()})
        setattr(module.get_submodule(parent), name, nn.Sequential(inner, batch_norm))
        state |= {f"{convolution}.weight": inner.weight.detach(), **drawn}
    for neck in ("BN_z", "BN_x"):
        batch_norm = nn.BatchNorm2d(96).double()
        drawn = seeded_state({f"neck.{neck}.{key}": value for key, value in batch_norm.state_dict().items()}, 7)
        batch_norm.load_state_dict({key.rpartition(".")[2]: value for key, value in drawn.items()})
        setattr(module.neck, neck, batch_norm)
        state |= drawn
    taken = {name.removesuffix(".weight").removesuffix(".bias") for name in state}
    state |= {name: value for name, value in module.state_dict().items() if not _inside(name, taken)}
    return module.eval(), state


def _inside(name: str, taken: set[str]) -> bool:
    return any(name.startswith(f"{prefix}.") for prefix in taken)


class _Logit(nn.Module):
    """The authors multiply the logit by 0.1 before the sigmoid."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) * 0.1


def test_the_authors_checkpoint_folds_to_the_same_function(tmp_path: Path) -> None:
    authors, state = unfolded()
    path = tmp_path / "LightTrackM.pth"
    torch.save(
        {"state_dict": {f"module.feature_extractor.{name}": value.float() for name, value in state.items()}}, path
    )
    authors.head.cls_perd["cls_pred"] = _Logit(authors.head.cls_perd["cls_pred"])
    ours = network.LightTrack()
    load_into(ours, read(path), path)
    ours = ours.double().eval()
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(1, 3, 128, 128, generator=generator, dtype=torch.float64)
    x = torch.randn(1, 3, 256, 256, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        expected = authors(authors.features(z), x)
        found = ours(ours.features(z), x)
    for mine, theirs in zip(found, expected, strict=True):
        spread = float(theirs.max() - theirs.min())
        assert float((mine - theirs).abs().max()) < 1e-4 * spread + 1e-6


@pytest.mark.shared
def test_the_authors_names_are_all_known(shared: Path) -> None:
    lines = (shared / "lighttrack" / "authors_state_dict_shapes.txt").read_text().split("\n")
    names = {line.split(" ")[0] for line in lines if line}
    _, state = unfolded()
    assert {name for name in state if not name.endswith("num_batches_tracked")} == names


def test_a_checkpoint_that_lacks_a_batch_norm_is_named(tmp_path: Path) -> None:
    _, state = unfolded()
    del state["features.blocks.1.0.bn2.weight"]
    path = tmp_path / "cut.pth"
    torch.save({name: value.float() for name, value in state.items()}, path)
    with pytest.raises(
        WeightsError, match=r"does not fit LightTrack .*missing \(features\.blocks\.1\.0\.conv_dw\.bias"
    ):
        load_into(network.LightTrack(), read(path), path)
