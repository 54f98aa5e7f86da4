"""The demo data set as it is evaluated: drawn as a whole, which the jobs of other tests do, too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.datasets.demo.choreography import FRAMES, HEIGHT, WIDTH
from harness.datasets.demo.dataset import Demo
from harness.scoring.overlap import ao, iou


@pytest.mark.slow
def test_the_whole_split_keeps_what_it_promises(prepared: Path) -> None:
    """Every target stays in the frame and in sight, and a box that never moves loses it."""
    overlaps = []
    for sequence in Demo(cache=str(prepared)):
        truth = sequence.truth
        assert truth is not None
        assert len(truth) == FRAMES
        assert (truth[:, :2] >= 0).all()
        assert (truth[:, :2] + truth[:, 2:] <= [WIDTH, HEIGHT]).all()
        assert sequence.visible is not None
        assert sequence.visible.all()
        overlaps.append(iou(np.repeat(truth[:1], FRAMES, 0), truth)[1:])
        assert ao(overlaps[-1]) < 0.3, sequence.name
    assert ao(np.concatenate(overlaps)) < 0.15
