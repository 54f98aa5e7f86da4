"""What every backend keeps: the same numbers, independent sessions, results that belong to the caller."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_jobs import small_experiment

from harness.backends.onnx.backend import Onnx
from harness.backends.onnx.session import pool_affinities
from harness.backends.openvino.backend import OpenVino, unmet
from harness.backends.torch.backend import Torch
from harness.core.errors import BackendError, ConfigError, DeviceError, SkipJob
from harness.core.interfaces import Arrays, Artifact, Backend, GraphSpec
from harness.prepare.parity import seeded_inputs

BACKENDS: dict[str, type[Any]] = {"torch": Torch, "onnx": Onnx, "openvino": OpenVino}


@pytest.fixture(scope="module")
def artifacts(prepared: Path) -> dict[str, Artifact]:
    return {name: small_experiment(prepared, f"backend={name}")[1] for name in BACKENDS}


@pytest.fixture(params=list(BACKENDS))
def opened(request: pytest.FixtureRequest, artifacts: dict[str, Artifact]) -> tuple[Backend, Artifact]:
    return BACKENDS[request.param](threads=1), artifacts[request.param]


def search_inputs(artifact: Artifact, seed: int = 0) -> tuple[GraphSpec, Arrays]:
    graph = artifact.graphs["search"]
    return graph, seeded_inputs(graph, {}, seed)


def test_all_backends_give_the_same_numbers(opened: tuple[Backend, Artifact], artifacts: dict[str, Artifact]) -> None:
    backend, artifact = opened
    sessions, reference = backend.open(artifact), Torch(threads=1).open(artifacts["torch"])
    for name, graph in artifact.graphs.items():
        inputs = seeded_inputs(graph, {}, 3)
        expected = reference[name].run(inputs)
        found = sessions[name].run(inputs)
        assert list(found) == list(graph.output_names())
        for tensor in graph.outputs:
            assert found[tensor.name].shape == tensor.shape
            assert found[tensor.name].dtype == np.float32
            spread = np.ptp(expected[tensor.name])
            np.testing.assert_allclose(found[tensor.name], expected[tensor.name], atol=1e-4 * max(spread, 1e-3))


def test_results_belong_to_the_caller(opened: tuple[Backend, Artifact]) -> None:
    backend, artifact = opened
    session = backend.open(artifact)["search"]
    _, inputs = search_inputs(artifact, 0)
    first = session.run(inputs)
    kept = {name: value.copy() for name, value in first.items()}
    session.run(search_inputs(artifact, 1)[1])
    for name, value in first.items():
        np.testing.assert_array_equal(value, kept[name])
        value[:] = 0  # may be written to


def test_a_buffer_that_is_filled_anew_is_read_anew(opened: tuple[Backend, Artifact]) -> None:
    backend, artifact = opened
    session, fresh = backend.open(artifact)["search"], backend.open(artifact)["search"]
    graph, buffers = search_inputs(artifact, 0)
    session.run(buffers)
    other = search_inputs(artifact, 5)[1]
    for name in graph.input_names():
        np.copyto(buffers[name], other[name])
    expected = fresh.run(other)
    for name, value in session.run(buffers).items():
        np.testing.assert_array_equal(value, expected[name])


def test_arrays_that_are_not_contiguous_are_read_right(opened: tuple[Backend, Artifact]) -> None:
    backend, artifact = opened
    session = backend.open(artifact)["search"]
    graph, inputs = search_inputs(artifact, 2)
    expected = session.run(inputs)
    strided = {}
    for tensor in graph.inputs:
        wide = np.zeros((*tensor.shape[:-1], tensor.shape[-1] * 2), tensor.dtype)
        wide[..., ::2] = inputs[tensor.name]
        strided[tensor.name] = wide[..., ::2]
    for _ in range(2):
        for name, value in session.run(strided).items():
            np.testing.assert_array_equal(value, expected[name])
    for tensor in graph.inputs:  # filled anew: the copy must be made anew
        strided[tensor.name][...] = 0
    zeros = session.run({tensor.name: np.zeros(tensor.shape, tensor.dtype) for tensor in graph.inputs})
    for name, value in session.run(strided).items():
        np.testing.assert_array_equal(value, zeros[name])


def test_sessions_of_two_threads_do_not_disturb_each_other(opened: tuple[Backend, Artifact]) -> None:
    backend, artifact = opened
    backend.prepare_parallel(2)
    sessions = [backend.open(artifact)["search"] for _ in range(2)]
    inputs = [search_inputs(artifact, seed)[1] for seed in (0, 1)]
    expected = [session.run(own) for session, own in zip(sessions, inputs, strict=True)]
    wrong: list[str] = []

    def work(index: int) -> None:
        for _ in range(20):
            found = sessions[index].run(inputs[index])
            wrong.extend(name for name in found if not np.array_equal(found[name], expected[index][name]))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_models_are_read_once_and_what_is_done_is_told(opened: tuple[Backend, Artifact]) -> None:
    backend, artifact = opened
    backend.open(artifact)
    times = backend.load_times()
    assert times.keys() == {"read", "compile"}
    backend.open(artifact)
    assert backend.load_times() == times
    told = backend.describe()
    assert {"runtime", "device", "threads", "streams", "precision", "provider"} <= told.keys()
    assert told["threads"] == "1"
    assert backend.parallel_requests(artifact) == 1


@pytest.mark.parametrize("name", ["torch", "onnx"])
def test_only_openvino_takes_hints(name: str) -> None:
    with pytest.raises(SkipJob, match="hint=throughput is OpenVINO's"):
        BACKENDS[name](hint="throughput")


@pytest.mark.parametrize(("name", "device"), [("torch", "npu"), ("onnx", "npu"), ("openvino", "cuda")])
def test_a_device_that_the_backend_has_not_is_said(name: str, device: str) -> None:
    with pytest.raises(SkipJob, match=f"device={device}"):
        BACKENDS[name](device=device)


def test_a_device_that_the_machine_has_not_is_said(artifacts: dict[str, Artifact]) -> None:
    with pytest.raises(DeviceError, match="OpenVINO sees no NPU here; it sees CPU"):
        OpenVino(device="npu").open(artifacts["openvino"])
    with pytest.raises(DeviceError, match="has no NoSuchProvider"):
        Onnx(provider="NoSuchProvider").open(artifacts["onnx"])


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"backend\.streams is 0"):
        OpenVino(streams=0)
    with pytest.raises(ConfigError, match=r"backend\.optimization is 'most'"):
        Onnx(optimization="most")
    with pytest.raises(ConfigError, match="threads is 0"):
        Torch(threads=0)


def test_an_input_of_another_shape_or_type_is_named(artifacts: dict[str, Artifact]) -> None:
    session = OpenVino(threads=1).open(artifacts["openvino"])["search"]
    _, inputs = search_inputs(artifacts["openvino"])
    with pytest.raises(
        BackendError, match=r"input search of graph search is float32\[1, 128, 128, 3\]; it must be uint8"
    ):
        session.run({**inputs, "search": inputs["search"].astype(np.float32)})
    with pytest.raises(BackendError, match="input template_features of graph search"):
        session.run({**inputs, "template_features": inputs["template_features"][:, :1]})


def test_a_damaged_model_is_an_error_in_one_sentence(artifacts: dict[str, Artifact], tmp_path: Path) -> None:
    for name in ("onnx", "openvino"):
        whole = artifacts[name]
        path = tmp_path / f"damaged{next(iter(whole.files.values())).suffix}"
        path.write_bytes(b"no model")
        damaged = Artifact(whole.format, "fp32", dict.fromkeys(whole.files, path), whole.graphs, name, tmp_path)
        with pytest.raises(BackendError, match=f"cannot open .*damaged{path.suffix}"):
            BACKENDS[name](threads=1).open(damaged)


def test_openvino_compiles_for_as_many_requests_as_are_in_flight(artifacts: dict[str, Artifact]) -> None:
    backend = OpenVino(threads=2)
    assert backend.parallel_requests(artifacts["openvino"]) == 2
    backend.prepare_parallel(2)
    backend.open(artifacts["openvino"])
    told = backend.describe()
    assert (told["streams"], told["threads"]) == ("2", "2")
    serial = OpenVino(threads=2)
    serial.open(artifacts["openvino"])
    assert serial.describe()["streams"] == "1"


def test_openvino_asks_the_device_where_a_hint_decides(artifacts: dict[str, Artifact]) -> None:
    backend = OpenVino(threads=1, hint="throughput")
    assert backend.parallel_requests(artifacts["openvino"]) == int(backend.describe()["requests"])
    assert OpenVino(threads=1, hint="latency").parallel_requests(artifacts["openvino"]) == 1
    assert OpenVino(threads=4, requests=3).parallel_requests(artifacts["openvino"]) == 3


def test_openvino_keeps_compiled_models_between_runs(artifacts: dict[str, Artifact], tmp_path: Path) -> None:
    for expected in ("False", "True"):
        backend = OpenVino(threads=1, cache=str(tmp_path))
        backend.open(artifacts["openvino"])
        assert backend.describe()["from_cache"] == expected


def test_pinning_is_passed_on(artifacts: dict[str, Artifact]) -> None:
    for wanted in (True, False):
        backend = OpenVino(threads=1, pinning=wanted)
        backend.open(artifacts["openvino"])
        assert backend.describe()["pinning"] == str(wanted)
        assert not backend.pins_callers()
    for name in ("torch", "onnx"):
        assert BACKENDS[name](pinning=True).pins_callers()
        assert not BACKENDS[name]().pins_callers()


def test_onnx_runtimes_pool_gets_the_cores_after_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.backends.onnx.session.allowed_cores", lambda: [2, 4, 6, 8])
    assert pool_affinities(3) == "5;7"


@pytest.mark.parametrize("device", ["auto", "multi", "hetero"])
def test_openvinos_virtual_devices_keep_threads_and_arithmetic(device: str, artifacts: dict[str, Artifact]) -> None:
    """They pass on what is addressed to a device alone: without that, all threads, and bf16 where the processor has it."""
    artifact = artifacts["openvino"]
    _, inputs = search_inputs(artifact)
    expected = OpenVino(threads=1).open(artifact)["search"].run(inputs)
    backend = OpenVino(threads=1, device=device)
    found = backend.open(artifact)["search"].run(inputs)
    told = backend.describe()
    assert (told["threads"], told["precision"]) == ("1", "float32")
    assert backend.warnings() == []
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize("device", ["cpu", "auto", "multi", "hetero"])
def test_a_setting_that_openvino_clamps_is_told(device: str, artifacts: dict[str, Artifact]) -> None:
    backend = OpenVino(threads=4000, device=device)
    backend.open(artifacts["openvino"])
    taken = backend.describe()["threads"]
    assert 0 < int(taken) < 4000
    assert backend.warnings() == [f"threads: 4000 asked for, the device runs with {taken}."]


def test_a_persons_own_properties_win_on_every_device() -> None:
    own = {"DEVICE_PROPERTIES": {"CPU": {"INFERENCE_NUM_THREADS": 2}, "GPU": {"NUM_STREAMS": "2"}}}
    chosen = OpenVino(threads=1, device="auto", properties=own).settings()
    assert chosen["DEVICE_PROPERTIES"] == {"CPU": {"INFERENCE_NUM_THREADS": 2}, "GPU": {"NUM_STREAMS": "2"}}
    plain = OpenVino(threads=1, device="multi", properties={"INFERENCE_NUM_THREADS": 2}).settings()
    assert plain["DEVICE_PROPERTIES"]["CPU"]["INFERENCE_NUM_THREADS"] == 2
    assert "DEVICE_PROPERTIES" not in OpenVino(threads=1, device="auto", priorities=["GPU"]).settings()


def test_properties_are_compared_whatever_their_spelling() -> None:
    asked = {"INFERENCE_PRECISION_HINT": "bf16", "ENABLE_CPU_PINNING": True, "CACHE_DIR": "x", "DEVICE_PROPERTIES": {"CPU": {"A": 1}}}
    same = {"INFERENCE_PRECISION_HINT": "<Type: 'bfloat16'>", "ENABLE_CPU_PINNING": "YES", "CACHE_DIR": "", "A": "1"}
    assert unmet(asked, same) == []
    assert unmet(asked, {"A": "2", "INFERENCE_PRECISION_HINT": "float32"}) == [
        "precision: bfloat16 asked for, the device runs with float32.",
        "A: 1 asked for, the device runs with 2.",
    ]
