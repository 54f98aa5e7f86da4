"""The memory bandwidth of this machine by data size: the caches first, then the main memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from time import perf_counter

import numpy as np

SIZES = (1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26, 1 << 28)
"""Bytes in use, source and destination of all threads together."""
SAMPLES = 7
LEAST_SECONDS = 0.004
"""Seconds of one sample; a shorter one would be limited by the clock's resolution."""
MOST_COPIES = 4096


def copy_bandwidth(threads: int, sizes: Sequence[int] = SIZES) -> list[tuple[int, float]]:
    """Measures the bytes per second that ``threads`` threads move, the best of several samples for each size.

    Each thread copies its own array repeatedly; a copied byte counts twice, as read and as written.

    Args:
        threads: The number of threads, at least 1.
        sizes: Total bytes in use.

    Returns:
        (size, bytes per second) in the order of ``sizes``.
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
