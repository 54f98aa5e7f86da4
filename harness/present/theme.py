"""The style of pictures: fonts, grid, colours, and a style for each of several items drawn side by side.

Colours are those of M. Okabe and K. Ito (Color Universal Design, 2008), which differ for any colour vision. Items of
one family share a hue and differ by shade, hatching, line style and marker.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

DPI = 150
WIDTH = 9.0
"""Width in inches; with a 9-point font it is readable at the page's width."""

OTHERS = ("#CC79A7", "#E69F00", "#56B4E9", "#6F4E7C", "#7F7F7F")
"""Colours for families without one, in order of appearance."""
STAGES = {"decode": "#BBBBBB", "preprocess": "#56B4E9", "inference": "#0072B2", "postprocess": "#E69F00", "tracker": "#009E73"}

BLUE, ORANGE, GREEN, GREY, PALE, INK = "#0072B2", "#D55E00", "#009E73", "#7F7F7F", "#9A9A9A", "#222222"

SCRIPTS = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK KR", "Source Han Sans", "WenQuanYi Zen Hei", "Droid Sans Fallback"),
    *("IPAGothic", "NanumGothic", "Hiragino Sans", "PingFang SC", "Apple SD Gothic Neo", "Yu Gothic", "Microsoft YaHei", "Malgun Gothic"),
    *("Noto Sans Arabic", "Noto Sans Devanagari", "Noto Sans Hebrew", "Noto Sans Thai", "Noto Emoji", "Symbola"),
)
"""Fonts with the characters of other scripts, for names of sequences; installed ones are used after the usual font."""

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
    """The style of one item in every picture."""

    color: tuple[float, float, float]
    hatch: str
    line: Any
    marker: str

    @property
    def hex(self) -> str:
        """The colour in HTML notation."""
        return "#" + "".join(f"{round(part * 255):02x}" for part in self.color)


def styles(families: Mapping[Key, str], colors: Mapping[str, str]) -> dict[Key, Style]:
    """Returns a style for each key.

    Args:
        families: Item -> the name of its family.
        colors: The families with their own colour (``#rrggbb``).

    Returns:
        Styles that are all different (up to 40 in five or more families), with one hue for the first five of a family.
    """
    seen: dict[str, int] = {}
    spare: dict[str, str] = {}
    found: dict[Key, Style] = {}
    for key, name in families.items():
        place = seen.get(name, 0)
        seen[name] = place + 1
        block, shade = divmod(place, len(_SHADES))
        hue = name if not block else f"{name} {block}"  # after all its shades, a family continues in another hue
        if hue not in colors and hue not in spare:
            spare[hue] = OTHERS[len(spare) % len(OTHERS)]
        color = _shade(colors.get(hue) or spare[hue], _SHADES[shade])
        turn = (shade + block) % len(_LINES)
        found[key] = Style(color, _HATCHES[turn], _LINES[turn], _MARKERS[len(found) % len(_MARKERS)])
    return found


def _shade(color: str, amount: float) -> tuple[float, float, float]:
    """Changes a colour towards white for a positive ``amount``, towards black for a negative one."""
    rgb = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    goal = 1.0 if amount > 0 else 0.0
    red, green, blue = (part + (goal - part) * abs(amount) for part in rgb)
    return red, green, blue
