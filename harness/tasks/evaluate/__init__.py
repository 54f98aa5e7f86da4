"""task=evaluate: track every sequence, measure and score."""

from harness.tasks.evaluate.task import Evaluate

__all__ = ["Evaluate"]
