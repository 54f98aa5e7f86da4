"""task=profile: the layers that take the most time."""

from harness.tasks.profile.task import Profile

__all__ = ["Profile"]
