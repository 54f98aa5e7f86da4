"""What a metric is; ``harness.core.catalog`` holds them all. Imported from ``harness.core.interfaces``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower", ""]
"""Which way a metric is better; empty if neither is."""
Need = Literal["truth", "machine", "baseline"]
"""What a metric or its comparison needs: ground truth and trained weights, the same machine, or a baseline."""
Place = Literal["main", "figures", "terminal", "mlflow"]
"""Where a metric is a column: the page's first or second table, the table on the terminal, MLflow's list of runs."""


@dataclass(frozen=True)
class Metric:
    """What a metric is (``harness.core.catalog`` holds them all).

    Attributes:
        name: As in results.json; ``*`` matches one part between slashes.
        title: The head of its column.
        unit: The unit of the number shown; empty if it has none.
        better: Which way is better.
        digits: Digits after the decimal point in tables; files keep full precision.
        kind: What it is about: accuracy, speed, latency, memory, agreement, ... (``catalog.KINDS``).
        meaning: One sentence for those who read a table, without a full stop.
        rounds: How the rounds of ``task.repeats`` become one number.
        sequences: How the sequences become one number; empty if it is not measured by sequence.
        places: Where it is a column.
        needs: What it, or its comparison with another run, needs.
        factor: The number shown is the number stored times this (100 for percent).
        suffix: Text after the number shown.
        signed: Whether the number is always shown with its sign.
        label: Its name on an axis, if the title is too short for one.
        entry: The pattern that described it, if there is one.
    """

    name: str
    title: str
    unit: str
    better: Better
    digits: int
    kind: str
    meaning: str
    rounds: str = "median"
    sequences: str = ""
    places: tuple[Place, ...] = ()
    needs: tuple[Need, ...] = ()
    factor: float = 1.0
    suffix: str = ""
    signed: bool = False
    label: str = ""
    entry: str = ""

    @property
    def pattern(self) -> bool:
        """Whether the name is a pattern that matches several metrics."""
        return "*" in self.name

    @property
    def head(self) -> str:
        """The title, with the unit if a bare number would mislead."""
        return f"{self.title} {self.unit}" if self.unit in ("ms", "MB", "s", "W", "J") else self.title

    @property
    def axis(self) -> str:
        """The label of an axis that it is drawn on."""
        name = self.label or self.title
        return f"{name} ({self.unit})" if self.unit else name

    def text(self, value: float | None, missing: str = "-") -> str:
        """Returns ``value`` (as stored) as text for a table; ``missing`` for None."""
        if value is None:
            return missing
        shown = round(value * self.factor, self.digits) + 0.0  # no minus before zero
        return f"{shown:{'+' if self.signed else ''}.{self.digits}f}{self.suffix}"
