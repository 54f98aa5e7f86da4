"""Accuracy control's decisions, over an engine whose int8 loses a known AO per layer."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.machine.progress import Silent
from harness.prepare import accuracy_control
from harness.prepare.accuracy_control import Candidate, Control

NODES = [f"n{number}" for number in range(8)]


class Engine:
    """``model`` is the set of layers in int8; each costs ``loss``."""

    no_control = "a stand-in has none"

    def __init__(self, loss: dict[str, float]) -> None:
        self.loss = loss

    def nodes(self, name: str) -> list[str]:
        del name
        return NODES

    def quantise(self, name: str, items: Any, ignored: Any = ()) -> frozenset[str]:
        del name, items
        return frozenset(NODES) - set(ignored)

    def session(self, model: frozenset[str], name: str) -> frozenset[str]:
        del name
        return model


def control(loss: dict[str, float], max_drop: float = 0.01, base: float = 0.7) -> tuple[Control, float]:
    found = object.__new__(Control)
    found.engine = Engine(loss)  # type: ignore[assignment]
    found.items, found.sessions, found.progress = {"search": []}, {}, Silent()
    found.blocks, found.max_drop, found.deadline, found.folder = 4, max_drop, 0.0, Path()
    found.ao = lambda sessions: base - sum(loss.get(node, 0.0) for node in sessions["search"])  # type: ignore[method-assign, assignment]
    found._layers = lambda model, name: {  # type: ignore[method-assign, assignment]
        "total": len(NODES),
        "int8": len(model),
        "fp32": sorted(set(NODES) - model),
    }
    return found, base


def test_int8_throughout_where_it_loses_little() -> None:
    found, base = control({"n3": 0.005})
    best, told = found._graph("search", base)
    assert best.layers["int8"] == 8
    assert told["reverted"] == []
    assert told["coarse"] == []
    assert told["drop_after"] == pytest.approx(0.005)
    assert told["fine"] == "not needed"


def test_the_guilty_block_goes_back() -> None:
    found, base = control({"n4": 0.05, "n0": 0.004})
    best, told = found._graph("search", base)
    assert told["reverted"] == ["n4", "n5"]
    assert told["drop_before"] == pytest.approx(0.054)
    assert told["drop_after"] == pytest.approx(0.004)
    assert len(told["coarse"]) == 4
    assert best.layers["int8"] == 6
    assert told["fine"] == "not done: a stand-in has none"


def test_blocks_are_joined_most_helpful_first() -> None:
    found, base = control({"n0": 0.03, "n7": 0.05, "n3": 0.005})
    _best, told = found._graph("search", base)
    assert told["reverted"] == ["n0", "n1", "n6", "n7"]
    assert told["drop_after"] == pytest.approx(0.005)
    assert len(told["coarse"]) == 5


def test_fp32_is_kept_where_nothing_meets_the_drop() -> None:
    found, base = control(dict.fromkeys(NODES, 0.05))
    best, told = found._graph("search", base)
    assert best.model is None
    assert told["drop_after"] == 0.0
    assert told["int8_layers"] == 0
    assert told["how"] == "all of the graph left in fp32"


def test_blocks_cover_every_node_once() -> None:
    parts = accuracy_control.blocks(NODES, 3)
    assert [node for part in parts for node in part] == NODES
    assert len(parts) == 3
    assert accuracy_control.blocks(NODES[:2], 4) == [["n0"], ["n1"]]


def test_a_gain_meets_any_drop() -> None:
    found, base = control({}, max_drop=0.0)
    assert found.meets(base, base)
    assert found.meets(base + 0.1, base)
    assert not found.meets(base - 1e-6, base)
    assert isinstance(found._candidate("search", (), "x"), Candidate)


def test_every_graph_is_on_record_and_the_whole_is_the_whole_of_them() -> None:
    """template loses 0.05 by its n1 alone, search 0.02 whatever is done: 0.07 in all, of which 0.05 can be won back."""
    found, base = control({}, max_drop=0.03)
    losses = {"template": {"n1": 0.05}, "search": dict.fromkeys(NODES, 0.0025)}
    found.items = {"template": [], "search": []}
    found.sessions = {"template": frozenset(), "search": frozenset()}  # type: ignore[dict-item]
    found.sequences, found.evaluations, found.began = [], 0, 0.0
    found.step = SimpleNamespace(options={"validation": {"digest": "d"}})  # type: ignore[assignment]
    found.ao = lambda sessions: base - sum(  # type: ignore[method-assign, assignment]
        losses[graph].get(node, 0.0) for graph, nodes in sessions.items() for node in nodes
    )
    found._kept = lambda candidate, name: found.sessions.update({name: candidate.model or frozenset()})  # type: ignore[method-assign, assignment, func-returns-value]
    _, record = found.run(["template", "search"], {})
    assert list(record["graphs"]) == ["template", "search"]
    assert record["graphs"]["template"]["drop_before"] == pytest.approx(0.05)
    assert record["graphs"]["template"]["reverted"] == ["n0", "n1"]
    assert record["graphs"]["search"]["reverted"] == []
    assert record["drop_before"] == pytest.approx(0.07)
    assert record["drop_after"] == pytest.approx(0.02)
    assert record["ao_int8"] == pytest.approx(base - 0.07)
