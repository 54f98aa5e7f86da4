"""Conversion to OpenVINO: norms over a whole tensor."""

from __future__ import annotations

import numpy as np
import openvino as ov
import pytest
from openvino import opset13

from harness.backends.openvino.convert import norm_in_place


def model_of(shape: tuple[int, ...], *, flat: tuple[int, ...], back: tuple[int, ...], axes: tuple[int, ...] = (2,)) -> ov.Model:
    """A norm as converters write it: reshaped to ``flat``, normalised over ``axes``, reshaped to ``back``, doubled."""
    given = opset13.parameter(shape, np.float32, name="x")
    norm = opset13.mvn(opset13.reshape(given, np.array(flat), False), np.array(axes), True, 1e-5, "inside_sqrt")
    doubled = opset13.multiply(opset13.reshape(norm, np.array(back), False), np.float32(2))
    return ov.Model([doubled], [given], "norm")


def kinds(model: ov.Model) -> list[str]:
    return [node.get_type_name() for node in model.get_ordered_ops()]


def test_a_norm_over_all_of_a_tensor_is_taken_without_reshapes_and_gives_the_same_numbers():
    model = model_of((1, 6, 4), flat=(1, 1, 24), back=(1, 6, 4))
    norm_in_place(model)
    model.validate_nodes_and_infer_types()
    assert "Reshape" not in kinds(model)
    x = np.random.default_rng(0).normal(3, 2, (1, 6, 4)).astype(np.float32)
    found = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([x])[0]
    expected = 2 * (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    assert found.shape == x.shape and np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize(("shape", "flat", "back"), [
    ((2, 3, 4), (2, 1, 12), (2, 3, 4)),  # a norm for each of two
    ((1, 6, 4), (1, 2, 12), (1, 6, 4)),  # over a part
    ((1, 6, 4), (1, 1, 24), (1, 4, 6)),  # its output has another shape
    ((6, 4), (1, 1, 24), (6, 4)),
])  # fmt: skip
def test_other_norms_are_left_as_they_are(shape, flat, back):
    model = model_of(shape, flat=flat, back=back)
    norm_in_place(model)
    assert kinds(model).count("Reshape") == 2
