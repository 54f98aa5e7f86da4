"""What benchmark_app tells besides numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.core.records import Record


@dataclass(kw_only=True)
class BenchmarkRecord(Record):
    """``task=benchmark_app``.

    Attributes:
        settings: The device's properties as the app reports them.
        inputs: Each input's layout and precision as the app filled it.
        asked: ``properties``, ``hint`` and ``device`` that the app was given.
        throughput_of_runs: One value a run of the app: each percentile takes a run.
        slowest_layers: By the performance counters, where they were on.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, Any] = field(default_factory=dict)
    throughput_of_runs: list[float] = field(default_factory=list)
    slowest_layers: list[dict[str, Any]] = field(default_factory=list)
