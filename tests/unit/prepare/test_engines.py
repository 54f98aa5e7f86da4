"""What the quantisers do to a model before they quantise it."""

from __future__ import annotations

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from harness.backends.openvino.quantize import halve_weights, share_quantised, show_depthwise_weights, single_rows


def test_depthwise_weights_come_out_from_behind_their_reshape() -> None:
    """Else NNCF finds no weights to quantise, and the layer stays fp32."""
    weights = np.arange(8 * 9, dtype=np.float32).reshape(8, 1, 3, 3)
    image = ops.parameter([1, 8, 6, 6], np.float32, name="image")
    shaped = ops.reshape(ops.constant(weights), ops.constant(np.array([8, 1, 1, 3, 3])), special_zero=False)
    layer = ops.group_convolution(image, shaped, [1, 1], [1, 1], [1, 1], [1, 1])
    model = ov.Model([layer], [image])
    given = np.random.default_rng(0).random((1, 8, 6, 6), np.float32)
    before = ov.compile_model(model, "CPU")(given)[0]
    show_depthwise_weights(model)
    kinds = [node.get_type_name() for node in model.get_ordered_ops()]
    assert "Reshape" not in kinds
    (left,) = [node for node in model.get_ordered_ops() if node.get_type_name() == "GroupConvolution"]
    assert left.input_value(1).get_node().get_type_name() == "Constant"
    np.testing.assert_allclose(ov.compile_model(model, "CPU")(given)[0], before, rtol=1e-6)


def test_products_of_one_row_are_found() -> None:
    """They stay float: OpenVINO 2026.4 computes chains of them wrongly in int8 with one thread."""
    vector, rows = ops.parameter([1, 8], np.float32, name="vector"), ops.parameter([4, 8], np.float32, name="rows")
    weights = ops.constant(np.ones((8, 8), np.float32))
    one, many = ops.matmul(vector, weights, False, True), ops.matmul(rows, weights, False, True)
    one.set_friendly_name("one")
    many.set_friendly_name("many")
    assert single_rows(ov.Model([one, many], [vector, rows])) == ["one"]


def test_weights_that_stay_float_are_stored_in_half() -> None:
    vector = ops.parameter([1, 8], np.float32, name="vector")
    weights = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)
    one = ops.matmul(vector, ops.constant(weights), False, True)
    one.set_friendly_name("one")
    model = ov.Model([one], [vector])
    halve_weights(model, ["one"])
    assert [node.data.dtype for node in model.get_ordered_ops() if node.get_type_name() == "Constant"] == [np.float16]
    given = np.ones((1, 8), np.float32)
    np.testing.assert_allclose(ov.compile_model(model, "CPU")(given)[0], given @ weights.T, rtol=0.01, atol=0.01)


def test_a_residual_sum_takes_the_form_that_is_quantised_for_the_next_layer() -> None:
    """Else the layer before writes float for the sum alone. A sum with a constant, a bias, keeps its float."""
    given = ops.parameter([1, 4], np.float32, name="given")
    start = ops.relu(given)
    levels = [ops.constant(np.float32(value)) for value in (0, 255, 0, 255)]
    quantised = ops.fake_quantize(start, *levels, 256)
    total = ops.add(start, ops.multiply(quantised, ops.constant(np.float32(10))))
    biased = ops.add(start, ops.constant(np.float32(0.25)))
    model = ov.Model([total, biased], [given])
    share_quantised(model)
    found = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(np.array([[-3, 0.4, 1.6, 7]], np.float32))
    np.testing.assert_allclose(found[0], [[0, 0, 22, 77]], atol=1e-4)  # 0.4 is rounded to 0, 1.6 to 2
    np.testing.assert_allclose(found[1], [[0.25, 0.65, 1.85, 7.25]], atol=1e-4)
