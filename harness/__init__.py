"""A research harness for visual object trackers: evaluate, measure, compare, share."""

__version__ = "0.1.0"
