"""The candidates of a search space: those that this machine can run, and why none is left."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from harness.core.config import conf_folder
from harness.core.errors import ConfigError
from harness.jobs.recommend.space import candidates


def shipped(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((conf_folder() / "search" / f"{name}.yaml").read_text())
    return found


def test_with_an_nvidia_card_both_of_its_runtimes_are_tried_in_fp32_and_tf32() -> None:
    found = candidates(shipped("gpu"), {}, 4, ["cpu", "cuda"])
    assert [item.overrides for item in found] == [
        [f"backend={backend}", "device=cuda", f"backend.tf32={tf32}"] for backend in ("torch", "onnx") for tf32 in ("false", "true")
    ]


def test_a_space_for_devices_that_are_not_here_names_them_and_those_that_are() -> None:
    with pytest.raises(ConfigError, match="this space is for cuda, gpu, npu, and the runtimes see cpu here"):
        candidates(shipped("gpu"), {"mlflow": "off"}, 4, ["cpu"])


@pytest.mark.parametrize("devices", [["cpu"], ["cpu", "cuda"]])
def test_where_fixed_keys_leave_nothing_they_are_named(devices: list[str]) -> None:
    with pytest.raises(ConfigError, match="no candidate is left with backend=opencv"):
        candidates(shipped("default"), {"backend": "opencv"}, 4, devices)


def test_a_branch_without_a_device_runs_on_the_processor() -> None:
    section = {"branches": [{"backend": ["torch"], "device": ["cuda"]}, {"backend": ["onnx"]}]}
    assert [item.overrides for item in candidates(section, {}, 4, ["cpu"])] == [["backend=onnx"]]
