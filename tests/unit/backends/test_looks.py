"""Backends by the names that runs record."""

from __future__ import annotations

import pytest

from harness.backends import looks


def test_the_shipped_backends_are_found_with_title_and_colour() -> None:
    found = looks.shipped()
    assert {"torch", "onnx", "openvino", "native"} <= set(found)
    assert [looks.title_of(name) for name in ("torch", "onnx", "openvino", "elsewhere")] == ["PyTorch", "ONNX", "OpenVINO", "elsewhere"]
    colors = [found[name].color for name in ("torch", "onnx", "openvino")]
    assert len(set(colors)) == 3 and all(color.startswith("#") for color in colors)


def test_one_backend_alone_is_the_measure_of_rounding() -> None:
    assert [name for name, item in looks.shipped().items() if item.usual_rounding] == ["onnx"]


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("onnxruntime_cpu", "onnx"), ("PyTorch", "torch"), ("openvino_fp16", "openvino"), ("torch", "torch"), ("DiMP50", "dimp50"),
        ("smat-onnx", "onnx"),
    ],
)  # fmt: skip
def test_a_name_speaks_of_the_backend_that_it_holds(name: str, family: str) -> None:
    assert looks.family(name) == family


def test_runs_of_a_backend_share_its_hue_whatever_they_are_called() -> None:
    found = looks.styles({"a": "onnx", "b": "results of onnxruntime", "c": "openvino"})
    assert found["a"].hex == looks.color_of("onnx").lower()
    assert found["c"].hex == looks.color_of("OpenVINO").lower()
    assert found["b"].hex not in (found["a"].hex, found["c"].hex)
