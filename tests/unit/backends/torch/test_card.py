"""torch on a card, as far as it shows without one: order of calls, arithmetic, error sentences, rates, and what is counted."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from harness.backends.torch import card, profile, session
from harness.backends.torch.backend import Torch
from harness.core.errors import DeviceError, SkipJob
from harness.core.interfaces import GraphSpec, TensorSpec

SPEC = GraphSpec("search", (TensorSpec("x", (1, 2), "float32"),), (TensorSpec("y", (1, 2), "float32"),))
PLACES = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn)


@pytest.fixture(autouse=True)
def arithmetic_as_before() -> Iterator[None]:
    before = [place.fp32_precision for place in PLACES]
    yield
    for place, word in zip(PLACES, before, strict=True):
        place.fp32_precision = word


class Told:
    """A stand-in for a module, its inputs and its outputs on a card: every call is entered in ``calls``."""

    def __init__(self, calls: list[str], name: str) -> None:
        self._calls, self._name = calls, name

    def to(self, device: str = "", **_: Any) -> Told:
        self._calls.append(f"{self._name} to {device}")
        return self


def test_a_card_computes_in_true_fp32_unless_tf32_is_asked_for() -> None:
    for place in PLACES:
        place.fp32_precision = "tf32"
    card.allow_tf32(False)
    assert [place.fp32_precision for place in PLACES] == ["ieee"] * 3
    assert card.precision() == "fp32"
    card.allow_tf32(True)
    assert [place.fp32_precision for place in PLACES] == ["tf32"] * 3
    assert card.precision() == "tf32"


@pytest.mark.parametrize("place", PLACES[:2])
def test_one_kind_of_product_in_tf32_is_not_called_fp32(place: Any) -> None:
    card.allow_tf32(False)
    place.fp32_precision = "tf32"
    assert card.precision() == "tf32"


def test_torch_before_2_9_is_told_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    matmul, cudnn = SimpleNamespace(allow_tf32=False), SimpleNamespace(allow_tf32=True)  # its defaults
    monkeypatch.setattr(torch.backends, "cuda", SimpleNamespace(matmul=matmul))
    monkeypatch.setattr(torch.backends, "cudnn", cudnn)
    assert card.precision() == "tf32"
    card.allow_tf32(False)
    assert (matmul.allow_tf32, cudnn.allow_tf32, card.precision()) == (False, False, "fp32")
    card.allow_tf32(True)
    assert (matmul.allow_tf32, cudnn.allow_tf32) == (True, True)


@pytest.mark.parametrize("tf32", [False, True])
def test_opening_on_a_card_sets_the_arithmetic_and_waits_until_the_module_is_there(tf32: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(card, "check", lambda: calls.append("check"))
    monkeypatch.setattr(card, "allow_tf32", lambda allowed: calls.append(f"tf32 {allowed}"))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: calls.append("wait"))
    monkeypatch.setattr(session, "load_modules", lambda artifact: {"search": Told(calls, "module")})
    artifact: Any = SimpleNamespace()
    session.open_modules(Torch(device="cuda", tf32=tf32), artifact, 1)
    assert calls == ["check", f"tf32 {tf32}", "module to cuda", "wait"]


def test_a_run_on_a_card_takes_the_inputs_there_and_the_outputs_back(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    class OnCard(torch.Tensor):
        """A tensor that stands for one on the card; bringing it back is entered."""

        def cpu(self, *_: Any, **__: Any) -> torch.Tensor:
            calls.append("back, which waits")
            return self.as_subclass(torch.Tensor)

    def to(tensor: torch.Tensor, device: str, **_: Any) -> torch.Tensor:
        calls.append(f"to {device}")
        return tensor.as_subclass(OnCard)

    def module(given: torch.Tensor) -> torch.Tensor:
        assert isinstance(given, OnCard)
        calls.append("computed")
        return given * 2

    monkeypatch.setattr(torch.Tensor, "to", to)
    made = session.TorchSession(SPEC, module, "cuda").run({"x": np.array([[1.0, 2.0]], np.float32)})
    assert calls == ["to cuda", "computed", "back, which waits"]
    assert made["y"].tolist() == [[2.0, 4.0]]


@pytest.mark.parametrize(("built", "words"), [(None, "built without CUDA"), ("13.0", "nvidia-smi lists the card")])
def test_a_missing_card_and_a_torch_without_cuda_are_told_apart(built: str | None, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", built)
    with pytest.raises(DeviceError, match=words):
        Torch(device="cuda").check_device()


def test_tf32_without_a_card_is_no_setting() -> None:
    with pytest.raises(SkipJob, match=r"backend\.tf32=true .* device=cuda"):
        Torch(device="cpu", tf32=True)


def test_the_report_of_a_card_names_it_its_arithmetic_and_the_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    found = SimpleNamespace(name="NVIDIA A1", major=8, minor=6, total_memory=3 << 30, uuid="01ab")
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: found)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: 5 << 19)
    monkeypatch.setattr("harness.machine.cards.driver", lambda: "580.1")
    card.allow_tf32(False)
    told = Torch(device="cuda").describe()
    assert (told["device"], told["precision"], told["capability"], told["card_memory_mb"]) == ("NVIDIA A1", "fp32", "sm_86", "3072")
    assert told["driver_version"] == "580.1"
    assert (Torch(device="cuda").card(), Torch(device="cuda").card_mb()) == ("GPU-01ab", 2.5)


def test_on_the_processor_there_is_no_card_to_report() -> None:
    backend = Torch()
    assert (backend.card(), backend.card_mb()) == ("", None)
    assert backend.describe()["device"] == "CPU" and "cuda_version" not in backend.describe()


def test_copies_count_both_ways_and_wait_around_each_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(card, "perf_counter", lambda: float(next(clock)))  # a sample takes 1 s
    waits: list[int] = []
    found = card.copies([1 << 10, 1 << 12], "cpu", lambda: waits.append(1))
    assert found == [(1 << 10, 20 * 1024.0), (1 << 12, 20 * 4096.0)]  # 20 copies a sample, half read and half written
    assert len(waits) == 2 * 7 * 2


def test_work_on_a_card_has_ended_when_it_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: calls.append("wait"))
    assert card.finished(lambda: calls.append("start") or 7) == 7
    assert calls == ["start", "wait"]


# ----------------------------------------------------------------------------------------- profiles

CPU, CUDA = torch.autograd.DeviceType.CPU, torch.autograd.DeviceType.CUDA


def event(key: str, device: Any, cpu: tuple[float, float], on_card: tuple[float, float], count: int = 2) -> SimpleNamespace:
    """An average of torch.profiler: (own, with all inside) in microseconds."""
    return SimpleNamespace(
        key=key, device_type=device, count=count, flops=0, self_cpu_time_total=cpu[0], cpu_time_total=cpu[1],
        self_device_time_total=on_card[0], device_time_total=on_card[1],
    )  # fmt: skip


AVERAGES = [
    event("module:conv", CPU, (5.0, 900.0), (0.0, 40.0)),
    event("module:conv", CUDA, (0.0, 0.0), (44.0, 44.0)),  # the same mark, drawn on the card
    event("aten::convolution", CPU, (10.0, 890.0), (0.0, 40.0)),
    event("aten::cudnn_convolution", CPU, (800.0, 880.0), (40.0, 40.0)),
    event("sm90_xmma_fprop", CUDA, (0.0, 0.0), (40.0, 40.0)),  # the kernel that the operator above started
]


def test_on_a_card_types_have_its_own_time_and_a_kernel_is_not_counted_twice() -> None:
    types = profile.types_of(profile.operators(AVERAGES), 2, profile.CARD)
    assert [(row.type, row.count, row.ms) for row in types] == [("aten::cudnn_convolution", 1, pytest.approx(0.020))]


def test_on_the_processor_types_have_the_processors_time() -> None:
    types = profile.types_of(profile.operators(AVERAGES), 2)
    assert [(row.type, row.ms) for row in types] == [("aten::cudnn_convolution", pytest.approx(0.4)), ("aten::convolution", pytest.approx(0.005))]


def test_a_layers_time_on_a_card_is_that_of_the_kernels_inside_it() -> None:
    mark = next(item for item in profile.operators(AVERAGES) if item.key == "module:conv")
    assert (profile.CARD.all(mark), profile.PROCESSOR.all(mark)) == (40.0, 900.0)


def test_the_peak_is_that_of_the_arithmetic_in_force() -> None:
    assert [profile.precision_of(Torch(device="cuda", tf32=tf32)) for tf32 in (False, True)] == ["f32", "tf32"]
    assert profile.peak(Torch(device="cuda", tf32=True), "f32") is None


def test_a_modules_bytes_have_the_weights_that_are_buffers() -> None:
    layer = torch.nn.Conv2d(3, 4, 1, bias=False)
    folded = torch.nn.Module()
    folded.register_buffer("weight", layer.weight.detach())
    image = torch.zeros(1, 3, 8, 8)
    assert profile.work_of(folded, (image,), layer(image)) == profile.work_of(layer, (image,), layer(image)) == (2 * 4 * 64 * 3, 4 * (3 * 64 + 12 + 4 * 64))
