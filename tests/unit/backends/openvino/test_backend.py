"""OpenVINO's settings: requests, compiled models, virtual devices, what is clamped, a person's own properties."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import ROOT

from harness.backends.openvino.backend import OpenVino, unmet
from harness.core.errors import BackendError
from harness.core.interfaces import Arrays, Artifact, GraphSpec
from harness.prepare.parity import seeded_inputs


def search_inputs(artifact: Artifact, seed: int = 0) -> tuple[GraphSpec, Arrays]:
    graph = artifact.graphs["search"]
    return graph, seeded_inputs(graph, {}, seed)


def test_an_input_of_another_shape_or_type_is_named(artifacts: dict[str, Artifact]) -> None:
    session = OpenVino(threads=1).open(artifacts["openvino"])["search"]
    _, inputs = search_inputs(artifacts["openvino"])
    with pytest.raises(
        BackendError, match=r"input search of graph search is float32\[1, 128, 128, 3\]; it must be uint8"
    ):
        session.run({**inputs, "search": inputs["search"].astype(np.float32)})
    with pytest.raises(BackendError, match="input template_features of graph search"):
        session.run({**inputs, "template_features": inputs["template_features"][:, :1]})


TWO_AT_ONCE = """
import os, sys
from pathlib import Path
os.sched_setaffinity(0, range(os.cpu_count()))
from harness.artifacts.store import load_artifact
from harness.backends.openvino.backend import OpenVino
artifact = load_artifact(Path(sys.argv[1]))
backend, serial = OpenVino(threads=2), OpenVino(threads=2)
requests = backend.parallel_requests(artifact)
backend.prepare_parallel(2)
backend.open(artifact)
serial.open(artifact)
told = backend.describe()
print(requests, told["streams"], told["threads"], serial.describe()["streams"])
"""


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two streams need two cores")
def test_openvino_compiles_for_as_many_requests_as_are_in_flight(artifacts: dict[str, Artifact]) -> None:
    """In a process of its own, which has all cores: OpenVINO gives no more threads than the process may use."""
    command = [sys.executable, "-c", TWO_AT_ONCE, str(artifacts["openvino"].folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["2", "2", "2", "1"]


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
def test_a_setting_that_openvino_clamps_is_reported(device: str, artifacts: dict[str, Artifact]) -> None:
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
    assert unmet({"NUM_STREAMS": "AUTO", "B": -1}, {"NUM_STREAMS": "2", "B": "7"}) == []
    assert unmet(asked, {"A": "2", "INFERENCE_PRECISION_HINT": "float32"}) == [
        "precision: bfloat16 asked for, the device runs with float32.",
        "A: 1 asked for, the device runs with 2.",
    ]
