"""Python's garbage collection, kept out of what is timed."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Stops garbage collection inside of it: one inside a timed frame would be charged to the tracker."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


SELDOM = (50_000, 20, 50)
"""Thresholds of a process that mostly loads modules: what they make stays, and Python's own 700 let it be searched hundreds of times."""


def collect_seldom() -> None:
    """Lets garbage be collected seldom from now on; for a process of our own, never for a caller's."""
    gc.set_threshold(*SELDOM)
