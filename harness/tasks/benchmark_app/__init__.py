"""task=benchmark_app: OpenVINO's own benchmark on a prepared graph."""

from harness.tasks.benchmark_app.task import BenchmarkApp

__all__ = ["BenchmarkApp"]
