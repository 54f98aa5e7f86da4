"""FEAR-XS's network: the published size, random weights that stay finite, and the authors' checkpoint folded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from harness.core.errors import WeightsError
from harness.trackers.fear import network
from harness.trackers.fear.checkpoint import read
from harness.trackers.layers import seeded_state
from harness.trackers.weights import load_into


def test_it_has_the_published_number_of_parameters() -> None:
    state = network.Fear().state_dict()
    assert len(state) == 132
    assert sum(value.numel() for value in state.values()) == 1_348_605


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("level", [0, 255])
def test_random_weights_stay_finite_on_flat_images(seed: int, level: int) -> None:
    graphs = network.graphs([], seed=seed)
    features = graphs["template"](torch.full((1, 128, 128, 3), level, dtype=torch.uint8))
    bbox, cls = graphs["search"](features, torch.full((1, 256, 256, 3), 255 - level, dtype=torch.uint8))
    assert (bbox.shape, cls.shape) == ((1, 4, 16, 16), (1, 1, 16, 16))
    assert 1 < float(bbox.min()) <= float(bbox.max()) < 1000
    assert float(cls.abs().max()) < 20


# ------------------------------------------------------------------------------------ the authors' checkpoint


def norms(module: nn.Module) -> Iterator[tuple[str, str]]:
    """(convolution, batch norm) of the authors' module."""
    for name, part in module.named_modules():
        if isinstance(part, network.Convolution):
            yield f"{name}.conv", f"{name}.bn"
    yield "neck.downsample.0", "neck.downsample.1"
    for branch in ("cls", "reg"):
        yield f"connect_model.{branch}_encode.matrix11_s.0.pointwise", f"connect_model.{branch}_encode.matrix11_s.1"
        yield f"connect_model.{branch}_dw.enc.0.pointwise", f"connect_model.{branch}_dw.enc.1"
    for tower in ("bbox_tower", "cls_tower"):
        yield f"connect_model.{tower}.0.pointwise", f"connect_model.{tower}.1"
        yield f"connect_model.{tower}.3.pointwise", f"connect_model.{tower}.4"


class _Scaled(nn.Module):
    """``inner`` times ``scale`` plus ``shift``: what the authors do to both outputs."""

    def __init__(self, inner: nn.Module, scale: torch.Tensor | float, shift: torch.Tensor | float = 0.0) -> None:
        super().__init__()
        self.inner, self.scale, self.shift = inner, scale, shift

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) * self.scale + self.shift


def unfolded() -> tuple[network.Fear, dict[str, torch.Tensor]]:
    """A network with batch norms, scale and shift, and its state under the authors' names."""
    module = network.Fear().double()
    module.load_state_dict(network.seeded(module, 2))
    state = {name: value.clone() for name, value in module.state_dict().items()}
    for index, (convolution, norm) in enumerate(list(norms(module))):
        parent, _, name = convolution.rpartition(".")
        inner = module.get_submodule(convolution)
        if convolution == "neck.downsample.0" or "_encode" in convolution:
            inner.bias = None  # the authors' module has none there
            del state[f"{convolution}.bias"]
        batch_norm = nn.BatchNorm2d(inner.out_channels).double()
        drawn = seeded_state({f"{norm}.{key}": value for key, value in batch_norm.state_dict().items()}, index)
        batch_norm.load_state_dict({key.rpartition(".")[2]: value for key, value in drawn.items()})
        setattr(module.get_submodule(parent), name, nn.Sequential(inner, batch_norm))
        state |= drawn
    head = module.connect_model
    adjust, bias = torch.tensor([0.7]), torch.tensor([0.1, 0.2, -0.3, 0.4]).reshape(1, 4, 1, 1)
    head.bbox_pred = _Scaled(head.bbox_pred, adjust.double(), bias.double())  # type: ignore[assignment]
    head.cls_pred = _Scaled(head.cls_pred, 0.1)  # type: ignore[assignment]
    state |= {"connect_model.adjust": adjust, "connect_model.bias": bias}
    state["encoder.model.backbone.stages.xif5_0.pw.conv.weight"] = torch.ones(4, 4, 1, 1)
    state["encoder.model.backbone.stages.xif5_0.pw.bn.running_var"] = torch.ones(4)
    state["encoder.model.head.conv.weight"] = torch.ones(4, 4, 1, 1)
    return module.eval(), state


def test_the_authors_checkpoint_folds_to_the_same_function(tmp_path: Path) -> None:
    authors, state = unfolded()
    path = tmp_path / "FEAR.ckpt"
    content = {"state_dict": {f"model.{name}": value.float() for name, value in state.items()}, "epoch": 3}
    torch.save(content, path)
    ours = network.Fear()
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
    lines = (shared / "fear" / "published_state_dict_shapes.txt").read_text().split("\n")
    rest = ("encoder.model.backbone.stages.xif5_", "encoder.model.backbone.stages.xif6_", "encoder.model.head.")
    names = {line.split(" ")[0] for line in lines if line and not line.startswith(rest)}
    _, state = unfolded()
    assert {name for name in state if not name.endswith("num_batches_tracked") and not name.startswith(rest)} == names


def test_another_trackers_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"backbone.weight": torch.ones(3)}, path)
    with pytest.raises(WeightsError, match=r"does not fit Fear \(132 tensors\): 132 missing"):
        load_into(network.Fear(), read(path), path)
