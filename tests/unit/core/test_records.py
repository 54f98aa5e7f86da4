"""Typed records: what they are in results.json, and how they are read back."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from harness.core.errors import DataError
from harness.core.records import Record, Scoring


@dataclass(kw_only=True)
class Inner:
    frame: int | None
    note: str | None = None


@dataclass(kw_only=True)
class Toy(Record):
    mode: str = "serial"
    start_s: float | None = None
    inner: Inner | None = None
    parts: dict[str, Inner] = field(default_factory=dict)


def test_optional_fields_that_are_none_are_left_out_and_others_stay():
    found = Toy(inner=Inner(frame=None), scoring=Scoring(protocol="got10k")).details()
    assert found == {
        "scoring": {"random_weights": False, "protocol": "got10k"},
        "mode": "serial",
        "inner": {"frame": None},
        "parts": {},
    }


def test_a_record_is_read_as_it_was_written():
    record = Toy(start_s=1.5, parts={"a": Inner(frame=3, note="x")}, scored_frames=7)
    assert Toy.read(record.details()) == record


def test_keys_that_others_added_are_no_obstacle():
    assert Toy.read({"mode": "parallel", "other_load_cores": 0.1, "rounds": []}).mode == "parallel"


def test_a_wrong_type_is_reported_with_its_path():
    with pytest.raises(DataError, match=r"details\.parts\.a\.frame: .*integer"):
        Toy.read({"parts": {"a": {"frame": "many"}}})
