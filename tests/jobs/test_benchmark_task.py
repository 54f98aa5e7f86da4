"""task=benchmark_app with a model: recorded inputs, figures, settings in force, counters."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from small_jobs import context_of, small_experiment

from harness.tasks.benchmark_app.task import BenchmarkApp
from harness.tracking import recording


def test_recorded_inputs_are_the_trackers_crops(tmp_path, prepared):
    experiment, artifact = small_experiment(prepared, "backend=openvino")
    sessions = experiment.backend.open(artifact)
    sequences = list(experiment.dataset)
    crops = recording.record_crops(experiment.tracker, sessions, sequences, "search", 6)
    assert len(crops) == 6
    assert {name: (value.shape, str(value.dtype)) for name, value in crops[0].items()} == {
        tensor.name: (tensor.shape, tensor.dtype) for tensor in artifact.graphs["search"].inputs
    }
    # crops follow the target, so that no two are alike
    assert len({crop["search"].tobytes() for crop in crops}) == 6
    folder = recording.save(crops, tmp_path / "inputs")
    assert np.array_equal(np.load(folder / "search/00003.npy"), crops[3]["search"])


def test_app_runs_on_recorded_crops_and_reports_its_real_figures(tmp_path, prepared):
    experiment, artifact = small_experiment(
        prepared, "backend=onnx", "task=benchmark_app", "hint=latency", "task.iterations=20",
        "task.inputs=recorded", "task.crops=4", "task.percentiles=[90]",
    )  # fmt: skip
    assert isinstance(experiment.task, BenchmarkApp)
    result = experiment.task.run(context_of(experiment, artifact, tmp_path / "job", 1))
    found = {name.removeprefix("benchmark_app/"): value for name, value in result.metrics.items()}
    assert (found["iterations"], found["requests"], found["threads"], found["streams"]) == (20, 1, 1, 1)
    assert found["throughput_fps"] == pytest.approx(20 / found["total_ms"] * 1e3, rel=1e-2, abs=0.02)
    assert found["latency_ms/min"] <= found["latency_ms/median"] <= found["latency_ms/max"]
    assert found["latency_ms/p90"] > 0
    assert result.details["settings"]["INFERENCE_PRECISION_HINT"] == "float32"
    assert result.details["effective"]["hint"] == "LATENCY"
    assert "benchmark_app/benchmark_report.json" in result.files
    log = (tmp_path / "job/benchmark_app/benchmark_app.log").read_text()
    assert "random values" not in log  # every input came from a file
    assert not list((tmp_path / "job").glob(".inputs*"))


def test_app_keeps_threads_and_arithmetic_on_a_virtual_device(tmp_path, prepared):
    experiment, artifact = small_experiment(
        prepared, "backend=openvino", "task=benchmark_app", "device=auto", "threads=1", "task.iterations=10",
        "task.percentiles=[]",
    )  # fmt: skip
    result = experiment.task.run(context_of(experiment, artifact, tmp_path / "job", 1))
    assert result.details["effective"]["threads"] == "1"
    assert result.details["effective"]["precision"] == "float32"
    assert not any("asked for" in warning for warning in result.warnings)


def test_counters_asked_for_are_there(tmp_path, prepared):
    experiment, artifact = small_experiment(
        prepared, "backend=openvino", "task=benchmark_app", "task.iterations=10", "task.percentiles=[]",
        "task.counters=average",
    )  # fmt: skip
    result = experiment.task.run(context_of(experiment, artifact, tmp_path / "job", 1))
    slowest = result.details["slowest_layers"]
    assert len(slowest) == 10
    assert all(first["ms"] >= second["ms"] > 0 for first, second in pairwise(slowest))
    layers = json.loads((tmp_path / "job/benchmark_app/layers.json").read_text())
    assert layers[:10] == slowest
    assert len({row["type"] for row in layers}) > 2
    assert any("slow the network down" in warning for warning in result.warnings)
