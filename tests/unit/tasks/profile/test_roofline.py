"""Limits of layers by hand, operations by shapes, and measured peaks that are numbers."""

from __future__ import annotations

import onnxruntime
import pytest
import torch

from harness.backends.onnx.profile import work_of as onnx_work
from harness.backends.openvino.profile import operations_of
from harness.backends.shared.products import products, rate
from harness.backends.torch.profile import work_of as torch_work
from harness.machine.bandwidth import copy_bandwidth
from harness.tasks.profile.roofline import Limit, Roofs, of_products

ROOFS = Roofs.measured({"f32": 200e9, "i8": 800e9}, [(1_000_000, 100e9), (100_000_000, 10e9)])


def test_a_layer_with_many_operations_is_limited_by_them():
    # 1e9 operations at 200e9 a second: 5 ms; 1 MB at 100 GB/s: 0.01 ms
    assert ROOFS.limit(1e9, 1e6, "f32") == Limit(pytest.approx(5.0), "operations")


def test_int8_has_a_peak_of_its_own():
    assert ROOFS.limit(1e9, 1e6, "u8") == Limit(pytest.approx(1.25), "operations")


def test_a_layer_with_many_bytes_is_limited_by_memory_at_the_rate_for_their_size():
    # half way between 1 MB and 100 MB by logarithms is 10 MB: 55 GB/s
    assert ROOFS.limit(1e3, 1e7, "f32") == Limit(pytest.approx(10e6 / 55e9 * 1e3), "memory")


def test_an_elementwise_layer_is_limited_by_memory_alone():
    assert ROOFS.limit(None, 1e6, "f32", product=False) == Limit(pytest.approx(0.01), "memory")


@pytest.mark.parametrize(("operations", "precision"), [(None, "f32"), (1e9, "bf16")])
def test_a_product_of_unknown_size_or_without_a_peak_has_no_limit(operations, precision):
    assert ROOFS.limit(operations, 1e6, precision) is None


def test_peaks_are_wanted_for_the_precisions_of_products_alone():
    assert of_products([("f32", True), ("u8", True), ("i8", True), ("bf16", False), ("", True)]) == ["f32", "i8"]


@pytest.mark.parametrize(
    ("kind", "data", "weights", "made", "wanted"),
    [
        ("Convolution", (1, 3, 8, 8), (16, 3, 3, 3), (1, 16, 8, 8), 2 * 16 * 64 * 27),
        ("Convolution", (1, 16, 8, 8), (16, 1, 1, 3, 3), (1, 16, 8, 8), 2 * 16 * 64 * 9),  # depthwise
        ("Convolution", (1, 16, 8, 8), (4, 2, 4, 1, 1), (1, 8, 8, 8), 2 * 8 * 64 * 4),  # four groups
        ("Deconvolution", (1, 4, 5, 5), (4, 2, 3, 3), (1, 2, 11, 11), 2 * 4 * 25 * 2 * 9),
        ("FullyConnected", (1, 10, 32), (64, 32), (1, 10, 64), 2 * 10 * 64 * 32),
        ("MatMul", (1, 4, 10, 32), (1, 4, 32, 20), (1, 4, 10, 20), 2 * 4 * 10 * 20 * 32),
        ("MatMul", (1, 4, 10, 32), (1, 4, 20, 32), (1, 4, 10, 20), 2 * 4 * 10 * 20 * 32),  # the second one transposed
        ("MatMul", (6, 10, 32), (32, 20), (6, 10, 20), 2 * 6 * 10 * 20 * 32),  # one matrix for all batches
    ],
)
def test_openvino_operations_follow_from_shapes(kind, data, weights, made, wanted):
    assert operations_of(kind, data, weights, made) == pytest.approx(wanted)


def event(kind: str, given: list[list[int]], made: list[int]) -> dict:
    sizes = {"activation_size": "100", "parameter_size": "20", "output_size": "3"}
    return {"op_name": kind, "input_type_shape": [{"float": shape} for shape in given], "output_type_shape": [{"float": made}], **sizes}


@pytest.mark.parametrize(
    ("kind", "given", "made", "wanted"),
    [
        ("Conv", [[1, 3, 8, 8], [16, 3, 3, 3], [16]], [1, 16, 8, 8], 2 * 16 * 64 * 27),
        ("QLinearConv", [[1, 3, 8, 8], [], [], [16, 3, 3, 3], [16], [16], [], []], [1, 16, 8, 8], 2 * 16 * 64 * 27),
        ("ConvTranspose", [[1, 4, 5, 5], [4, 2, 3, 3]], [1, 2, 11, 11], 2 * 4 * 25 * 2 * 9),
        ("MatMul", [[1, 4, 10, 32], [1, 4, 32, 20]], [1, 4, 10, 20], 2 * 4 * 10 * 20 * 32),
        ("Add", [[1, 3], [1, 3]], [1, 3], 0),
        ("Conv", [], [], None),
    ],
)
def test_onnx_operations_and_bytes_follow_from_the_event(kind, given, made, wanted):
    assert onnx_work(event(kind, given, made)) == (wanted, 123)


def test_onnx_event_without_sizes_has_none():
    assert onnx_work({"op_name": "Relu"}) == (0, None)


def test_torch_operations_and_bytes_follow_from_the_call():
    layer = torch.nn.Conv2d(3, 16, 3, padding=1, bias=False)
    image = torch.zeros(1, 3, 8, 8)
    assert torch_work(layer, (image,), layer(image)) == (2 * 16 * 64 * 27, 4 * (3 * 64 + 16 * 27 + 16 * 64))
    up = torch.nn.ConvTranspose2d(4, 2, 3, stride=2, bias=False)
    small = torch.zeros(1, 4, 5, 5)
    assert torch_work(up, (small,), up(small))[0] == 2 * 4 * 25 * 2 * 9
    assert torch_work(torch.nn.ReLU(), (image,), image) == (0, 4 * 2 * 3 * 64)


@pytest.mark.parametrize("int8", [False, True])
def test_large_products_run_in_the_precision_that_they_are_for(int8, tmp_path):
    """ONNX Runtime fuses the quantised chains into integer kernels."""
    for number, product in enumerate(products(int8)):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / f"{number}.onnx")
        session = onnxruntime.InferenceSession(product.model, options, providers=["CPUExecutionProvider"])
        session.run(None, product.inputs)
        import onnx

        kinds = {node.op_type for node in onnx.load(tmp_path / f"{number}.onnx").graph.node}
        assert bool(kinds & {"QLinearConv", "QLinearMatMul", "MatMulIntegerToFloat"}) == int8


def test_the_rate_is_that_of_the_fastest_run(monkeypatch):
    import harness.backends.shared.products as module

    spent = iter([0.5] * 2 + [0.4, 0.2] * 50)  # two that do not count, then runs of 0.4 and 0.2 seconds
    now = [0.0]

    def run() -> None:
        now[0] += next(spent)

    monkeypatch.setattr(module, "perf_counter", lambda: now[0])
    assert rate(run, 100.0) == pytest.approx(500.0)


def test_copies_are_measured_for_every_size():
    found = copy_bandwidth(2, (1 << 16, 1 << 18))
    assert [size for size, _ in found] == [1 << 16, 1 << 18]
    assert all(value > 1e6 for _, value in found)
