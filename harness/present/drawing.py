"""A Matplotlib figure that displays itself in a notebook, even without pyplot. Imports matplotlib."""

from __future__ import annotations

import io

import matplotlib as mpl
from matplotlib.figure import Figure

from harness.present import theme


class Drawing(Figure):  # type: ignore[misc]
    """A Matplotlib figure that also gives a PNG image of itself for notebooks."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with mpl.rc_context(dict(theme.RC)):
            self.savefig(buffer, format="png", dpi=theme.DPI)
        return buffer.getvalue()
