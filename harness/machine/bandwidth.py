"""How fast this machine moves memory, by the size of what is moved: caches first, then the memory itself."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from time import perf_counter

import numpy as np

SIZES = (1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26, 1 << 28)
"""Bytes in use, source and destination of all threads together."""
SAMPLES = 7
LEAST_SECONDS = 0.004
"""Of one sample: shorter ones would tell the clock's steps."""
MOST_COPIES = 4096


def copy_bandwidth(threads: int, sizes: Sequence[int] = SIZES) -> list[tuple[int, float]]:
    """Bytes a second that ``threads`` threads move, the best of several samples for each size.

    Each thread copies an array of its own, over and over; a byte that is copied counts twice, as read and as written.

    Args:
        threads: At least 1.
        sizes: Bytes in use in all.

    Returns:
        (size, bytes a second) in the order of ``sizes``.
    """
    return [(size, _best(threads, size)) for size in sizes]


def _best(threads: int, size: int) -> float:
    length = max(64, size // (2 * threads))
    pairs = [(np.ones(length, np.uint8), np.zeros(length, np.uint8)) for _ in range(threads)]
    moved = 2 * length * threads
    copies = 1
    while (seconds := _sample(pairs, copies)) < LEAST_SECONDS and copies < MOST_COPIES:
        copies *= 2
    return max(moved * copies / min(seconds, _sample(pairs, copies)) for _ in range(SAMPLES))


def _sample(pairs: Sequence[tuple[np.ndarray, np.ndarray]], copies: int) -> float:
    """Seconds until every thread has made its copies."""
    ready = threading.Barrier(len(pairs) + 1)

    def work(source: np.ndarray, target: np.ndarray) -> None:
        ready.wait()
        for _ in range(copies):
            np.copyto(target, source)

    workers = [threading.Thread(target=work, args=pair) for pair in pairs]
    for worker in workers:
        worker.start()
    ready.wait()
    begin = perf_counter()
    for worker in workers:
        worker.join()
    return perf_counter() - begin
