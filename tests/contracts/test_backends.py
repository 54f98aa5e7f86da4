"""What every backend keeps: the same numbers, independent sessions, results that belong to the caller.

A backend is found by its YAML file, ours or a plug-in's. One that runs no graphs says so itself, and is left out.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from small_jobs import small_experiment

from harness.core import plugins
from harness.core.config import build, conf_folder
from harness.core.errors import SkipJob
from harness.core.interfaces import Arrays, Artifact, Backend, GraphSpec
from harness.prepare.parity import seeded_inputs

FILES = {path.stem: path for folder in (conf_folder(), *plugins.conf_folders()) for path in sorted((folder / "backend").glob("*.yaml"))}


def section_of(name: str) -> dict[str, Any]:
    """A backend's section, with what its file takes from others of its group."""
    own = yaml.safe_load(FILES[name].read_text())
    others = [section_of(other) for other in own.pop("defaults", []) if other != "_self_"]
    return {key: value for section in (*others, own) for key, value in section.items()}


def runs_graphs(name: str) -> bool:
    """Whether the backend runs graphs that come as torch modules, as it says itself."""
    try:
        return bool(build({**section_of(name), "threads": 1}, Backend, "backend").start_from("torch"))
    except SkipJob:
        return False


NAMES = [name for name in FILES if runs_graphs(name)]


def test_the_backends_that_run_graphs_are_found() -> None:
    assert {"torch", "onnx", "openvino"} <= set(NAMES)
    assert "native" not in NAMES


@pytest.fixture(scope="module", params=NAMES)
def made(request: pytest.FixtureRequest, prepared: Path) -> tuple[Backend, Artifact]:
    """A backend that has opened nothing, with its artifact."""
    experiment, artifact = small_experiment(prepared, f"backend={request.param}", "threads=1")
    return experiment.backend, artifact


@pytest.fixture
def opened(made: tuple[Backend, Artifact]) -> tuple[Backend, Artifact]:
    backend: Any = made[0]
    return replace(backend), made[1]


@pytest.fixture(scope="module")
def reference(prepared: Path) -> tuple[Backend, Artifact]:
    """torch, whose numbers all others have."""
    experiment, artifact = small_experiment(prepared, "backend=torch", "threads=1")
    return experiment.backend, artifact


def search_inputs(artifact: Artifact, seed: int = 0) -> tuple[GraphSpec, Arrays]:
    graph = artifact.graphs["search"]
    return graph, seeded_inputs(graph, {}, seed)


def test_all_backends_give_the_same_numbers(opened: tuple[Backend, Artifact], reference: tuple[Backend, Artifact]) -> None:
    backend, artifact = opened
    sessions, original = backend.open(artifact), reference[0].open(reference[1])
    share = 2e-2 if getattr(backend, "weights", "") == "fp16" else 1e-4  # of an output's range
    for name, graph in artifact.graphs.items():
        inputs = seeded_inputs(graph, {}, 3)
        expected = original[name].run(inputs)
        found = sessions[name].run(inputs)
        assert list(found) == list(graph.output_names())
        for tensor in graph.outputs:
            assert found[tensor.name].shape == tensor.shape
            assert found[tensor.name].dtype == np.float32
            spread = np.ptp(expected[tensor.name])
            np.testing.assert_allclose(found[tensor.name], expected[tensor.name], atol=share * max(spread, 1e-3))


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


def test_models_are_read_once_and_what_is_done_is_reported(opened: tuple[Backend, Artifact]) -> None:
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
