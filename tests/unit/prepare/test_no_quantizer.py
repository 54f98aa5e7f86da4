"""quantization=none takes the keys of int8, so that a sweep over both names them once."""

from __future__ import annotations

import pytest
import yaml

from harness.core.config import conf_folder
from harness.jobs.compose import make_plan


@pytest.mark.parametrize("name", ["int8", "int8_accuracy"])
def test_every_key_of_int8_is_a_key_of_none(name: str) -> None:
    keys = {kind: set(yaml.safe_load((conf_folder() / "quantization" / f"{kind}.yaml").read_text())) for kind in ("none", name)}
    assert keys[name] <= keys["none"]


def test_a_sweep_over_none_and_int8_takes_any_key_of_int8() -> None:
    words = ["quantization=none,int8", "quantization.preset=performance", "quantization.compare_seconds=0", "quantization.subset_size=8"]
    plan = make_plan(words, True, None, [])
    assert [config["quantization"]["preset"] for _, config in plan.jobs] == ["performance", "performance"]
