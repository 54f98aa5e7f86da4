"""LightTrack-Mobile (Yan, Peng, Wu and others, CVPR 2021)."""

from harness.trackers.lighttrack.tracker import LightTrack

__all__ = ["LightTrack"]
