"""Trackers as they are: each runs in a process of its own, which may be another Python, or a program."""

from harness.backends.native.backend import Native

__all__ = ["Native"]
