"""The roofline: how close each layer is to the limits of this machine.

A layer needs at least the time of its operations at the highest rate that was measured for its precision, and at least the time of
its bytes at the rate that was measured for data of that size (S. Williams, A. Waterman, D. Patterson, "Roofline", 2009).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

INT8 = ("i8", "u8", "int8", "uint8")


@dataclass(frozen=True)
class Limit:
    """The least time of a layer in milliseconds, and what limits it (``operations`` or ``memory``)."""

    ms: float
    by: str


@dataclass(kw_only=True)
class Roofs:
    """The measured rates of this machine.

    Attributes:
        gops: Precision -> 1e9 operations per second of large products in the same runtime with the same threads.
        memory: (MB in use, GB per second) of copies, smallest first.
    """

    gops: dict[str, float] = field(default_factory=dict)
    memory: list[tuple[float, float]] = field(default_factory=list)

    @classmethod
    def measured(cls, peaks: Mapping[str, float], copies: Sequence[tuple[int, float]]) -> Roofs:
        """Makes roofs from operations per second by precision, and bytes per second by bytes in use."""
        gops = {name: value / 1e9 for name, value in peaks.items()}
        return cls(gops=gops, memory=[(size / 1e6, rate / 1e9) for size, rate in copies])

    def limit(self, operations: float | None, size: float | None, precision: str, product: bool = True) -> Limit | None:
        """Returns the least time of a layer.

        Args:
            operations: Operations of one inference; None if unknown.
            size: Its bytes; None if unknown.
            precision: The precision that it computes in.
            product: Whether it computes products, so that its operations limit it.

        Returns:
            The limit; None if too little is known about the layer (a product needs both its operations and their peak).
        """
        peak = self.gops.get(family(precision))
        found: list[Limit] = []
        if product and (operations is None or peak is None):
            return None
        if operations and peak:
            found.append(Limit(operations / peak / 1e6, "operations"))
        if size and self.memory:
            found.append(Limit(size / self.bandwidth(size) / 1e6, "memory"))
        return max(found, key=lambda item: item.ms, default=None)

    def bandwidth(self, size: float) -> float:
        """Returns GB per second for ``size`` bytes, interpolated on the logarithm of the measured sizes."""
        sizes, rates = zip(*self.memory, strict=True)
        return float(np.interp(np.log(max(size, 1.0) / 1e6), np.log(sizes), rates))


def family(precision: str) -> str:
    """Returns one word for all precisions of a kind: ``i8``, ``f32``, ``bf16``, ``f16``."""
    word = precision.lower()
    if word in INT8:
        return "i8"
    return {"float32": "f32", "fp32": "f32", "float16": "f16", "fp16": "f16", "bfloat16": "bf16", "": "f32"}.get(word, word)


def of_products(precisions: Sequence[tuple[str, bool]]) -> list[str]:
    """Returns the precisions that need a peak: those of layers that compute products (``(precision, layer)``)."""
    return sorted({family(precision) for precision, layer in precisions if layer})
