"""How pictures look: type, grid, colours, and a style for each of several things drawn side by side.

Colours are M. Okabe's and K. Ito's (Color Universal Design, 2008): told apart with any colour vision. Things of one family
share a hue and differ by shade, hatching, line style and marker.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

DPI = 150
WIDTH = 9.0
"""Inches; at 9-point type this reads well at the page's width."""

FAMILIES = {"torch": "#D55E00", "onnx": "#0072B2", "openvino": "#009E73"}
"""Families that keep their colour from report to report; others get one of ``OTHERS``, in order of appearance."""
ALIASES = {"pytorch": "torch", "onnxruntime": "onnx"}
OTHERS = ("#CC79A7", "#E69F00", "#56B4E9", "#6F4E7C", "#7F7F7F")
STAGES = {"decode": "#BBBBBB", "preprocess": "#56B4E9", "inference": "#0072B2", "postprocess": "#E69F00", "tracker": "#009E73"}

BLUE, ORANGE, GREEN, GREY, PALE, INK = "#0072B2", "#D55E00", "#009E73", "#7F7F7F", "#9A9A9A", "#222222"

_SHADES = (0.0, 0.42, -0.38, 0.66, -0.6)
_HATCHES = ("", "///", "...", "\\\\\\", "xxx")
_LINES = ("-", "--", ":", "-.", (0, (6, 1, 1, 1, 1, 1)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")

RC: Mapping[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
    "hatch.color": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "report",
    "figure.constrained_layout.use": True,
}

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Style:
    """How one thing looks in every picture."""

    color: tuple[float, float, float]
    hatch: str
    line: Any
    marker: str

    @property
    def hex(self) -> str:
        """The colour as HTML has it."""
        return "#" + "".join(f"{round(part * 255):02x}" for part in self.color)


def styles(families: Mapping[Key, str]) -> dict[Key, Style]:
    """A style for each key.

    Args:
        families: What is drawn -> the name of its family (``family`` makes one from a name).

    Returns:
        Styles that differ all, of one hue within a family.
    """
    seen: dict[str, int] = {}
    spare: dict[str, str] = {}
    found: dict[Key, Style] = {}
    for key, name in families.items():
        if name not in FAMILIES and name not in spare:
            spare[name] = OTHERS[len(spare) % len(OTHERS)]
        place = seen.get(name, 0)
        seen[name] = place + 1
        color = _shade(FAMILIES.get(name) or spare[name], _SHADES[place % len(_SHADES)])
        found[key] = Style(
            color, _HATCHES[place % len(_HATCHES)], _LINES[place % len(_LINES)], _MARKERS[len(found) % len(_MARKERS)]
        )
    return found


def family(name: str) -> str:
    """The family that a name speaks of (``pytorch_cpu`` -> ``torch``); the name itself where it speaks of none."""
    name = name.lower()
    for known, found in {**ALIASES, **{key: key for key in FAMILIES}}.items():
        if known in name:
            return found
    return name


def color_of(name: str) -> str:
    """The colour of a family."""
    return FAMILIES.get(family(name), OTHERS[0])


def _shade(color: str, amount: float) -> tuple[float, float, float]:
    """Towards white for positive ``amount``, towards black for negative."""
    rgb = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    goal = 1.0 if amount > 0 else 0.0
    red, green, blue = (part + (goal - part) * abs(amount) for part in rgb)
    return red, green, blue
