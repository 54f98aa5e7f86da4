"""Figures whose margins are fixed: whatever numbers stand at their axes, no text is cut or overlaps another panel's."""

from __future__ import annotations

from itertools import pairwise

import pytest

from harness.present.picture import drawing, new_panels, png


@pytest.mark.parametrize("sharex", [True, False])
@pytest.mark.parametrize(("count", "height"), [(1, 2.65), (1, 4.0), (2, 3.1), (12, 15.6)])
def test_the_text_of_panels_is_inside_the_figure_and_apart(count: int, height: float, sharex: bool) -> None:
    with drawing():
        figure, axes = new_panels(count, height, sharex=sharex)
        for axis in axes:
            axis.plot([0, 99999], [0, 99999])
            axis.set_xlim(0, 80000)  # a number at either end
            axis.set_ylim(0, 80000)
            axis.set_title("A run")
            axis.set_ylabel("ms")
        axes[-1].set_xlabel("frame")
        texts = [axis.get_tightbbox(figure.canvas.get_renderer()) for axis in axes]
    for box in texts:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height, box
    assert all(above.y0 >= below.y1 for above, below in pairwise(texts))


def test_a_picture_is_a_png_of_its_size_in_inches() -> None:
    figure, _ = new_panels(1, 2.0, 4.0)
    data = png(figure)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) == (600, 300)  # 150 dots an inch
