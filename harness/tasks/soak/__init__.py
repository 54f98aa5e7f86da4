"""task=soak: whether speed lasts, and what a frame costs in joules."""

from harness.tasks.soak.task import Soak

__all__ = ["Soak"]
