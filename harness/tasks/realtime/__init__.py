"""task=realtime: accuracy at a camera's rate."""

from harness.tasks.realtime.task import Realtime

__all__ = ["Realtime"]
