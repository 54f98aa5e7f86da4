"""task=capacity: how many cameras one machine serves."""

from harness.tasks.capacity.task import Capacity

__all__ = ["Capacity"]
