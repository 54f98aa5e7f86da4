"""Soaks of a stand-in on a clock of its own: ten minutes pass in a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from stub_jobs import DriftingSpec, numbered_sequences, stub_context

from harness.core.errors import ConfigError, TrackingError
from harness.machine.energy import Meter, meter
from harness.machine.sensors import ProcessorSensors
from harness.tasks.soak import Soak
from harness.tasks.soak.changes import change_points, memory_growth
from harness.tasks.soak.sampler import MachineProbe, Sample, watch
from harness.tasks.soak.store import SAMPLES, as_csv, gaps, read_csv

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


# ------------------------------------------------------------------------------------ interruptions


def interrupted(before: Callable[[float], float], after: Callable[[float], float], at: float = 300.0, away: float = 900.0) -> list[Sample]:
    """Ten minutes of tracking, cut ``at`` a second and gone on with ``away`` seconds later: updates take ``before(t)``, then ``after(t)``."""
    first = [replace(item, clock=item.seconds) for item in StandIn(before).soak(at)]
    stand_in, done = StandIn(after), first[-1].seconds
    rest = watch(stand_in.updates(), 600.0, stand_in, stand_in, before=done)
    return first + [replace(item, part=2, clock=away + item.seconds) for item in rest]


def test_a_soak_that_goes_on_has_the_seconds_that_are_left_and_says_how_long_it_was_away() -> None:
    samples = interrupted(noisy(lambda now: 0.02), noisy(lambda now: 0.02))
    assert len(samples) == 600 and samples[-1].seconds == pytest.approx(600, abs=0.5)
    found = Soak().result(samples, NO_METER)
    [cut] = found.details["soak"]["interruptions"]
    assert (cut["second"], cut["away_s"]) == (pytest.approx(300, abs=0.5), pytest.approx(900, abs=0.5))
    assert found.details["soak"]["changes"] == []
    assert [warning for warning in found.warnings if "interrupted after 300 s" in warning and "900 s later" in warning] == found.warnings


def test_a_change_at_an_interruption_is_called_that_and_found_nowhere_else() -> None:
    found = Soak().result(interrupted(noisy(lambda now: 0.02), noisy(lambda now: 0.016)), NO_METER)
    [change] = found.details["soak"]["changes"]
    assert change["across"] and change["second"] == pytest.approx(300, abs=0.5)
    assert "over the interruption after 300 s" in change["sentence"]
    assert change["share"] == pytest.approx(0.25, abs=0.03)


def test_changes_before_and_after_an_interruption_keep_their_own_seconds() -> None:
    samples = interrupted(
        noisy(lambda now: 0.03 if now >= 150 else 0.02),
        noisy(lambda now: 0.025 if now >= 100 else 0.02),  # a hundred seconds after the resumption
    )
    changes = Soak().result(samples, NO_METER).details["soak"]["changes"]
    assert [item["across"] for item in changes] == [False, True, False]
    assert [item["second"] for item in changes] == [pytest.approx(second, abs=3) for second in (150, 300, 400)]


def test_a_few_seconds_between_two_interruptions_are_no_level() -> None:
    level = noisy(lambda now: 0.02)
    samples = interrupted(level, level, at=300.0)
    short = range(300, 305)
    samples = [
        replace(item, fps=20.0 if index in short else 50.0, part=3 if index > short[-1] else item.part)
        for index, item in enumerate(samples)
    ]
    assert len(gaps(samples)) == 2
    assert Soak().result(samples, NO_METER).details["soak"]["changes"] == []


def test_both_ends_are_compared_over_seconds_of_tracking() -> None:
    samples = interrupted(lambda now: 0.02, lambda now: 0.025, at=30.0)
    found = Soak().result(samples, NO_METER).metrics
    frames, seconds = 30 / 0.02 + 30 / 0.025, 60.0
    assert found["soak/fps_first"] == pytest.approx(frames / seconds, rel=0.01)
    assert found["soak/fps_last"] == pytest.approx(40.0)


def test_joules_are_those_of_tracking_alone() -> None:
    samples = [replace(item, joules=30.0) for item in interrupted(lambda now: 0.02, lambda now: 0.02)]
    found = Soak().result(samples, Meter([Counted()]), counted=[["package-0"], ["package-0"]]).metrics
    assert found["energy/watts"] == pytest.approx(30.0, rel=1e-3)  # the 900 s away are no seconds of it
    assert found["energy/joules_per_frame"] == pytest.approx(0.6, rel=1e-3)


@pytest.mark.parametrize("before", [[], ["package-0", "package-1"]])
def test_parts_counted_by_other_counters_give_no_joules(before: list[str]) -> None:
    samples = [replace(item, joules=30.0) for item in interrupted(lambda now: 0.02, lambda now: 0.02)]
    found = Soak().result(samples, Meter([Counted()]), counted=[before, ["package-0"]])
    assert not any(name.startswith("energy/") for name in found.metrics)
    assert "in one part of this soak and by package-0 in another" in found.details["soak"]["energy"]


def test_a_new_process_that_needs_more_memory_is_no_growth() -> None:
    samples = interrupted(lambda now: 0.02, lambda now: 0.02)
    samples = [replace(item, rss_mb=500.0 if item.part == 1 else 900.0) for item in samples]
    assert not Soak().result(samples, NO_METER).details["soak"]["memory"]["flagged"]
    growing = [replace(item, rss_mb=item.rss_mb + 0.2 * item.seconds if item.part == 2 else item.rss_mb) for item in samples]
    assert Soak().result(growing, NO_METER).details["soak"]["memory"]["mb_per_minute"] == pytest.approx(12.0, rel=0.01)


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


class Failing(Counted):
    """Can be read once."""

    name, reads = "package-1", 0

    def joules(self) -> float:
        self.reads += 1
        if self.reads > 1:
            raise OSError("gone")
        return 0.0


def test_a_counter_that_falls_away_in_mid_soak_leaves_no_joules_from_then_on() -> None:
    probe = MachineProbe(Meter([Counted(), Failing()]))
    assert probe.read(1.0, 40, 0.9).joules is None


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


def test_energy_and_sensors_are_those_of_the_card_that_the_runtime_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counters(device: str, card: str) -> Meter:
        asked.append(card)
        return meter(root=tmp_path)

    def read(device: str, card: str) -> ProcessorSensors:
        asked.append(card)
        return ProcessorSensors()

    monkeypatch.setattr("harness.tasks.soak.sampler.SAMPLE_S", 0.05)
    monkeypatch.setattr("harness.tasks.soak.task.meter", counters)
    monkeypatch.setattr("harness.tasks.soak.task.sensors_of", read)
    dataset = numbered_sequences(tmp_path / "data", sequences=1, frames=4)
    Soak(minutes=0.4 / 60).run(stub_context(tmp_path / "job", dataset, DriftingSpec()))
    assert asked == ["GPU-stub", "GPU-stub"]


def test_a_soak_that_was_cut_goes_on_with_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.tasks.soak.sampler.SAMPLE_S", 0.05)
    dataset, folder = numbered_sequences(tmp_path / "data", sequences=2, frames=4), tmp_path / "job"
    with pytest.raises(Cut):
        Soak(minutes=1.0 / 60).run(stub_context(folder, dataset, DriftingSpec(cut_after(0.4))))
    left = (folder / SAMPLES).read_text()
    assert left.count("\n") >= 4  # the head, and samples of 0.4 seconds
    (folder / SAMPLES).write_text(left + "0.45,12,")  # as a kill in the middle of a line leaves it
    found = Soak(minutes=1.0 / 60).run(stub_context(folder, dataset))
    text = (folder / SAMPLES).read_text()
    assert text.startswith(left)
    rows = read_csv(folder / SAMPLES)
    seconds = [row["seconds"] or 0.0 for row in rows]
    assert seconds == sorted(set(seconds)) and seconds[-1] >= 0.9
    assert {row["part"] for row in rows} == {1.0, 2.0}
    [cut] = found.details["soak"]["interruptions"]
    assert cut["second"] == seconds[left.count("\n") - 2]


def test_a_finished_soak_whose_result_was_lost_is_not_tracked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.tasks.soak.sampler.SAMPLE_S", 0.05)
    dataset, folder = numbered_sequences(tmp_path / "data", sequences=2, frames=4), tmp_path / "job"
    first = Soak(minutes=0.3 / 60).run(stub_context(folder, dataset))
    again = Soak(minutes=0.3 / 60).run(stub_context(folder, dataset, DriftingSpec(cut_after(0.0))))
    assert again.metrics == first.metrics


def test_samples_of_another_setting_are_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.tasks.soak.sampler.SAMPLE_S", 0.05)
    dataset, folder = numbered_sequences(tmp_path / "data", sequences=2, frames=4), tmp_path / "job"
    Soak(minutes=0.3 / 60).run(stub_context(folder, dataset))
    Soak(minutes=0.3 / 60).run(stub_context(folder, dataset, hint={"name": "latency"}))
    rows = read_csv(folder / SAMPLES)
    assert {row["part"] for row in rows} == {1.0} and len({row["seconds"] for row in rows}) == len(rows)


class Cut(BaseException):
    """Stands for a kill."""


def cut_after(seconds: float) -> Callable[[], None]:
    """Ends the process's work in the first update that begins so many seconds after the first one."""
    began: list[float] = []

    def on_update() -> None:
        began.append(perf_counter())
        if began[-1] - began[0] >= seconds:
            raise Cut

    return on_update


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
