"""When the frames of several cameras arrive."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import numpy as np

from harness.core.errors import ConfigError

ARRIVALS = ("periodic", "poisson")


def arrivals(kind: str, streams: int, fps: float, seed: int) -> Iterator[tuple[float, int]]:
    """Yields (seconds, stream) of every frame of ``streams`` cameras in the order of arrival, without end.

    ``periodic``: each camera has a frame every 1 / fps, at a phase drawn with ``seed``. ``poisson``: the times between a camera's
    frames are exponential with mean 1 / fps. A camera's times do not depend on the number of cameras. Raises
    ConfigError.
    """
    if kind not in ARRIVALS:
        raise ConfigError(f"task.arrivals is {kind!r}; accepted: {', '.join(ARRIVALS)}.")
    one = _periodic if kind == "periodic" else _poisson
    return heapq.merge(*(one(stream, fps, seed) for stream in range(streams)))


def _periodic(stream: int, fps: float, seed: int) -> Iterator[tuple[float, int]]:
    phase = float(np.random.default_rng([seed, stream]).random())
    frame = 0
    while True:
        yield (frame + phase) / fps, stream
        frame += 1


def _poisson(stream: int, fps: float, seed: int) -> Iterator[tuple[float, int]]:
    drawn = np.random.default_rng([seed, stream])
    now = 0.0
    while True:
        for gap in drawn.exponential(1 / fps, 256):
            now += float(gap)
            yield now, stream
