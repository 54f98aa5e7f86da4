"""Profiles: events into rows, rows into types."""

from __future__ import annotations

import pytest

from harness.backends.onnx.profile import rows_of
from harness.core.preparing import LayerTime, LayerTimes
from harness.tasks.profile.task import metric_word, tables


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
