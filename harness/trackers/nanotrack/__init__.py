"""NanoTrack v1 to v3 (HonglinChu, 2022-2023)."""

from harness.trackers.nanotrack.tracker import NanoTrack

__all__ = ["NanoTrack"]
