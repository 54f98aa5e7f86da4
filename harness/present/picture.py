"""A picture: a figure with its texts, drawn without a screen. Matplotlib is loaded when it is needed."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.files import write_bytes
from harness.present import theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEFT, RIGHT, BELOW, ABOVE = 0.78, 0.24, 0.5, 0.3
"""Inches around the panels of ``new_panels``: for numbers of up to five digits with a label, and for a title."""
GAP, NUMBERS = 0.5, 0.2
"""Inches between two panels, and the part of them for the numbers of the x axis."""
PACKING = 3
"""zlib's level for PNG: half of the usual level's time for a few percent more bytes."""


@dataclass
class Picture:
    """A figure with its texts: ``key`` is its file's stem, ``caption`` explains axes and marks."""

    key: str
    title: str
    caption: str
    figure: Figure


@contextmanager
def drawing() -> Iterator[None]:
    """Sets fonts, grid and colours for all drawing inside the block.

    Missing characters become boxes without a warning.
    """
    import matplotlib as mpl

    with mpl.rc_context({**theme.RC, "font.family": _fonts()}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        yield


def make_ready() -> None:
    """Loads all that the first picture would load, its fonts too."""
    from matplotlib.backends import backend_agg, backend_svg

    from harness.present import drawing as drawings

    del backend_agg, backend_svg, drawings
    _fonts()


@cache
def _fonts() -> list[str]:
    """Returns the usual font, then installed fonts for other scripts.

    Each character uses the first font that has it.
    """
    from matplotlib import font_manager

    there = set(font_manager.get_font_names())
    return ["DejaVu Sans", *(name for name in theme.SCRIPTS if name in there)]


def new_figure(height: float, width: float = theme.WIDTH, **layout: Any) -> tuple[Figure, Any]:
    """Makes a figure with a size in inches, and its axes by ``Figure.subplots(**layout)``."""
    figure = _blank(height, width)
    return figure, figure.subplots(**layout)


def _blank(height: float, width: float, **options: Any) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from harness.present.drawing import Drawing

    figure = Drawing(figsize=(width, height), **options)
    FigureCanvasAgg(figure)
    return figure


def new_panels(count: int, height: float, width: float = theme.WIDTH, sharex: bool = False) -> tuple[Figure, Any]:
    """Makes a figure of panels one below the other, each with a title and axes of numbers.

    Its margins are fixed, so that no layout is computed, which takes half of the time of a picture.

    Args:
        count: The number of panels.
        height: The figure's height in inches.
        width: The figure's width in inches.
        sharex: Whether the lowest panel alone shows the numbers of the x axis.

    Returns:
        The figure and its axes ``[count]``.
    """
    figure = _blank(height, width, layout="none")
    gap = GAP - NUMBERS if sharex else GAP
    panel = (height - BELOW - ABOVE - gap * (count - 1)) / count
    figure.subplots_adjust(LEFT / width, BELOW / height, 1 - RIGHT / width, 1 - ABOVE / height, hspace=gap / panel)
    return figure, figure.subplots(count, sharex=sharex, squeeze=False)[:, 0]


def png(figure: Figure) -> bytes:
    """Returns the figure as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    with _settled(figure):
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None}, pil_kwargs={"compress_level": PACKING})
    return buffer.getvalue()


def svg(figure: Figure) -> bytes:
    """Returns the figure as SVG, with text as outlines, so that it looks the same everywhere.

    Dense lines are pixels.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.BytesIO()
    with _settled(figure):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def save_png(picture: Picture, folder: Path) -> Path:
    """Writes ``folder/<key>.png`` atomically."""
    return write_bytes(folder / f"{picture.key}.png", png(picture.figure))


@contextmanager
def _settled(figure: Figure) -> Iterator[None]:
    """Lets a canvas of any format write the figure inside the block, at the harness's resolution.

    The layout is computed once, although each figure is written twice, and without drawing anything. ``Figure.savefig``
    would draw once more each time to find the layout, and drawing takes most of the time at the end of a job.
    """
    with drawing():
        figure.dpi = theme.DPI
        if engine := figure.get_layout_engine():
            engine.execute(figure)
            figure.set_layout_engine("none")
        yield
