"""Soaks of a stand-in on a clock of its own: ten minutes pass in a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stub_jobs import DriftingSpec, numbered_sequences, stub_context

from harness.core.errors import ConfigError, TrackingError
from harness.machine.energy import Meter, meter
from harness.tasks.soak import Soak
from harness.tasks.soak.changes import change_points, memory_growth
from harness.tasks.soak.sampler import SAMPLES, MachineProbe, Sample, as_csv, read_csv, watch

NO_METER = Meter([], "no energy counter here: none")
PLAIN = Sample(0.0, 0, None, 3000.0, 60.0, 0, 0.0, 0.1, 500.0, None)


class StandIn:
    """A tracker whose update takes ``cost(t)`` seconds at time t; its own machine as a probe."""

    def __init__(self, cost: Callable[[float], float], **machine: Callable[[float], Any]) -> None:
        self.time, self._cost, self._machine = 100.0, cost, machine

    def __call__(self) -> float:
        return self.time

    def updates(self) -> Iterator[float]:
        while True:
            spent = self._cost(self.time - 100.0)
            self.time += spent
            yield spent

    def read(self, seconds: float, frames: int, busy: float) -> Sample:
        told = {name: value(seconds) for name, value in self._machine.items()}
        return replace(PLAIN, seconds=seconds, frames=frames, fps=frames / busy, **told)

    def soak(self, seconds: float = 600.0) -> list[Sample]:
        return watch(self.updates(), seconds, self, self)


def noisy(level: Callable[[float], float], share: float = 0.03) -> Callable[[float], float]:
    """Seconds of an update around ``level(t)``, with noise and now and then an update that takes ten times as long."""
    drawn = np.random.default_rng(1)

    def cost(now: float) -> float:
        outlier = 10.0 if drawn.random() < 0.002 else 1.0
        return level(now) * outlier * float(max(0.2, 1 + share * drawn.standard_normal()))

    return cost


@pytest.mark.parametrize("cut", [120.0, 301.0, 500.0])
@pytest.mark.parametrize("slower", [1.15, 2.0])
def test_a_cut_in_mid_soak_is_found_at_its_second_within_three(cut: float, slower: float) -> None:
    samples = StandIn(noisy(lambda now: 0.02 * (slower if now >= cut else 1.0))).soak()
    found = Soak().result(samples, NO_METER)
    [change] = found.details["soak"]["changes"]
    assert abs(change["second"] - cut) <= 3
    assert change["share"] == pytest.approx(1 / slower - 1, abs=0.03)
    assert any(f"after {change['second']:.0f} s" in warning for warning in found.warnings)


def test_load_that_comes_and_goes_is_found_twice_and_named() -> None:
    load = lambda now: 200 <= now < 350  # noqa: E731
    stand_in = StandIn(noisy(lambda now: 0.03 if load(now) else 0.02), other_cores=lambda now: 1.6 if load(now) else 0.1)
    first, second = Soak().result(stand_in.soak(), NO_METER).details["soak"]["changes"]
    assert abs(first["second"] - 200) <= 3 and abs(second["second"] - 350) <= 3
    assert first["with"] == ["other processes used 1.5 cores more"]
    assert second["with"] == ["other processes used 1.5 cores less"]


def test_a_quota_heat_and_a_lower_clock_are_named_with_the_change_that_they_came_with() -> None:
    stand_in = StandIn(
        noisy(lambda now: 0.05 if now >= 300 else 0.02),
        quota_s=lambda now: 0.6 if now > 300 else 0.0,
        thermal=lambda now: 2 if now > 300 else 0,
        mhz=lambda now: 1800.0 if now > 300 else 3000.0,
    )
    found = Soak().result(stand_in.soak(), NO_METER)
    [change] = found.details["soak"]["changes"]
    assert "the control group's quota held threads back for 0.60 s a second" in change["sentence"]
    assert "heat held the clock back" in change["sentence"]
    assert "the clock frequency went from 3000 to 1800 MHz" in change["sentence"]
    assert found.details["soak"]["throttled"]["quota_s"] == pytest.approx(0.6 * 300, rel=0.02)


def test_a_steady_soak_has_no_change_and_no_slowdown() -> None:
    found = Soak().result(StandIn(noisy(lambda now: 0.02)).soak(), NO_METER)
    assert found.details["soak"]["changes"] == []
    assert found.metrics["soak/slowdown"] == pytest.approx(0.0, abs=0.02)
    assert found.warnings == []


def test_the_first_and_the_last_minute_are_compared() -> None:
    stand_in = StandIn(lambda now: 0.02 if now < 300 else 0.025)
    found = Soak().result(stand_in.soak(), NO_METER).metrics
    assert found["soak/fps_first"] == pytest.approx(50.0)
    assert found["soak/fps_last"] == pytest.approx(40.0)
    assert found["soak/slowdown"] == pytest.approx(0.2)


def test_a_short_soak_compares_a_fifth_at_either_end() -> None:
    stand_in = StandIn(lambda now: 0.02 if now < 10 else 0.04)
    found = Soak(minutes=0.5).result(stand_in.soak(30.0), NO_METER)
    assert found.details["soak"]["window_s"] == pytest.approx(6.0, abs=0.1)
    assert found.metrics["soak/fps_first"] == pytest.approx(50.0)
    assert found.metrics["soak/fps_last"] == pytest.approx(25.0)


def test_a_sample_is_taken_each_second_between_two_updates() -> None:
    samples = StandIn(lambda now: 0.375).soak(6.0)
    assert [item.seconds for item in samples] == [1.125, 2.25, 3.0, 4.125, 5.25, 6.0]
    assert [item.frames for item in samples] == [3, 3, 2, 3, 3, 2]


def test_an_update_longer_than_a_second_makes_a_longer_sample() -> None:
    samples = StandIn(lambda now: 2.5).soak(10.0)
    assert [item.seconds for item in samples] == [2.5, 5.0, 7.5, 10.0]
    assert {item.frames for item in samples} == {1}


def test_too_few_samples_are_refused_with_what_to_do() -> None:
    with pytest.raises(TrackingError, match=r"task\.minutes"):
        Soak().result([PLAIN], NO_METER)


# ------------------------------------------------------------------------------------------- energy


def test_joules_are_given_per_frame_and_per_second() -> None:
    samples = StandIn(lambda now: 0.02, joules=lambda now: 30.0).soak()
    found = Soak().result(samples, Meter([Counted()])).metrics
    assert found["energy/watts"] == pytest.approx(30.0, rel=1e-3)
    assert found["energy/joules_per_frame"] == pytest.approx(0.6, rel=1e-3)  # 50 frames a second


def test_without_a_counter_no_joules_are_guessed() -> None:
    found = Soak().result(StandIn(lambda now: 0.02).soak(60.0), NO_METER)
    assert not any(name.startswith("energy/") for name in found.metrics)
    assert found.details["soak"]["energy"] == "no energy counter here: none"


def test_a_counter_that_disappeared_leaves_no_joules_of_a_part() -> None:
    lost = Meter([Counted()], "package-1 could not be read any more", lost=True)
    samples = StandIn(lambda now: 0.02, joules=lambda now: 30.0).soak(60.0)
    found = Soak().result(samples, lost)
    assert not any(name.startswith("energy/") for name in found.metrics)
    assert "package-1" in found.details["soak"]["energy"]


def test_the_machines_probe_reads_the_counters_of_a_tree_that_wraps(tmp_path: Path) -> None:
    zone = tmp_path / "intel-rapl:0"
    zone.mkdir()
    for name, text in (("name", "package-0"), ("max_energy_range_uj", "1000000"), ("energy_uj", "900000")):
        (zone / name).write_text(text)
    probe = MachineProbe(meter(root=tmp_path))
    (zone / "energy_uj").write_text("100000")
    sample = probe.read(1.0, 40, 0.9)
    assert sample.joules == pytest.approx(0.2)
    assert sample.fps == pytest.approx(40 / 0.9)
    assert sample.rss_mb > 10
    (zone / "energy_uj").write_text("400000")
    assert probe.read(2.0, 40, 0.9).joules == pytest.approx(0.3)


class Counted:
    name = "package-0"

    def joules(self) -> float:
        return 0.0


# ------------------------------------------------------------------------------------------- memory


def test_memory_that_grows_all_along_is_flagged() -> None:
    stand_in = StandIn(lambda now: 0.02, rss_mb=lambda now: 500 + 0.1 * now)
    found = Soak().result(stand_in.soak(), NO_METER)
    assert found.details["soak"]["memory"]["flagged"]
    assert found.details["soak"]["memory"]["mb_per_minute"] == pytest.approx(6.0, rel=0.01)
    assert any("Memory grew by 48 MB" in warning for warning in found.warnings)


def test_memory_that_grows_at_the_beginning_only_is_not_flagged() -> None:
    seconds = np.arange(1.0, 601.0)
    assert not memory_growth(seconds, np.minimum(500 + 2 * seconds, 600)).flagged


def test_memory_that_goes_up_and_down_is_not_flagged() -> None:
    seconds = np.arange(1.0, 601.0)
    assert not memory_growth(seconds, 500 + 40 * np.sin(seconds / 9)).flagged


def test_a_few_samples_tell_nothing_of_memory() -> None:
    assert not memory_growth(np.arange(5.0), np.arange(5.0) * 100).flagged


# ---------------------------------------------------------------------------------- change points


def test_series_without_noise_have_their_steps_at_the_sample() -> None:
    series = np.array([30.0] * 40 + [20.0] * 40 + [25.0] * 40)
    assert [(item.index, item.before, item.after) for item in change_points(series)] == [(40, 30, 20), (80, 20, 25)]


def test_single_outliers_are_no_change() -> None:
    series = np.full(120, 30.0)
    series[[20, 60, 61, 100]] = 5.0
    assert change_points(series) == []


def test_a_change_smaller_than_asked_for_is_not_reported() -> None:
    series = np.array([30.0] * 60 + [29.7] * 60)
    assert change_points(series) == []
    assert [item.index for item in change_points(series, least=0.005)] == [60]


def test_missing_samples_keep_the_others_in_their_place() -> None:
    series = np.array([30.0] * 40 + [np.nan] * 3 + [20.0] * 40)
    assert [item.index for item in change_points(series)] == [43]


# --------------------------------------------------------------------------------------- the task


def test_a_soak_runs_over_the_sequences_again_and_again_and_leaves_its_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.tasks.soak.sampler.SAMPLE_S", 0.05)
    dataset = numbered_sequences(tmp_path / "data", sequences=2, frames=4)
    spec = DriftingSpec()
    found = Soak(minutes=0.4 / 60).run(stub_context(tmp_path / "job", dataset, spec))
    assert found.files == [SAMPLES]
    rows = read_csv(tmp_path / "job" / SAMPLES)
    assert len(rows) >= 3
    assert sum(row["frames"] or 0 for row in rows) > 6
    assert [len(seen) for seen in spec.trackers[1:-1]] == [4] * (len(spec.trackers) - 2)
    assert found.metrics["soak/fps_first"] > 0


def test_samples_are_written_with_gaps_where_the_machine_says_nothing(tmp_path: Path) -> None:
    (tmp_path / SAMPLES).write_text(as_csv([replace(PLAIN, seconds=1.0, frames=3, fps=30.5, mhz=None)]))
    [row] = read_csv(tmp_path / SAMPLES)
    assert (row["seconds"], row["fps"], row["mhz"], row["joules"]) == (1.0, 30.5, None, None)


@pytest.mark.parametrize(
    ("keys", "said"),
    [({"minutes": 0.0}, "task.minutes"), ({"window_s": 0.0}, "task.window_s"), ({"least_change": 1.5}, "task.least_change"),
     ({"warmup": 0}, "task.warmup")],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Soak(**keys)
