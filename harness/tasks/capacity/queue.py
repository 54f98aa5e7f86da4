"""A queue of frames from many cameras for a few workers: first come, first served, one frame per camera at a time.

A frame waits for at most one frame time: when the camera's next frame arrives, a frame that no worker has taken is
dropped. If arrivals are irregular, the frame time is that of the camera's mean rate.
"""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol


class Clock(Protocol):
    """Time, and waiting for it. All methods but ``now`` are called with ``lock`` held."""

    lock: threading.Condition

    def now(self) -> float:
        """Returns seconds since a fixed point in time."""
        ...

    def start(self, threads: int) -> None:
        """Announces that ``threads`` threads begin to use the clock."""
        ...

    def wait(self, until: float | None) -> None:
        """Waits until the time ``until`` (None: no limit) or ``wake``, whichever comes first."""
        ...

    def wake(self) -> None:
        """Wakes all waiting threads."""
        ...

    def leave(self) -> None:
        """Announces that the calling thread no longer uses the clock."""
        ...


class WallClock:
    """The computer's clock."""

    def __init__(self) -> None:
        self.lock = threading.Condition()

    def now(self) -> float:
        return perf_counter()

    def start(self, threads: int) -> None:
        del threads

    def wait(self, until: float | None) -> None:
        self.lock.wait(None if until is None else max(0.0, until - perf_counter()))

    def wake(self) -> None:
        self.lock.notify_all()

    def leave(self) -> None:
        return


@dataclass(frozen=True)
class Frame:
    """A frame that waits to be processed: its camera and its arrival time."""

    arrived: float
    stream: int


@dataclass
class Queue:
    """The frames that have arrived and those still to come.

    ``coming`` yields (seconds from the start of the queue, camera), in order and without end; ``keep_s`` is how long a
    frame may wait before it is dropped.
    """

    coming: Iterator[tuple[float, int]]
    keep_s: float
    clock: Clock
    dropped: int = 0
    _begin: float = field(init=False)
    _ready: list[tuple[float, int]] = field(default_factory=list)
    _behind: dict[int, deque[float]] = field(default_factory=dict)
    _closed: bool = False

    def __post_init__(self) -> None:
        self._begin = self.clock.now()
        self._next = self._advance()

    def _advance(self) -> tuple[float, int]:
        seconds, stream = next(self.coming)
        return self._begin + seconds, stream

    def take(self) -> Frame | None:
        """Waits for and returns the earliest frame of a camera without a frame in work; None if the queue is closed."""
        with self.clock.lock:
            while not self._closed:
                now = self.clock.now()
                self._admit(now)
                while self._ready:
                    arrived, stream = heapq.heappop(self._ready)
                    if stream in self._behind:  # another frame of the camera whose frame was just taken
                        self._behind[stream].append(arrived)
                        continue
                    if now - arrived < self.keep_s:
                        self._behind[stream] = deque()
                        return Frame(arrived, stream)
                    self.dropped += 1
                self.clock.wait(self._next[0])
            return None

    def _admit(self, now: float) -> None:
        """Puts arrived frames into the queue, or behind the frame of their camera that is in work."""
        while self._next[0] <= now:
            arrived, stream = self._next
            if stream in self._behind:
                self._behind[stream].append(arrived)
            else:
                heapq.heappush(self._ready, (arrived, stream))
            self._next = self._advance()

    def done(self, frame: Frame) -> float:
        """Marks ``frame`` as finished, so that its camera's next frame may be taken.

        Returns the seconds since it arrived.
        """
        with self.clock.lock:
            now = self.clock.now()
            self._admit(now)
            behind = self._behind.pop(frame.stream)
            for arrived in behind:
                heapq.heappush(self._ready, (arrived, frame.stream))
            if behind:
                self.clock.wake()
            return now - frame.arrived

    def close(self) -> None:
        """Ends the queue for every worker."""
        with self.clock.lock:
            self._closed = True
            self.clock.wake()
