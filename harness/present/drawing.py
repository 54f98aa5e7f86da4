"""A figure of Matplotlib's that shows itself in a notebook, whether or not that loaded pyplot. Imports matplotlib."""

from __future__ import annotations

from matplotlib.figure import Figure

from harness.present import picture


class Drawing(Figure):  # type: ignore[misc]
    """A figure as the harness draws it: all that Matplotlib's can, and a PNG image of itself for notebooks."""

    def _repr_png_(self) -> bytes:
        return picture.png(self)
