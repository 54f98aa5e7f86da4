"""A figure of Matplotlib's that shows itself in a notebook, whether or not that loaded pyplot. Imports matplotlib."""

from __future__ import annotations

import io

import matplotlib as mpl
from matplotlib.figure import Figure

from harness.present import theme


class Drawing(Figure):  # type: ignore[misc]
    """A figure as the harness draws it: all that Matplotlib's can, and a PNG image of itself for notebooks."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with mpl.rc_context(dict(theme.RC)):
            self.savefig(buffer, format="png", dpi=theme.DPI)
        return buffer.getvalue()
