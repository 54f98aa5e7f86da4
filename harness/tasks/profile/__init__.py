"""task=profile: the layers where the time goes."""

from harness.tasks.profile.task import Profile

__all__ = ["Profile"]
