"""Leases of cores for one process, by file locks: a lease ends with its process, even if that crashes."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from harness.machine.environment import allowed_cores, pin_thread

POLL_S = 0.2


def lock_folder() -> Path:
    """Returns the folder of this user's locks, one per core; it is the same for all processes on this machine."""
    owner = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"tracker-harness-{owner}" / "cores"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextmanager
def lease(count: int, *, wait: bool, waiting: Callable[[], None] | None = None) -> Iterator[list[int]]:
    """Keeps the calling thread, and what it starts, on ``count`` cores that no other lease holds.

    Yields the cores. If ``wait`` is false and too few are free, yields ``[]`` and pins nothing. ``waiting`` is called
    once if the call has to wait. ``count`` is limited to the cores in the affinity mask.
    """
    before = allowed_cores()
    count = min(count, len(before))
    with ExitStack() as held:
        cores = _take(before, count, held)
        if not cores and wait:
            if waiting is not None:
                waiting()
            while not cores:
                time.sleep(POLL_S)
                cores = _take(before, count, held)
        pin_thread(cores)
        try:
            yield cores
        finally:
            pin_thread(before)


def _take(cores: list[int], count: int, held: ExitStack) -> list[int]:
    """Locks ``count`` of ``cores`` into ``held``, all or none of them."""
    folder = lock_folder()
    taken: list[int] = []
    with FileLock(folder / "door.lock"), ExitStack() as kept:  # one process at a time chooses, so none gets half
        for core in cores:
            lock = FileLock(folder / f"{core}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            kept.callback(lock.release)
            taken.append(core)
            if len(taken) == count:
                held.push(kept.pop_all())
                return taken
    return []
