"""The harness from Python: the names that ``import harness`` offers. See docs/python.md."""

from harness.api.calls import compare, load, recommend, run, sweep
from harness.api.comparison import Comparison, Sweep
from harness.api.finished import Run, RunFailed
from harness.api.recommendation import Recommendation

__all__ = ["Comparison", "Recommendation", "Run", "RunFailed", "Sweep", "compare", "load", "recommend", "run", "sweep"]
