"""Checkpoints: every format loads, every fault is named, and nothing in a file runs."""

from __future__ import annotations

import os
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from harness.core.errors import WeightsError
from harness.trackers.smat import network as smat
from harness.trackers.smat.graphs import graphs
from harness.trackers.weights import load, load_into

SMALL = {"width": 0.25, "template": 64, "search": 128, "head": 32}


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {
        "weight": torch.randn(4, 3),
        "bias": torch.randn(4).half(),
        "counter": torch.tensor(7),
        "transposed": torch.randn(5, 2).t(),
        "empty": torch.zeros(0, 3),
    }


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value), name


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "wrap", [lambda s: s, lambda s: {"net": s, "epoch": 3}, lambda s: {"state_dict": OrderedDict(s)}]
)
def test_torch_files_load(tmp_path, state, legacy, wrap):
    path = tmp_path / "weights.pth.tar"
    torch.save(wrap(state), path, _use_new_zipfile_serialization=not legacy)
    assert_same(load(path), state)


def test_views_of_one_storage_load(tmp_path):
    base = torch.arange(12.0)
    views = {"head": base[2:5], "rows": base.view(3, 4)[1:], "column": base.view(3, 4)[:, 1]}
    torch.save(views, tmp_path / "views.pth")
    assert_same(load(tmp_path / "views.pth"), views)


def test_parameters_and_prefixes_load(tmp_path):
    torch.save({"net": {"module.weight": nn.Parameter(torch.ones(2))}}, tmp_path / "parallel.pth")
    found = load(tmp_path / "parallel.pth")
    assert list(found) == ["weight"]
    assert torch.equal(found["weight"], torch.ones(2))


def test_safetensors_load(tmp_path, state):
    contiguous = {name: value.contiguous() for name, value in state.items()}
    save_file(contiguous, tmp_path / "weights.safetensors")
    found = load(tmp_path / "weights.safetensors")
    assert all(torch.equal(found[name], value) for name, value in contiguous.items())


@pytest.mark.parametrize("legacy", [False, True])
def test_instances_of_a_package_that_is_not_installed_are_inert(tmp_path, state, monkeypatch, legacy):
    module = types.ModuleType("lib.train.admin.stats")

    class AverageMeter:
        def __init__(self) -> None:
            self.avg = 1.0

    class Settings(dict):
        pass

    for cls in (AverageMeter, Settings):
        cls.__module__, cls.__qualname__ = module.__name__, cls.__name__
        setattr(module, cls.__name__, cls)
    for name in ("lib", "lib.train", "lib.train.admin", module.__name__):
        monkeypatch.setitem(sys.modules, name, module)
    settings = Settings(a=1)
    settings.env = AverageMeter()
    content = {"epoch": 300, "net": state, "stats": OrderedDict(train={"loss": AverageMeter()}), "settings": settings}
    torch.save(content, tmp_path / "full.pth.tar", _use_new_zipfile_serialization=not legacy)
    for name in ("lib", "lib.train", "lib.train.admin", module.__name__):
        monkeypatch.delitem(sys.modules, name)
    assert_same(load(tmp_path / "full.pth.tar"), state)


class Malicious:
    """Creates a file when unpickled the ordinary way."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


class ByEval(Malicious):
    def __reduce__(self):
        return eval, (f"__import__('os').mkdir({str(self.target)!r})",)


class ByPartial(Malicious):
    """A callable hidden in an object that is called by BUILD and REDUCE."""

    def __reduce__(self):
        import functools

        return functools.partial(os.mkdir, str(self.target)), ()


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("attack", [Malicious, ByEval, ByPartial])
def test_a_malicious_pickle_does_not_run(tmp_path, state, attack, legacy):
    target = tmp_path / "owned"
    path = tmp_path / "malicious.pth"
    torch.save({"net": state, "stats": attack(target)}, path, _use_new_zipfile_serialization=not legacy)
    assert_same(load(path), state)
    assert not target.exists()
    torch.load(path, weights_only=False)  # the attack is real: the ordinary way runs it
    assert target.exists()


def test_a_malicious_bare_pickle_does_not_run(tmp_path):
    path = tmp_path / "bare.pth"
    path.write_bytes(pickle.dumps(Malicious(tmp_path / "owned")))
    with pytest.raises(WeightsError, match="not a set of weights"):
        load(path)
    assert not (tmp_path / "owned").exists()


def test_a_tensor_beyond_its_storage_is_refused(tmp_path):
    torch.save({"w": torch.arange(8.0)}, tmp_path / "good.pth")
    with zipfile.ZipFile(tmp_path / "good.pth") as good, zipfile.ZipFile(tmp_path / "bad.pth", "w") as bad:
        for item in good.infolist():
            raw = good.read(item)
            if item.filename.endswith("data.pkl"):
                assert raw.count(b"K\x08\x85") == 1  # the size (8,) becomes (200,); the storage keeps 8 numbers
                raw = raw.replace(b"K\x08\x85", b"K\xc8\x85")
            bad.writestr(item.filename, raw)
    with pytest.raises(WeightsError, match="beyond its storage"):
        load(tmp_path / "bad.pth")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.pth", b"<!DOCTYPE html><html>quota exceeded</html>"),
        ("empty.pth", b""),
        ("cut.pth", b"PK\x03\x04 and no more"),
        ("cut.safetensors", b"\x10\x00\x00\x00\x00\x00\x00\x00{"),
    ],
)
def test_what_is_not_a_checkpoint_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=rf"{name} is not a set of weights.*accepted"):
        load(tmp_path / name)


def test_a_cut_download_is_named(tmp_path, state):
    torch.save(state, tmp_path / "whole.pth")
    raw = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(WeightsError, match="Was the download complete"):
        load(tmp_path / "cut.pth")


def test_a_checkpoint_without_weights_says_what_it_holds(tmp_path):
    torch.save({"epoch": 3, "optimizer": {}}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="epoch, optimizer"):
        load(tmp_path / "other.pth")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"nowhere\.pth do not exist"):
        load(tmp_path / "nowhere.pth")


def test_missing_unexpected_and_wrong_entries_are_named():
    network = smat.SMAT(**SMALL)
    state = dict(network.state_dict())
    del state["neck.BN_x.bias"]
    state["head.extra"] = torch.zeros(1)
    state["box_head.conv4_ctr.bias"] = torch.zeros(3)
    with pytest.raises(WeightsError) as caught:
        load_into(network, state, Path("some.pth"))
    words = str(caught.value)
    assert "1 missing (neck.BN_x.bias)" in words
    assert "1 unexpected (head.extra)" in words
    assert "box_head.conv4_ctr.bias [3] instead of [1]" in words
    assert "some.pth" in words


def test_numbers_that_are_not_finite_are_named():
    network = smat.SMAT(**SMALL)
    state = dict(network.state_dict())
    state["neck.BN_x.bias"] = torch.full_like(state["neck.BN_x.bias"], float("nan"))
    with pytest.raises(WeightsError, match=r"not finite in neck\.BN_x\.bias"):
        load_into(network, state, Path("some.pth"))


def test_counters_may_be_absent_and_values_arrive():
    source, target = smat.SMAT(**SMALL), smat.SMAT(**SMALL)
    state = {name: value for name, value in source.state_dict().items() if "num_batches" not in name}
    load_into(target, state, Path("some.pth"))
    for name, value in state.items():
        assert torch.equal(target.state_dict()[name], value)


def test_the_factory_reads_a_checkpoint(tmp_path):
    network = smat.SMAT(**SMALL)
    torch.save({"net": network.state_dict(), "epoch": 1}, tmp_path / "small.pth.tar")
    loaded = graphs([tmp_path / "small.pth.tar"], rewrites="none", **SMALL)["search"].network
    assert not loaded.training
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


def test_a_sound_checkpoint_is_read_by_torch_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unused(path: Path) -> None:
        raise AssertionError(f"{path} was read by the reader for what torch refuses")

    monkeypatch.setattr("harness.trackers.weights._read_zip", unused)
    torch.save({"net": {"module.a": torch.arange(3.0)}}, tmp_path / "a.pth")
    assert torch.equal(load(tmp_path / "a.pth")["a"], torch.arange(3.0))


def test_an_archive_that_would_swell_is_refused_before_anything_is_unpacked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def unused(*_: object, **__: object) -> None:
        raise AssertionError("the archive was handed to torch")

    monkeypatch.setattr(torch, "load", unused)
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(8 << 20))
    with pytest.raises(WeightsError, match="unpacks to more than 200 times its size"):
        load(tmp_path / "bomb.pth")
