"""task=example: an evaluation with one more metric, which is best at ``tracker.step=2``."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.interfaces import Context, TaskResult
from harness.tasks.evaluate import Evaluate


@dataclass
class ExampleTask(Evaluate):
    """A task."""

    name: str = "example"

    def run(self, context: Context) -> TaskResult:
        result = super().run(context)
        result.metrics["example/score"] = -float((context.config["tracker"]["step"] - 2) ** 2)
        return result
