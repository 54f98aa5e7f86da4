"""The file of samples after kills: whole lines count, each second once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.tasks.soak.sampler import Sample
from harness.tasks.soak.store import SAMPLES, SampleStore, as_csv, gaps

ONE = Sample(1.0, 50, 50.5, None, 61.0, 0, 0.25, 0.1, 500.0, None, 1, 1000.0)
MANY = [replace(ONE, seconds=float(at), clock=1000.0 + at) for at in range(1, 6)]


@pytest.fixture
def store(tmp_path: Path) -> SampleStore:
    return SampleStore(tmp_path, {"artifact": "a", "threads": 2})


def filled(store: SampleStore, samples: list[Sample]) -> SampleStore:
    store.begin([], [])
    with store.appending() as keep:
        for sample in samples:
            keep(sample)
    return store


def test_samples_come_back_as_they_were_kept(store: SampleStore) -> None:
    assert filled(store, MANY).load() == MANY


@pytest.mark.parametrize("cut", [1, 2, 10, 25])
def test_a_line_that_was_cut_is_no_sample(store: SampleStore, cut: int) -> None:
    path = filled(store, MANY).folder / SAMPLES
    path.write_bytes(path.read_bytes()[:-cut])
    assert store.load() == MANY[:4]


def test_a_second_that_stands_there_twice_counts_once(store: SampleStore) -> None:
    assert filled(store, [*MANY, MANY[2], MANY[3]]).load() == MANY


def test_lines_that_are_no_samples_end_what_is_gone_on_with(store: SampleStore) -> None:
    path = filled(store, MANY).folder / SAMPLES
    path.write_text(path.read_text().replace("\n4.0,50", "\nfour,50"))
    assert store.load() == MANY[:3]
    path.write_bytes(b"\xff\x00\n")
    assert store.load() == []


def test_samples_of_another_making_are_not_used(store: SampleStore) -> None:
    filled(store, MANY)
    assert SampleStore(store.folder, {"artifact": "b", "threads": 2}).load() == []


def test_what_a_new_part_begins_after_is_in_the_file_and_nothing_else(store: SampleStore) -> None:
    path = filled(store, MANY).folder / SAMPLES
    path.write_bytes(path.read_bytes()[:-3])
    store.begin(store.load(), ["package-0"])
    assert path.read_text() == as_csv(MANY[:4])
    assert store.counters() == [[], ["package-0"]]


def test_a_part_that_left_no_sample_is_forgotten(store: SampleStore) -> None:
    filled(store, MANY)
    store.begin(MANY, ["package-0"])
    store.begin(MANY, ["package-1"])
    assert store.counters() == [[], ["package-1"]]


def test_a_gap_is_between_the_last_sample_and_the_first_update_after_it() -> None:
    later = [replace(ONE, seconds=6.5, part=2, clock=1065.5), replace(ONE, seconds=7.5, part=2, clock=1066.5)]
    [gap] = gaps([*MANY, *later])
    assert (gap.index, gap.second, gap.away_s) == (5, 5.0, pytest.approx(59.0))  # 1005 to 1065.5 less 1.5 s of tracking
    assert "after 5 s" in gap.sentence and "59 s later" in gap.sentence
