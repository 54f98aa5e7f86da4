"""OpenVINO with a model: requests, compiled models, virtual devices, what is clamped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import ROOT

from harness.backends.openvino.backend import OpenVino
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
