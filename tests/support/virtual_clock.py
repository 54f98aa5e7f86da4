"""A clock for real threads whose time passes only while all of them wait: no test depends on how fast this machine is."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(eq=False)
class _Waiter:
    until: float | None
    asleep: bool
    woken: bool = False


class VirtualClock:
    """As ``harness.tasks.capacity.queue.Clock``, and ``sleep`` for stand-ins that take their time."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self._now, self._running = 0.0, 0
        self._waiters: list[_Waiter] = []

    def now(self) -> float:
        return self._now

    def start(self, threads: int) -> None:
        self._running = threads

    def wait(self, until: float | None) -> None:
        self._pause(_Waiter(until, asleep=False))

    def sleep(self, seconds: float) -> None:
        """Takes ``seconds`` of virtual time."""
        with self.lock:
            self._pause(_Waiter(self._now + seconds, asleep=True))

    def wake(self) -> None:
        self._wake([waiter for waiter in self._waiters if not waiter.asleep])

    def leave(self) -> None:
        self._running -= 1
        self._pass_time()

    def _pause(self, waiter: _Waiter) -> None:
        self._waiters.append(waiter)
        self._running -= 1
        self._pass_time()
        while not waiter.woken:
            self.lock.wait()

    def _pass_time(self) -> None:
        times = [waiter.until for waiter in self._waiters if waiter.until is not None]
        if self._running or not times:
            return
        self._now = max(self._now, min(times))
        self._wake([waiter for waiter in self._waiters if waiter.until is not None and waiter.until <= self._now])

    def _wake(self, waiters: list[_Waiter]) -> None:
        for waiter in waiters:
            waiter.woken = True
            self._waiters.remove(waiter)
        self._running += len(waiters)
        self.lock.notify_all()
