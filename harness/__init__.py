"""A research harness for visual object trackers: evaluate, measure, compare, share.

From Python (docs/python.md)::

    import harness

    run = harness.run(backend="onnx", dataset__limit=2)
    run.metrics["fps"], run.frames, run.tracks, run.figure("latency_histogram")

Importing the package loads nothing else; each name below loads what it needs when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api import (
        Comparison as Comparison,
        Recommendation as Recommendation,
        Run as Run,
        RunFailed as RunFailed,
        Sweep as Sweep,
        compare as compare,
        load as load,
        recommend as recommend,
        run as run,
        sweep as sweep,
    )
    from harness.core.errors import ConfigError as ConfigError, DataError as DataError, HarnessError as HarnessError

__version__ = "0.1.0"

_HOMES = {
    "harness.api": ("run", "sweep", "load", "compare", "recommend", "Run", "Sweep", "Comparison", "Recommendation", "RunFailed"),
    "harness.core.errors": ("HarnessError", "ConfigError", "DataError"),
}
"""Where each name of this package is defined."""

__all__ = [
    "Comparison",
    "ConfigError",
    "DataError",
    "HarnessError",
    "Recommendation",
    "Run",
    "RunFailed",
    "Sweep",
    "__version__",
    "compare",
    "load",
    "recommend",
    "run",
    "sweep",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
