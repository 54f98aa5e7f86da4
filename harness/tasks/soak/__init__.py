"""task=soak: whether speed stays constant, and the energy per frame in joules."""

from harness.tasks.soak.task import Soak

__all__ = ["Soak"]
