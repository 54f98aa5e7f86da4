"""Processes for a measurement in turns: as many loaded at once as there are cores, in their order, and all ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import HarnessError
from harness.jobs import turns
from harness.jobs.turns import Entrant


class World:
    """Stands in for processes: what is loading, loaded and ended."""

    def __init__(self) -> None:
        self.loading: list[str] = []
        self.most = 0
        self.ended: list[str] = []


@pytest.fixture
def world(monkeypatch) -> World:
    made = World()

    class Process:
        def __init__(self, entrant: Entrant) -> None:
            self.entrant, self.name = entrant, entrant.name
            made.loading.append(self.name)
            made.most = max(made.most, len(made.loading))

        def ready(self) -> Process:
            made.loading.remove(self.name)
            if self.name == "broken":
                raise HarnessError("no such device.")
            if self.name == "interrupted":
                raise KeyboardInterrupt
            return self

        def close(self) -> None:
            made.ended.append(self.name)

    monkeypatch.setattr(turns, "Loading", Process)
    monkeypatch.setattr(turns.environment, "thread_budget", lambda: 2)
    return made


def entrants(*names: str) -> list[Entrant]:
    return [Entrant(name, Path(name), 2) for name in names]


def test_two_cores_load_two_processes_at_once_in_their_order(world):
    with turns.standing(entrants("a", "b", "c", "d", "e"), {}) as ways:
        assert [way.name for way in ways] == ["a", "b", "c", "d", "e"]
        assert world.most == 2
        assert world.ended == []
    assert sorted(world.ended) == ["a", "b", "c", "d", "e"]


def test_a_process_that_cannot_load_is_told_and_the_others_stand(world):
    lost: dict[str, str] = {}
    with turns.standing(entrants("a", "broken", "c"), lost) as ways:
        assert [way.name for way in ways] == ["a", "c"]
    assert lost == {"broken": "no such device."}


def test_an_interrupt_while_loading_ends_all_that_were_started(world):
    with pytest.raises(KeyboardInterrupt), turns.standing(entrants("a", "interrupted", "c"), {}):
        pytest.fail("never entered")
    assert sorted(world.ended) == ["a", "c", "interrupted"]


def test_a_process_is_not_started_if_memory_is_short(world, monkeypatch):
    monkeypatch.setattr(turns.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1 << 20})())
    lost: dict[str, str] = {}
    with turns.standing(entrants("a"), lost) as ways:
        assert ways == []
    assert lost == {"a": "too little memory is free for one more process"}
