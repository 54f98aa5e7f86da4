"""Measures while a target is followed: speed, its variation, and the time of the harness itself."""

from __future__ import annotations

from collections import deque
from time import perf_counter

import numpy as np

LAST_S = 1.0
"""Seconds over which the rate is measured."""
WINDOW = 300
"""Updates over which p99 is computed."""
REFRESH_S = 0.25
KEPT = 100_000
"""The most frames that the summary covers."""


class Meter:
    """Collects times of frames, all in seconds.

    Attributes:
        frames: The number of frames.
    """

    def __init__(self) -> None:
        self.frames = 0
        self._updates: deque[float] = deque(maxlen=KEPT)
        self._own: deque[float] = deque(maxlen=KEPT)
        self._waited: deque[float] = deque(maxlen=KEPT)
        self._recent: deque[float] = deque(maxlen=WINDOW)
        self._ends: deque[float] = deque()
        self._shown, self._p99 = 0.0, 0.0

    def frame(self, update: float | None) -> None:
        """Records a tracked frame; ``update`` is the seconds of its update, None if the tracker was started on it."""
        now = perf_counter()
        self.frames += 1
        self._ends.append(now)
        while now - self._ends[0] > LAST_S and len(self._ends) > 2:
            self._ends.popleft()
        if update is None:
            return
        self._updates.append(update)
        self._recent.append(update)
        if now - self._shown > REFRESH_S:
            self._shown, self._p99 = now, float(np.percentile(self._recent, 99))

    def round(self, waited: float, own: float) -> None:
        """Records the end of a frame: seconds ``waited`` for it, and ``own`` seconds apart from that and the update."""
        self._waited.append(waited)
        self._own.append(own)

    @property
    def fps(self) -> float:
        """Frames per second during the last second."""
        first, last = (self._ends[0], self._ends[-1]) if self._ends else (0.0, 0.0)
        return (len(self._ends) - 1) / (last - first) if last > first else 0.0

    @property
    def p99_ms(self) -> float:
        """p99 of the last updates in milliseconds; 0 before the first update."""
        return 1e3 * self._p99

    def percentile_ms(self, what: str, percent: float) -> float:
        """A percentile of all frames' ``update``, ``own`` or ``wait`` in milliseconds; 0 if there is none."""
        values = {"update": self._updates, "own": self._own, "wait": self._waited}[what]
        return 1e3 * float(np.percentile(values, percent)) if values else 0.0
