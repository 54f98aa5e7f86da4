"""Profiles: events into rows, rows into types, and all three profilers on a small network."""

from __future__ import annotations

import pandas as pd
import pytest
from small_jobs import context_of, small_experiment

from harness.tasks.profile.task import layers_from, metric_word, onnxruntime_rows


def event(name: str, micros: float, kind: str = "Conv", cat: str = "Node") -> dict:
    return {"cat": cat, "name": name, "dur": micros, "args": {"op_name": kind}}


def test_warm_up_is_left_out_of_kernel_times():
    events = [event("a_kernel_time", value) for value in (9000, 9000, 1000, 3000)]
    events += [event("a_fence_before", 5), event("run", 5, cat="Session"), event("b_kernel_time", 500, "Add")]
    rows = {row["name"]: row for row in onnxruntime_rows(events, 2, 2)}
    assert rows["a"] == {"name": "a", "type": "Conv", "ms": pytest.approx(2.0)}
    assert set(rows) == {"a", "b"}


def test_types_add_up_and_idle_layers_are_left_out():
    rows = [
        {"name": "a", "type": "Conv", "ms": 1.0},
        {"name": "b", "type": "Conv", "ms": 2.0},
        {"name": "c", "type": "Add", "ms": 1.0},
        {"name": "d", "type": "Const", "ms": 0.0},
    ]
    found = layers_from(rows, "")
    assert list(found.rows["name"]) == ["b", "a", "c"]
    assert found.types.to_dict("records") == [
        {"type": "Conv", "count": 2, "ms": 3.0, "share": 0.75},
        {"type": "Add", "count": 1, "ms": 1.0, "share": 0.25},
    ]


def test_metric_names_are_ones_that_the_store_takes():
    assert metric_word("aten::conv2d(x)") == "aten__conv2d_x_"


@pytest.mark.parametrize(
    ("backend", "kinds"),
    [("openvino", "Convolution"), ("onnx", "Conv"), ("torch", "aten::")],
)
def test_profilers_find_the_convolutions(backend, kinds, tmp_path):
    experiment, artifact = small_experiment(tmp_path / "cache", f"backend={backend}", "task=profile", "task.runs=3")
    result = experiment.task.run(context_of(experiment, artifact, tmp_path / "job", 1))
    layers = pd.read_csv(tmp_path / "job/profile/layers.csv")
    types = pd.read_csv(tmp_path / "job/profile/types.csv")
    assert len(layers) > 5
    assert types["type"].str.contains(kinds).any()
    assert types["share"].sum() == pytest.approx(1.0, abs=1e-3)
    assert (layers["ms"].diff().dropna() <= 0).all()
    assert result.metrics["profile/total_ms"] == pytest.approx(types["ms"].sum(), rel=1e-3)
    assert all((tmp_path / "job" / name).is_file() for name in result.files)
