"""The results of benchmark_app besides its metrics."""

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
        asked: ``properties``, ``hint`` and ``device`` that were passed to the app.
        throughput_of_runs: One value per run of the app; each percentile needs its own run.
        slowest_layers: The slowest layers by the performance counters, if these were on.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, Any] = field(default_factory=dict)
    throughput_of_runs: list[float] = field(default_factory=list)
    slowest_layers: list[dict[str, Any]] = field(default_factory=list)
