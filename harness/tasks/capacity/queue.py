"""Frames of many cameras before a few workers: first come, first served, one frame of a camera at a time.

A camera keeps a frame for one frame time: when its next one is there, one that nobody has begun is dropped (so it is at
the camera's mean rate where arrivals are irregular).
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
        """Seconds since some moment."""
        ...

    def start(self, threads: int) -> None:
        """``threads`` threads begin to use the clock."""
        ...

    def wait(self, until: float | None) -> None:
        """Waits until ``until`` (None: for ever) or ``wake``, whichever comes first."""
        ...

    def wake(self) -> None:
        """Ends the waiting of all threads."""
        ...

    def leave(self) -> None:
        """The calling thread uses the clock no more."""
        ...


class WallClock:
    """The computer's own clock."""

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
    """A frame that waits to be processed: its camera, and when it arrived."""

    arrived: float
    stream: int


@dataclass
class Queue:
    """The frames that have arrived and those that will.

    ``coming`` yields (seconds from the queue's beginning, camera), in order and without end; ``keep_s`` is how long a frame
    may wait before it is dropped.
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
        """The frame that arrived first, of a camera none of whose frames is in work; None once closed. Waits for one."""
        with self.clock.lock:
            while not self._closed:
                now = self.clock.now()
                self._admit(now)
                while self._ready:
                    arrived, stream = heapq.heappop(self._ready)
                    if stream in self._behind:  # a second frame of a camera whose first was just taken
                        self._behind[stream].append(arrived)
                        continue
                    if now - arrived < self.keep_s:
                        self._behind[stream] = deque()
                        return Frame(arrived, stream)
                    self.dropped += 1
                self.clock.wait(self._next[0])
            return None

    def _admit(self, now: float) -> None:
        """Puts frames that have arrived in the queue, or behind the frame of their camera that is in work."""
        while self._next[0] <= now:
            arrived, stream = self._next
            if stream in self._behind:
                self._behind[stream].append(arrived)
            else:
                heapq.heappush(self._ready, (arrived, stream))
            self._next = self._advance()

    def done(self, frame: Frame) -> float:
        """``frame`` is finished: the camera's frames behind it may be taken. Returns the seconds since it arrived."""
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
        """Lets every worker go home."""
        with self.clock.lock:
            self._closed = True
            self.clock.wake()
