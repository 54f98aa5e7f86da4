"""ONNX Runtime's own threads, and its execution providers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.backends.onnx import session
from harness.backends.onnx.backend import Onnx
from harness.backends.onnx.session import device_of, pool_affinities
from harness.core.errors import DeviceError, SkipJob
from harness.machine import cards

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def test_onnx_runtimes_pool_gets_the_cores_after_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.backends.onnx.session.allowed_cores", lambda: [2, 4, 6, 8])
    assert pool_affinities(3) == "5;7"


class Opened:
    """A stand-in of an InferenceSession that keeps what it was made with."""

    def __init__(self, path: str, options: Any, providers: list[Any]) -> None:
        self.providers = providers

    def get_providers(self) -> list[str]:
        return [self.providers[0][0], CPU]


@pytest.mark.parametrize(("tf32", "word"), [(False, "0"), (True, "1")])
def test_a_card_rounds_to_tf32_only_if_it_is_asked_for(tf32: bool, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(session.ort, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(session.ort, "preload_dlls", lambda: loaded.append("libraries"), raising=False)
    monkeypatch.setattr(session.ort, "InferenceSession", Opened)
    made = session.create(Onnx(device="cuda", tf32=tf32), Path("model.onnx"), 1)
    assert made.providers == [(CUDA, {"use_tf32": word})]
    assert loaded == ["libraries"]


def test_the_processors_provider_gets_no_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.ort, "InferenceSession", Opened)
    assert session.create(Onnx(), Path("model.onnx"), 1).providers == [(CPU, {})]


def test_a_build_without_cuda_names_the_package_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.ort, "get_available_providers", lambda: [CPU])
    with pytest.raises(DeviceError, match="install onnxruntime-gpu in place of onnxruntime"):
        Onnx(device="cuda").check_device()


def test_tf32_on_the_processor_is_no_setting() -> None:
    with pytest.raises(SkipJob, match=r"backend\.tf32=true .*CPUExecutionProvider"):
        Onnx(tf32=True)


def test_the_device_is_the_one_in_use_not_what_the_build_can_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.ort, "get_device", lambda: "GPU")  # onnxruntime-gpu says so with device=cpu too
    monkeypatch.setattr(cards, "names", lambda: ["NVIDIA A1"])
    assert [device_of(CPU), device_of(CUDA), device_of("DmlExecutionProvider")] == ["CPU", "NVIDIA A1", "Dml"]


def test_the_report_says_whether_tf32_is_in_force() -> None:
    options = SimpleNamespace(intra_op_num_threads=1, get_session_config_entry=lambda name: "1")
    made = SimpleNamespace(
        get_session_options=lambda: options, get_providers=lambda: [CUDA, CPU], get_provider_options=lambda: {CUDA: {"use_tf32": "0"}, CPU: {}}
    )
    assert session.describe(Onnx(device="cuda"), made)["tf32"] == "0"


@pytest.mark.parametrize(("provider", "package", "options"), [(CUDA, "onnxruntime-gpu", {"use_tf32": "0"}), (CPU, "onnxruntime", {})])
def test_an_exported_script_computes_as_the_run_did(provider: str, package: str, options: dict[str, str]) -> None:
    found = Onnx.handover({"tf32": False}, "none", {"provider": f"{provider}, {CPU}"})
    assert (found.package, found.options) == (package, {"provider": provider, "provider_options": options})
