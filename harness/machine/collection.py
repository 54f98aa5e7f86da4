"""Keeps Python's garbage collection out of timed code."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Stops garbage collection inside the block, where it would count as time of the tracker."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


SELDOM = (50_000, 20, 50)
"""Thresholds of a process that mostly loads modules, whose objects stay.

Python's default of 700 scans them too often.
"""


def collect_seldom() -> None:
    """Makes garbage collection rare from now on; only for the harness's own processes, never for a caller's."""
    gc.set_threshold(*SELDOM)
