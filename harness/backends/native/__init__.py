"""Native trackers: each runs unchanged in its own process, which may be another Python, or a program."""

from harness.backends.native.backend import Native

__all__ = ["Native"]
