"""Capacity of stand-ins that take a fixed time, on virtual time, against queueing theory and an independent recursion."""

from __future__ import annotations

import heapq
import math
from itertools import islice

import numpy as np
import pytest
from virtual_clock import VirtualClock

from harness.core.errors import ConfigError
from harness.tasks.capacity.arrivals import arrivals
from harness.tasks.capacity.search import Capacity, search
from harness.tasks.capacity.trial import Judge, Trial, binomial_interval, p99_with_interval, run_trial

FPS = 30.0


def measured(
    service_s: float, deadline_s: float, workers: int = 1, kind: str = "periodic", seed: int = 0, most_s: float = 8.0
) -> Capacity:
    """The harness's own search: threads, queue and verdicts, over a stand-in that takes ``service_s``."""

    def trial(streams: int) -> Trial:
        clock = VirtualClock()
        judge = Judge(deadline_s, least_s=1.0, most_s=most_s)
        coming = arrivals(kind, streams, FPS, seed)
        return run_trial(streams, workers, lambda stream, worker: clock.sleep(service_s), coming, 1 / FPS, judge, clock)

    return search(trial, guess=max(1, round(workers / FPS / service_s)), most=64)


def recursion(service_s: float, deadline_s: float, workers: int, seed: int = 0) -> int:
    """The same by the Kiefer-Wolfowitz recursion: each frame goes to the worker that is free first."""

    def passes(streams: int) -> bool:
        free = [0.0] * workers
        times = []
        for arrived, _ in islice(arrivals("periodic", streams, FPS, seed), int(streams * FPS * 20)):
            begun = max(arrived, heapq.heappop(free))
            if begun - arrived >= 1 / FPS:
                return False
            heapq.heappush(free, begun + service_s)
            times.append(begun + service_s - arrived)
        return float(np.mean(np.array(times) > deadline_s)) <= 0.01

    return max(streams for streams in range(0, 64) if not streams or passes(streams))


@pytest.mark.parametrize(
    ("service_ms", "deadline_ms", "workers"),
    [(4.0, 33.3, 1), (4.0, 12.5, 1), (3.1, 20.0, 1), (9.0, 33.3, 2), (9.0, 14.0, 3), (20.0, 25.0, 1)],
)
def test_fixed_service_and_periodic_frames_give_what_the_recursion_gives(
    service_ms: float, deadline_ms: float, workers: int
) -> None:
    found = measured(service_ms / 1e3, deadline_ms / 1e3, workers)
    assert found.streams == recursion(service_ms / 1e3, deadline_ms / 1e3, workers)


def test_without_a_tight_deadline_the_capacity_is_the_throughput() -> None:
    """One worker of 4 ms serves 1 / (30 x 0.004) = 8.3 cameras; with a frame time as the deadline the eighth still fits."""
    assert measured(0.004, 1 / FPS).streams == 8


def test_a_service_longer_than_the_deadline_leaves_no_stream() -> None:
    found = measured(0.020, 0.015)
    assert (found.streams, found.low, found.high) == (0, 0, 0)


def md1(streams: float, service_s: float, wait_s: float) -> float:
    """The share of waits of at most ``wait_s`` in an M/D/1 queue (A. K. Erlang, 1909)."""
    rate = streams * FPS
    load = rate * service_s
    if load >= 1:
        return 0.0
    total = 0.0
    for k in range(int(wait_s / service_s) + 1):
        behind = rate * (k * service_s - wait_s)
        total += behind**k / math.factorial(k) * math.exp(-behind)
    return (1 - load) * total


def test_fixed_service_and_poisson_frames_give_what_the_m_d_1_queue_gives() -> None:
    service, deadline = 0.004, 0.020
    expected = max(n for n in range(0, 9) if not n or md1(n, service, deadline - service) >= 0.99)
    assert expected == 4
    found = [measured(service, deadline, kind="poisson", seed=seed, most_s=60.0) for seed in range(2)]
    assert all(item.low - 1 <= expected <= item.high + 1 for item in found)
    assert all(abs(item.streams - expected) <= 1 for item in found)


def test_capacity_never_falls_as_the_deadline_grows() -> None:
    found = [measured(0.004, deadline / 1e3).streams for deadline in (3, 5, 8, 12, 16, 20, 26, 33)]
    assert found == sorted(found)
    assert found[0] == 0 and found[-1] == 8


def test_repeated_calls_over_a_noisy_service_agree_within_one_stream() -> None:
    def noisy(seed: int) -> int:
        drawn = np.random.default_rng(seed)

        def trial(streams: int) -> Trial:
            clock = VirtualClock()
            coming = arrivals("periodic", streams, FPS, 0)
            judge = Judge(0.025, least_s=1.0, most_s=8.0)
            return run_trial(
                streams, 1, lambda *_: clock.sleep(float(drawn.gamma(100, 0.004 / 100))), coming, 1 / FPS, judge, clock
            )

        return search(trial, 8, 64).streams

    found = [noisy(seed) for seed in range(4)]
    assert max(found) - min(found) <= 1


# ----------------------------------------------------------------------------------------- parts


def outcome(streams: int, passed: bool, sure: bool = True) -> Trial:
    return Trial(streams, passed, sure, 100, 0.0, 0, 1.0, 1.0, None, None, 1.0)


@pytest.mark.parametrize("capacity", [0, 1, 2, 5, 6, 7, 31, 64])
@pytest.mark.parametrize("guess", [1, 6, 64])
def test_the_search_finds_the_last_number_that_passes_in_few_steps(capacity: int, guess: int) -> None:
    found = search(lambda streams: outcome(streams, streams <= capacity), guess, most=64)
    assert found.streams == capacity
    assert len(found.trials) <= 15
    assert found.bounded == (capacity == 64)


def scripted(verdicts: dict[int, list[Trial]]) -> Capacity:
    """A search whose steps have these outcomes, in order; others pass up to 5 streams."""
    left = {streams: list(own) for streams, own in verdicts.items()}

    def trial(streams: int) -> Trial:
        return left[streams].pop(0) if left.get(streams) else outcome(streams, streams <= 5)

    return search(trial, 4, most=16)


def test_a_step_that_fails_for_a_drop_is_made_once_more() -> None:
    stumbled = Trial(5, False, True, 100, 0.0, 1, 1.0, 1.0, None, None, 1.0)
    assert scripted({5: [stumbled, outcome(5, True), outcome(5, True)]}).streams == 5
    assert scripted({5: [stumbled, stumbled]}).streams == 4


def test_a_step_that_fails_for_late_frames_is_not_made_again() -> None:
    found = scripted({5: [outcome(5, False)]})
    assert found.streams == 4
    assert [item.streams for item in found.trials].count(5) == 1


def test_the_number_found_must_pass_again_or_the_search_goes_on_below_it() -> None:
    lucky = scripted({6: [outcome(6, True), outcome(6, False)]})
    assert lucky.streams == 5
    passed = [item.streams for item in lucky.trials if item.passed]
    assert passed.count(5) == 2 and passed.count(6) == 1


def test_what_happens_while_a_step_settles_does_not_count() -> None:
    judge = Judge(0.03, least_s=0.5, most_s=1.0, settle_s=1.0)
    judge.add(9.0, 0.4)
    assert not judge.enough(0.4, dropped=7)
    for _ in range(600):
        judge.add(0.01, 1.2)
    assert not judge.enough(1.4, dropped=7)
    assert judge.enough(1.6, dropped=7)
    found = judge.verdict(3, 7, 1.6)
    assert (found.passed, found.frames, found.late, found.dropped) == (True, 600, 0.0, 0)
    assert judge.enough(1.6, dropped=8)


def test_the_interval_of_the_capacity_leaves_out_verdicts_that_are_not_sure() -> None:
    found = search(lambda streams: outcome(streams, streams <= 5, sure=streams not in (5, 6)), 4, most=64)
    assert found.streams == 5
    assert found.low == 4 and found.high >= 6


def test_a_verdict_needs_enough_frames_for_one_in_a_hundred() -> None:
    judge = Judge(0.03, least_s=0.0, most_s=100.0)
    for _ in range(500):
        judge.add(0.01, 1.0)
    assert not judge.enough(1.0, 0)  # none of 500 late: up to 1.05 % could be
    for _ in range(60):
        judge.add(0.01, 2.0)
    assert judge.enough(2.0, 0)
    assert judge.verdict(3, 0, 2.0).passed


def test_late_frames_that_come_in_bursts_are_worth_fewer_samples() -> None:
    """2 % late of 1,000 frames over 20 half seconds: spread evenly that is sure, all in one half second it is not."""

    def judged(late: set[int]) -> Judge:
        judge = Judge(0.03, least_s=0.0, most_s=100.0)
        for frame in range(1000):
            judge.add(0.05 if frame in late else 0.01, frame / 100)
        return judge

    assert not judged(set(range(100, 125))).enough(10.0, 0)
    assert judged(set(range(0, 1000, 40))).enough(10.0, 0)


def test_a_dropped_frame_ends_a_trial_at_once_and_fails_it() -> None:
    judge = Judge(0.03, least_s=3.0, most_s=100.0)
    judge.add(0.01, 0.1)
    assert judge.enough(0.1, dropped=1)
    found = judge.verdict(3, 1, 0.1)
    assert (found.passed, found.sure, found.dropped) == (False, True, 1)


def test_the_interval_of_a_share_is_that_of_clopper_and_pearson() -> None:
    low, high = binomial_interval(0, 100, 0.95)
    assert low == 0.0 and high == pytest.approx(1 - 0.025 ** (1 / 100))
    low, high = binomial_interval(10, 10, 0.95)
    assert high == 1.0 and low == pytest.approx(0.025 ** (1 / 10))


def test_the_interval_of_the_99th_percentile_needs_several_hundred_samples_for_its_upper_end() -> None:
    median, p99, low, high = p99_with_interval(np.arange(1, 101, dtype=float))
    assert (median, p99) == (50.5, pytest.approx(99.01))
    assert low is not None and low < 99 and high is None
    _, p99, low, high = p99_with_interval(np.arange(1, 2001, dtype=float))
    assert low is not None and high is not None and low < 1980 < high


def test_a_cameras_frames_come_at_its_rate_and_do_not_depend_on_the_others() -> None:
    alone = [time for time, _ in islice(arrivals("periodic", 1, 10.0, 7), 4)]
    among = [time for time, stream in islice(arrivals("periodic", 5, 10.0, 7), 20) if stream == 0]
    assert np.diff(alone) == pytest.approx([0.1] * 3)
    assert among == alone
    times = [time for time, _ in islice(arrivals("poisson", 1, 10.0, 7), 5000)]
    assert np.mean(np.diff(times)) == pytest.approx(0.1, rel=0.05)
    assert np.std(np.diff(times)) == pytest.approx(0.1, rel=0.05)


def test_unknown_arrivals_are_refused_with_those_accepted() -> None:
    with pytest.raises(ConfigError, match="accepted: periodic, poisson"):
        arrivals("bursts", 2, 30.0, 0)


def test_an_error_in_a_worker_ends_the_trial() -> None:
    def broken(stream: int, worker: int) -> None:
        raise RuntimeError("no such frame")

    with pytest.raises(RuntimeError, match="no such frame"):
        run_trial(2, 2, broken, arrivals("periodic", 2, FPS, 0), 1 / FPS, Judge(0.03, 1.0, 5.0), VirtualClock())
