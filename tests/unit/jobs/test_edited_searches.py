"""The record of an unfinished search or tuning is a file that people may edit: each wrong value is told with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from harness.core.errors import ConfigError, DataError
from harness.core.files import read_record, write_json
from harness.jobs.recommend.lab import Say
from harness.jobs.recommend.state import Entry, Request, State
from harness.jobs.tune import DataLab, Wish, Work

REQUEST = Request(("tracker=smat_demo",))
WISH = Wish(("tracker.penalty_k",))


def state() -> State:
    found = State(REQUEST.plain(), [Entry(0, [["backend", "onnx"]])], [{"heat": 0, "seconds": {"0": 0.1}, "tail": {"0": 0.2}, "quiet": True}])
    found.heats = [{"numbers": [0], "done": True}]
    return found


def work(folder: Path, wish: Wish = WISH) -> Work:
    return Work(wish, folder, cast(DataLab, None), cast(Say, print), {}, [])


def test_a_search_is_read_back_as_it_was(tmp_path: Path) -> None:
    state().save(tmp_path)
    assert State.load(tmp_path, REQUEST) == state()
    with pytest.raises(ConfigError, match="holds a search with other settings"):
        State.load(tmp_path, Request(("tracker=smat",)))


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ({"entries": None}, "entries: input should be a valid list"),
        ({"entries": [5]}, r"entries\.0: input should be"),
        ({"entries": [{"number": "x", "settings": []}]}, r"entries\.0\.number"),
        ({"entries": [{"settings": []}]}, r"entries\.0\.number: field required"),
        ({"rounds": [{}]}, "rounds lack heat, quiet, seconds, tail"),
        ({"rounds": [5]}, r"rounds\.0: input should be"),
        ({"heats": [{"numbers": [0]}]}, "heats lack done"),
        ({"spent_s": "long"}, "spent_s: input should be a valid number"),
        ({"request": []}, "request: input should be"),
    ],
)
def test_an_edited_search_is_told_with_the_place(tmp_path: Path, edit: dict[str, Any], says: str) -> None:
    state().save(tmp_path)
    write_json(tmp_path / "recommend.json", {**read_record(tmp_path / "recommend.json"), **edit})
    with pytest.raises(DataError, match=rf"recommend\.json is damaged \({says}.*\); start a new search in another folder\."):
        State.load(tmp_path, REQUEST)


def test_a_tuning_is_read_back_as_it_was(tmp_path: Path) -> None:
    kept = work(tmp_path)
    assert not kept.load()
    kept.trials, kept.own, kept.spent_s = [{"values": {"tracker.penalty_k": 0.5}, "value": None}], 0.6, 2.0
    kept.save()
    again = work(tmp_path)
    assert again.load()
    assert (again.trials, again.own, again.spent_s) == (kept.trials, 0.6, 2.0)
    with pytest.raises(ConfigError, match="holds a tuning with other settings"):
        work(tmp_path, Wish(("tracker.other",))).load()


@pytest.mark.parametrize(
    ("edit", "says"),
    [({"trials": [{"values": None, "value": 1}]}, r"trials\.0\.values"), ({"trials": 5}, "trials"), ({"own": "x"}, "own"), ({"wish": None}, "wish"), ({"trials": [{"value": 1}]}, r"trials\.0\.values: field required")],
)
def test_an_edited_tuning_is_told_with_the_place(tmp_path: Path, edit: dict[str, Any], says: str) -> None:
    work(tmp_path).save()
    write_json(tmp_path / "tune.json", {**read_record(tmp_path / "tune.json"), **edit})
    with pytest.raises(DataError, match=rf"tune\.json is damaged \({says}.*\); start a folder of its own\."):
        work(tmp_path).load()
