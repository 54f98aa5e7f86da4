"""One step of the search: a number of cameras at the same time, for as long as the verdict needs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.tasks.capacity.queue import Clock, Queue

SHARE = 0.01
"""The share of frames that may miss the deadline; the 99th percentile is within it if no more do."""
LEVEL = 0.99
"""Confidence of a verdict."""
BLOCK_S = 0.5
"""Frames within this distance of each other may be late for the same reason."""


def binomial_interval(hits: float, count: float, level: float = LEVEL) -> tuple[float, float]:
    """The confidence interval of a share, given ``hits`` of ``count`` (C. Clopper, E. Pearson, Biometrika 1934).

    Both may be fractions: effective numbers of correlated samples.
    """
    from scipy.stats import beta

    if not count:
        return 0.0, 1.0
    tail = (1 - level) / 2
    low = float(beta.ppf(tail, hits, count - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, count - hits)) if hits < count else 1.0
    return low, high


@dataclass(frozen=True)
class Trial:
    """The result of ``streams`` cameras at the same time.

    ``p50_ms``, ``p99_ms`` and the 99 % interval of the latter are of (finished - arrived); ``late`` is the share of frames
    that missed the deadline; ``passed`` is the verdict, ``sure`` whether the samples decide it at that confidence.
    """

    streams: int
    passed: bool
    sure: bool
    frames: int
    late: float
    dropped: int
    p50_ms: float | None
    p99_ms: float | None
    p99_low_ms: float | None
    p99_high_ms: float | None
    seconds: float

    def record(self) -> dict[str, Any]:
        """Returns the trial as results.json and the file of trials hold it."""
        return dict(self.__dict__)


@dataclass
class Judge:
    """Collects seconds from arrival to the end of processing, and decides when there are enough.

    Args:
        deadline_s: The limit of the 99th percentile.
        least_s: The least time for a verdict, unless a frame is dropped, because neighbouring frames are alike.
        most_s: The time after which the samples so far give the verdict, which is then not sure.
        settle_s: The first seconds, which do not count because threads start and caches fill.
    """

    deadline_s: float
    least_s: float
    most_s: float
    settle_s: float = 0.0
    check_s: float = 0.25
    samples: list[float] = field(default_factory=list)
    late: int = 0
    _next_check: float = 0.0
    _blocks: dict[int, list[int]] = field(default_factory=dict)
    _dropped_before: int = 0

    def add(self, seconds: float, elapsed: float) -> None:
        """Adds a frame finished ``seconds`` after it arrived, ``elapsed`` seconds after the trial began."""
        if elapsed < self.settle_s:
            return
        late = seconds > self.deadline_s
        self.samples.append(seconds)
        self.late += late
        block = self._blocks.setdefault(int(elapsed / BLOCK_S), [0, 0])
        block[0] += late
        block[1] += 1

    def enough(self, elapsed: float, dropped: int) -> bool:
        """Whether the trial can end after ``elapsed`` seconds with ``dropped`` dropped frames in total."""
        elapsed -= self.settle_s
        if elapsed < 0:
            self._dropped_before = dropped
            return False
        if dropped > self._dropped_before or elapsed >= self.most_s:
            return True
        if elapsed < max(self.least_s, self._next_check):
            return False
        self._next_check = elapsed + self.check_s
        return self._sure()

    def _sure(self) -> bool:
        """Whether the share of late frames is above or below the allowed share with confidence."""
        weight = self._weight()
        low, high = binomial_interval(self.late * weight, len(self.samples) * weight)
        return low > SHARE or high < SHARE

    def _weight(self) -> float:
        """How many independent samples one sample counts for, at most 1, because late frames come in bursts.

        This is the inverse of the design effect: the variance of blocks' shares of late frames over that of independent
        samples.
        """
        share = self.late / max(1, len(self.samples))
        late, counts = np.array(list(self._blocks.values()), float).reshape(-1, 2).T
        if len(counts) < 3 or not 0 < share < 1:
            return 1.0
        effect = float(np.mean((late - share * counts) ** 2 / counts)) / (share * (1 - share))
        return 1 / max(1.0, effect)

    def verdict(self, streams: int, dropped: int, elapsed: float) -> Trial:
        """Returns the verdict of the samples."""
        dropped -= self._dropped_before
        count = len(self.samples)
        late = self.late / count if count else 0.0
        passed = not dropped and bool(count) and late <= SHARE
        p50, p99, low, high = p99_with_interval(np.array(self.samples) * 1e3)
        return Trial(streams, passed, bool(dropped) or self._sure(), count, late, dropped, p50, p99, low, high, elapsed)


def p99_with_interval(
    values: npt.NDArray[np.float64],
) -> tuple[float | None, float | None, float | None, float | None]:
    """Returns (median, 99th percentile, low, high).

    The interval is by order statistics, None if samples are too few.
    """
    from scipy.stats import binom

    if not len(values):
        return None, None, None, None
    ordered = np.sort(values)
    count, tail = len(ordered), (1 - LEVEL) / 2
    low, high = int(binom.ppf(tail, count, 1 - SHARE)) - 1, int(binom.ppf(1 - tail, count, 1 - SHARE))
    return (
        float(np.median(ordered)),
        float(np.percentile(ordered, 100 * (1 - SHARE))),
        float(ordered[low]) if low >= 0 else None,
        float(ordered[high]) if high < count else None,
    )


def run_trial(
    streams: int,
    workers: int,
    serve: Callable[[int, int], None],
    coming: Iterator[tuple[float, int]],
    keep_s: float,
    judge: Judge,
    clock: Clock,
) -> Trial:
    """Runs ``streams`` cameras over ``workers`` threads until ``judge`` has enough.

    ``serve(stream, worker)`` processes the next frame of a camera; it runs in the worker's thread, never twice at once for one
    camera. Raises the first error of a worker.
    """
    queue = Queue(coming, keep_s, clock)
    begin = clock.now()
    errors: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            while (frame := queue.take()) is not None:
                serve(frame.stream, worker)
                seconds = queue.done(frame)
                with clock.lock:
                    elapsed = clock.now() - begin
                    judge.add(seconds, elapsed)
                    enough = judge.enough(elapsed, queue.dropped)
                if enough:
                    queue.close()
        except BaseException as error:
            errors.append(error)
            queue.close()
        finally:
            with clock.lock:
                clock.leave()

    with clock.lock:
        clock.start(workers)
    threads = [threading.Thread(target=work, args=(index,), name=f"worker-{index}") for index in range(workers)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        queue.close()
        raise
    if errors:
        raise errors[0]
    return judge.verdict(streams, queue.dropped, clock.now() - begin)
