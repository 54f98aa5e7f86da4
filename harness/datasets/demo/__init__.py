"""dataset=demo: sequences generated on first use."""

from harness.datasets.demo.dataset import Demo

__all__ = ["Demo"]
