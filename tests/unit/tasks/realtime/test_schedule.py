"""Schedules worked out by hand at 10 frames a second (a frame time of 100 ms) over eight frames, unless a test says otherwise."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from harness.core.errors import ConfigError
from harness.tasks.realtime.schedule import LatencyCamera, Schedule, VotCamera, camera, exact, simulate

TEN = Fraction(10)


def ms(value: int) -> Fraction:
    return Fraction(value, 1000)


def latency_aware(latency: int, frames: int = 8, init: int | None = None) -> Schedule:
    first = latency if init is None else init
    return simulate(LatencyCamera(frames, TEN), lambda frame: ms(latency if frame else first))


def by_vot(latency: int, grace: int = 0, frames: int = 8) -> Schedule:
    return simulate(VotCamera(frames, TEN, grace), lambda _frame: ms(latency))


def steps(found: Schedule) -> list[tuple[int, Fraction, Fraction]]:
    return [(step.frame, step.taken * 1000, step.finished * 1000) for step in found.steps]


# ------------------------------------------------------------------------------ the latency-aware convention


def test_without_latency_every_frame_is_scored_with_its_own_result() -> None:
    found = latency_aware(0)
    assert found.source == found.processed == (0, 1, 2, 3, 4, 5, 6, 7)
    assert (found.dropped, found.late) == (0, 0)
    assert set(found.ages) == {0}


def test_a_latency_below_the_frame_time_drops_nothing_and_scores_each_frame_with_the_one_before() -> None:
    found = latency_aware(50)
    assert steps(found)[:3] == [(0, 0, 50), (1, 100, 150), (2, 200, 250)]
    assert found.source == (0, 0, 1, 2, 3, 4, 5, 6)
    assert (found.dropped, found.late) == (0, 0)
    assert set(found.ages) == {ms(100)}


def test_a_latency_of_exactly_the_frame_time_is_finished_when_the_next_frame_arrives() -> None:
    found = latency_aware(100)
    assert steps(found)[:3] == [(0, 0, 100), (1, 100, 200), (2, 200, 300)]
    assert found.source == (0, 0, 1, 2, 3, 4, 5, 6)
    assert (found.dropped, found.late) == (0, 0)


def test_a_latency_above_the_frame_time_takes_the_newest_frame_and_drops_those_between() -> None:
    found = latency_aware(150)
    assert steps(found) == [(0, 0, 150), (1, 150, 300), (3, 300, 450), (4, 450, 600), (6, 600, 750), (7, 750, 900)]
    assert found.source == (0, 0, 0, 1, 1, 3, 4, 4)
    assert (found.dropped, found.late) == (2, 5)
    assert [age * 1000 for age in found.ages] == [100, 200, 200, 300, 200, 200, 300]


def test_a_latency_far_above_the_frame_time_scores_the_given_box_until_the_first_result() -> None:
    found = latency_aware(730)
    assert steps(found) == [(0, 0, 730), (7, 730, 1460)]
    assert found.source == (0, 0, 0, 0, 0, 0, 0, 0)
    assert (found.dropped, found.late) == (6, 1)


def test_a_short_initialisation_leaves_the_tracker_free_for_frame_1() -> None:
    found = latency_aware(150, init=0)
    assert steps(found) == [(0, 0, 0), (1, 100, 250), (2, 250, 400), (4, 400, 550), (5, 550, 700), (7, 700, 850)]
    assert found.source == (0, 0, 0, 1, 2, 2, 4, 5)


def test_one_slow_update_among_fast_ones_costs_the_frames_that_passed_meanwhile() -> None:
    durations = {0: 10, 3: 250}
    found = simulate(LatencyCamera(8, TEN), lambda frame: ms(durations.get(frame, 20)))
    assert found.processed == (0, 1, 2, 3, 5, 6, 7)  # frame 3 takes until 550 ms, when frame 5 is the newest
    assert found.source == (0, 0, 1, 2, 2, 2, 5, 6)  # frame 5 is finished at 570 ms, before frame 6 arrives
    assert (found.dropped, found.late) == (1, 1)


# ---------------------------------------------------------------------------------------------- VOT's rule


@pytest.mark.parametrize("latency", [0, 50, 100, 150, 200])
def test_by_vot_up_to_two_frame_times_cost_no_frame(latency: int) -> None:
    found = by_vot(latency)
    assert found.source == found.processed == (0, 1, 2, 3, 4, 5, 6, 7)
    assert found.late == (7 if latency > 100 else 0)


def test_by_vot_a_latency_above_two_frame_times_costs_every_second_frame() -> None:
    found = by_vot(250)  # a debt of 150 ms after each update: one frame is skipped, the remaining 50 ms are forgiven
    assert found.processed == (0, 2, 4, 6)
    assert found.source == (0, 0, 2, 2, 4, 4, 6, 6)
    assert (found.dropped, found.late) == (4, 3)


def test_by_vot_a_latency_far_above_the_frame_time_holds_the_result_until_the_debt_is_one_frame_time() -> None:
    found = by_vot(1000, frames=12)  # a debt of 900 ms: frames 1 to 8 pay 800, the last 100 are forgiven
    assert found.processed == (0, 9)
    assert found.source == (0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9)


def test_by_vot_the_first_slow_updates_are_free_as_long_as_there_is_grace() -> None:
    found = by_vot(250, grace=3)  # initialisation, frame 1 and frame 2 use it up
    assert found.source == (0, 1, 2, 3, 3, 5, 5, 7)


def test_by_vot_a_fast_update_uses_no_grace() -> None:
    durations = {0: 20, 1: 20, 2: 250, 5: 250}
    found = simulate(VotCamera(8, TEN, grace=1), lambda frame: ms(durations.get(frame, 20)))
    assert found.source == (0, 1, 2, 3, 4, 5, 5, 7)  # frame 2 is forgiven, frame 5 costs frame 6


# The results of vot-toolkit 0.9.0's RealtimeTrackerRuntime for these durations at 16 fps, in frames whose state is reported;
# durations in 1/64 s (a frame time is 4), so that the toolkit's floats are exact.
WORKED = {
    (0, (2, 3, 9, 1, 12, 4, 5, 8, 13, 2, 2, 2)): (0, 1, 2, 2, 4, 4, 6, 7, 8, 8, 8, 11),
    (1, (9, 9, 1, 16, 1, 1, 1, 20, 1, 1, 1, 1)): (0, 1, 1, 3, 3, 3, 6, 7, 7, 7, 7, 11),
    (3, (9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9)): (0, 1, 2, 3, 3, 5, 5, 7, 7, 9, 9, 11),
}


@pytest.mark.parametrize("case", WORKED, ids=str)
def test_by_vot_the_frames_scored_are_those_of_the_toolkit(case: tuple[int, tuple[int, ...]]) -> None:
    grace, durations = case
    found = simulate(VotCamera(12, Fraction(16), grace), lambda frame: Fraction(durations[frame], 64))
    assert found.source == WORKED[case]


@pytest.fixture
def tracker() -> object:
    """vot-toolkit's module ``vot.tracker``. Its dependency attributee 0.1.10 cannot be imported by Python 3.11; 0.1.8 can."""
    try:
        return importlib.import_module("vot.tracker")
    except (ImportError, TypeError) as error:
        pytest.skip(f"vot-toolkit cannot be imported ({error}); pip install vot-toolkit 'attributee<0.1.9'")


def test_by_vot_any_durations_give_what_the_installed_toolkit_gives(tracker: object) -> None:
    drawn = np.random.default_rng(0)
    for grace in (0, 1, 2, 3) * 10:
        durations = [int(value) for value in drawn.integers(0, 24, 60)]
        found = simulate(VotCamera(60, Fraction(16), grace), lambda frame, own=durations: Fraction(own[frame], 64))
        assert found.source == toolkit(tracker, durations, grace), durations


def test_the_worked_results_are_those_of_the_installed_toolkit(tracker: object) -> None:
    for (grace, durations), worked in WORKED.items():
        assert toolkit(tracker, durations, grace) == worked


def toolkit(tracker: object, durations: Sequence[int], grace: int) -> tuple[int, ...]:
    """The frames whose state the toolkit's own wrapper reports, over a dummy whose state is the frame's number."""

    class Dummy(tracker.OnlineTrackerRuntime):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__(None)

        def stop(self) -> None: ...

        def restart(self) -> None: ...

        def initialize(self, frame: int, new: object = None) -> tuple[int, float]:
            return frame, durations[frame] / 64

        def update(self, frame: int, new: object = None) -> tuple[int, float]:
            return frame, durations[frame] / 64

    wrapped = tracker.RealtimeTrackerRuntime(Dummy(), grace, 1 / 16)  # type: ignore[attr-defined]
    reported = [wrapped.initialize(0)[0]]
    reported += [wrapped.update(frame)[0] for frame in range(1, len(durations))]
    return tuple(reported)


# -------------------------------------------------------------------------------------------- both


def test_a_sequence_of_one_frame_has_a_schedule_of_one_step() -> None:
    for found in (latency_aware(150, frames=1), by_vot(150, frames=1)):
        assert found.source == found.processed == (0,)
        assert (found.dropped, found.late, found.ages) == (0, 0, ())


def test_a_decimal_number_is_taken_as_written() -> None:
    assert exact(29.97) == Fraction(2997, 100)
    assert exact(40.0) / 1000 == 1 / Fraction(25)


def test_an_unknown_convention_is_refused_with_those_accepted() -> None:
    with pytest.raises(ConfigError, match="accepted: latency, vot"):
        camera("voting", 8, TEN, 3)
    assert isinstance(camera("vot", 8, TEN, 3), VotCamera)


def test_a_camera_refuses_what_no_camera_has() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        LatencyCamera(0, TEN)
    with pytest.raises(ValueError, match="positive"):
        LatencyCamera(8, Fraction(0))
    with pytest.raises(ValueError, match="0 or more"):
        VotCamera(8, TEN, -1)
