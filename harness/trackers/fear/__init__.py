"""FEAR-XS (Borsuk and others, ECCV 2022)."""

from harness.trackers.fear.tracker import Fear

__all__ = ["Fear"]
