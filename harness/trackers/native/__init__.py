"""Trackers of other people, run as they are: no graphs, no conversion."""

from harness.trackers.native.tracker import Native

__all__ = ["Native"]
