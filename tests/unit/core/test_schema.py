"""Files of a run with a value of another type are one sentence with the path of the key; what nobody names is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import DataError
from harness.core.schema import checked

PATH = Path("run/results.json")
SOUND = {"id": "a", "name": "b", "status": "ok", "config": {"x": 1}, "dataset": {"frames": 3, "own": [1]}, "details": {"soak": {"a": 1}}}


def test_checked_keeps_keys_that_it_does_not_name() -> None:
    assert checked("results", SOUND, PATH) == SOUND


@pytest.mark.parametrize(
    ("key", "value"),
    [("metrics.ao", "x"), ("dataset.frames", "x"), ("dataset.digest", 5), ("environment.memory_mb", []), ("details.other_load_cores", "x"),
     ("artifact.files", [1]), ("error.message", {}), ("scoring.random_weights", "yes"), ("details.rounds", "x")],
)  # fmt: skip
def test_checked_names_the_path_of_a_wrong_value(key: str, value: Any) -> None:
    first, second = key.split(".")
    with pytest.raises(DataError, match=rf"^run/results\.json: {first}.{second}"):
        checked("results", {**SOUND, first: {second: value}}, PATH)


def test_checked_with_a_number_of_thousands_of_digits_does_not_write_it_out() -> None:
    with pytest.raises(DataError) as told:
        checked("results", {**SOUND, "name": 10**5000}, PATH)
    assert len(str(told.value)) < 200


def test_checked_with_deep_nesting_says_so() -> None:
    nested: Any = 1
    for _ in range(100):
        nested = [nested]
    with pytest.raises(DataError, match="nested more than"):
        checked("results", {**SOUND, "details": {"a": nested}}, PATH)


@pytest.mark.parametrize(("key", "value"), [("id", 5), ("jobs", "x"), ("varied", [1]), ("count", "many"), ("words", {"a": 1})])
def test_checked_with_a_wrong_value_in_a_sweeps_record_names_it(key: str, value: Any) -> None:
    with pytest.raises(DataError, match=rf"sweep\.json: {key}"):
        checked("sweep", {"id": "a", key: value}, Path("sweep.json"))
