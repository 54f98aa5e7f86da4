"""What the task's metric is."""

from harness.core.interfaces import Metric

SCORE = Metric("example/score", "Example score", "", "higher", 1, "speed", "how near the step is to two")
