"""Profiles: events into rows, rows into types; on which devices, and whose rates they are held against."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from small_jobs import small_config

from harness.backends.onnx.profile import rows_of
from harness.core.errors import SkipJob
from harness.core.preparing import LayerTime, LayerTimes
from harness.jobs.experiment import build_experiment
from harness.tasks.profile.task import metric_word, roofs_of, tables


def event(name: str, micros: float, kind: str = "Conv", cat: str = "Node") -> dict:
    return {"cat": cat, "name": name, "dur": micros, "args": {"op_name": kind}}


def test_warm_up_is_left_out_of_kernel_times():
    events = [event("a_kernel_time", value) for value in (9000, 9000, 1000, 3000)]
    events += [event("a_fence_before", 5), event("run", 5, cat="Session"), event("b_kernel_time", 500, "Add")]
    rows = {row.name: row for row in rows_of(events, 2, 2)}
    assert (rows["a"].type, rows["a"].ms, rows["a"].layer) == ("Conv", pytest.approx(2.0), True)
    assert set(rows) == {"a", "b"}


def test_types_add_up_and_idle_layers_are_left_out():
    rows = [("a", "Conv", 1.0), ("b", "Conv", 2.0), ("c", "Add", 1.0), ("d", "Const", 0.0)]
    found = tables(LayerTimes(tuple(LayerTime(*row) for row in rows), ""))
    assert list(found.rows["name"]) == ["b", "a", "c"]
    assert found.types.to_dict("records") == [
        {"type": "Conv", "count": 2, "ms": 3.0, "share": 0.75},
        {"type": "Add", "count": 1, "ms": 1.0, "share": 0.25},
    ]


def test_metric_names_are_ones_that_the_store_takes():
    assert metric_word("aten::conv2d(x)") == "aten__conv2d_x_"


@pytest.mark.parametrize(("device", "copies", "wanted"), [("cuda", "runtime:copies", [(4.0, 2000.0)]), ("gpu", None, [])])
def test_bytes_are_held_against_the_memory_of_the_device_that_moves_them(
    device: str, copies: str | None, wanted: list[tuple[float, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.tasks.profile.task.copy_bandwidth", lambda threads: pytest.fail("this is the processor's memory"))
    monkeypatch.setattr("harness.tasks.profile.task.resolve", {"runtime:copies": lambda backend: [(4_000_000, 2e12)]}.__getitem__)
    backend: Any = SimpleNamespace(device=device, peak=None, copies=copies)
    assert roofs_of(backend, pd.DataFrame({"precision": [], "layer": []}), 1).memory == wanted


def test_a_profiler_that_does_not_time_a_devices_layers_is_skipped_with_the_reason(prepared: Path) -> None:
    with pytest.raises(SkipJob, match="profiler of backend=onnx does not time layers on device=cuda; use device=cpu"):
        build_experiment(small_config(prepared, "task=profile", "backend=onnx", "device=cuda"))
    assert build_experiment(small_config(prepared, "task=profile", "backend=torch", "device=cuda")).backend.name == "torch"
