"""What the backends of torch, ONNX Runtime and OpenVINO refuse, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from harness.backends.onnx.backend import Onnx
from harness.backends.openvino.backend import OpenVino
from harness.backends.torch.backend import Torch
from harness.core.config import build
from harness.core.errors import ConfigError, SkipJob
from harness.core.interfaces import Backend

BACKENDS: dict[str, type[Any]] = {"torch": Torch, "onnx": Onnx, "openvino": OpenVino}


@pytest.mark.parametrize("name", ["torch", "onnx"])
def test_only_openvino_takes_hints(name: str) -> None:
    with pytest.raises(SkipJob, match="hint=throughput is OpenVINO's"):
        BACKENDS[name](hint="throughput")


@pytest.mark.parametrize(("name", "device"), [("torch", "npu"), ("onnx", "npu"), ("openvino", "cuda")])
def test_a_device_that_the_backend_has_not_is_reported(name: str, device: str) -> None:
    with pytest.raises(SkipJob, match=f"device={device}"):
        BACKENDS[name](device=device)


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"backend\.streams is 0"):
        OpenVino(streams=0)
    with pytest.raises(ConfigError, match=r"backend\.optimization is 'most'; accepted: .*disable.*basic.*extended.*all"):
        build({"target": "harness.backends.onnx.backend.Onnx", "optimization": "most"}, Backend, "backend")  # type: ignore[type-abstract]
    with pytest.raises(ConfigError, match="threads is 0"):
        Torch(threads=0)
