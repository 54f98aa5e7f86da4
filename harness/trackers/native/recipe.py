"""What a tracker's process is given: everything it needs to build the tracker, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

STYLES = "harness.trackers.native.styles"
"""The package of styles that the tracker's process loads."""


def build(weights: Sequence[Path], *, seed: int, **options: Any) -> dict[str, Any]:
    """The recipe of a tracker; its own options come as ``Native.source`` gives them.

    Args:
        weights: the files of ``tracker.weights``, absolute.
        seed: of whatever the tracker draws.
        options: the other keys of the recipe, and ``several``: whether weights were given as a list.
    """
    several = options.pop("several")
    options.pop("code")  # the digest of the tracker's code is for the key alone
    given = [str(path) for path in weights]
    return {**options, "styles": STYLES, "seed": seed, "weights": given if several else (given[0] if given else None)}
