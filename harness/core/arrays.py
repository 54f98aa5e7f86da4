"""Names of the array types that all packages use. Import them from ``harness.core.interfaces``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float64]
"""One box ``[4]`` or several ``[T, 4]``."""
Image = npt.NDArray[np.uint8]
Array = npt.NDArray[Any]
Arrays = dict[str, Array]
Metrics = dict[str, float]
