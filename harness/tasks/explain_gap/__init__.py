"""task=explain_gap: from benchmark_app to the speed of the tracker, step by step."""

from harness.tasks.explain_gap.task import ExplainGap

__all__ = ["ExplainGap"]
