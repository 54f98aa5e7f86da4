"""Styles of things that are drawn side by side."""

from __future__ import annotations

import itertools

import pytest

from harness.present import theme

COLORS = {"one": "#D55E00", "two": "#0072B2", "three": "#009E73"}


@pytest.mark.parametrize(
    "families",
    [
        ["three"] * 16,
        ["unknown"] * 16,
        ["one", "two", "three", "four"] * 4,
        ["one"] * 6 + ["two"] * 6 + ["three"] * 4,
        ["three"] * 25,
    ],
)
def test_styles_of_many_runs_differ_in_colour_and_in_line_with_marker(families: list[str]) -> None:
    found = list(theme.styles(dict(enumerate(families)), COLORS).values())
    assert len({style.hex for style in found}) == len(families)
    assert len({(style.hex, str(style.line)) for style in found}) == len(families)
    apart = [
        sum((first - second) ** 2 for first, second in zip(one.color, other.color, strict=True)) ** 0.5
        for one, other in itertools.combinations(found, 2)
    ]
    assert min(apart) > 0.06  # of 1.73 between black and white


def test_a_familys_first_runs_keep_its_hue_and_differ_in_line_and_hatch() -> None:
    found = list(theme.styles(dict(enumerate(["two"] * 5)), COLORS).values())
    assert found[0].hex == "#0072b2"
    assert len({str(style.line) for style in found}) == len({style.hatch for style in found}) == 5


def test_a_style_does_not_depend_on_later_runs() -> None:
    few = theme.styles(dict(enumerate(["one", "two"])), COLORS)
    many = theme.styles(dict(enumerate(["one", "two"] + ["one"] * 12)), COLORS)
    assert [few[0], few[1]] == [many[0], many[1]]
