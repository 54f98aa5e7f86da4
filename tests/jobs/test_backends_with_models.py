"""What the backends of torch, ONNX Runtime and OpenVINO refuse when they open a model, and what they pass on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.backends.onnx.backend import Onnx
from harness.backends.openvino.backend import OpenVino
from harness.backends.torch.backend import Torch
from harness.core.errors import BackendError, DeviceError
from harness.core.interfaces import Artifact

BACKENDS: dict[str, type[Any]] = {"torch": Torch, "onnx": Onnx, "openvino": OpenVino}


def test_a_device_that_the_machine_has_not_is_reported(artifacts: dict[str, Artifact]) -> None:
    with pytest.raises(DeviceError, match="OpenVINO sees no NPU here; it sees CPU"):
        OpenVino(device="npu").open(artifacts["openvino"])
    with pytest.raises(DeviceError, match="has no NoSuchProvider"):
        Onnx(provider="NoSuchProvider").open(artifacts["onnx"])


def test_a_damaged_model_is_an_error_in_one_sentence(artifacts: dict[str, Artifact], tmp_path: Path) -> None:
    for name in ("onnx", "openvino"):
        whole = artifacts[name]
        path = tmp_path / f"damaged{next(iter(whole.files.values())).suffix}"
        path.write_bytes(b"no model")
        damaged = Artifact(whole.format, "fp32", dict.fromkeys(whole.files, path), whole.graphs, name, tmp_path)
        with pytest.raises(BackendError, match=f"cannot open .*damaged{path.suffix}"):
            BACKENDS[name](threads=1).open(damaged)


def test_pinning_is_passed_on(artifacts: dict[str, Artifact]) -> None:
    for wanted in (True, False):
        backend = OpenVino(threads=1, pinning=wanted)
        backend.open(artifacts["openvino"])
        assert backend.describe()["pinning"] == str(wanted)
        assert not backend.pins_callers()
    for name in ("torch", "onnx"):
        assert BACKENDS[name](pinning=True).pins_callers()
        assert not BACKENDS[name]().pins_callers()
