"""A loaded tracker that waits for its turn: how much of a clip it tracks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.tracking import stand as module
from harness.tracking.stand import LEAST_UPDATES, PIECE, WARM, SerialStand


class Runner:
    """Stands for a loop whose updates take a known time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.limits: list[int] = []

    def track(self, piece: Any, *, feedback: Any, frames: list[Any], limit: int) -> SimpleNamespace:
        self.limits.append(limit)
        return SimpleNamespace(seconds=np.full(limit, self.seconds), boxes=np.zeros((limit, 4)))


def standing(monkeypatch: pytest.MonkeyPatch, seconds: float) -> tuple[SerialStand, Runner]:
    """Returns a stand with 21 frames a clip, and its loop."""
    runner = Runner(seconds)
    clip = SimpleNamespace(frames=list(range(PIECE + 1)), truth=None)
    monkeypatch.setattr(module, "Runner", lambda tracker, session: runner)
    monkeypatch.setattr(module, "piece_of", lambda sequences, number: clip)
    monkeypatch.setattr(module, "read_image", lambda path, color: np.zeros((1, 1, 3), np.uint8))
    context: Any = SimpleNamespace(
        tracker=SimpleNamespace(color="rgb"), backend=SimpleNamespace(open=lambda artifact: None), artifact=None, dataset=[clip.frames]
    )
    return SerialStand(context, truthful=False), runner


@pytest.mark.parametrize(("seconds", "expected"), [(0.03, LEAST_UPDATES), (0.008, 13), (0.001, PIECE)])
def test_turn_that_is_short_runs_what_fits_of_a_clip(monkeypatch: pytest.MonkeyPatch, seconds: float, expected: int) -> None:
    stand, runner = standing(monkeypatch, seconds)
    assert len(stand.turn(0, 0.0)) == PIECE - WARM  # warms up with a whole clip, and learns the pace
    stand.turn(0, 0.1)
    assert set(runner.limits[1:]) == {expected + 1}  # the first frame is no update


def test_turn_of_usual_length_runs_clips_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    stand, runner = standing(monkeypatch, 0.03)
    stand.turn(0, 0.0)
    stand.turn(0, 0.3)
    assert set(runner.limits) == {PIECE + 1}


def test_boxes_are_those_of_the_first_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    stand, _ = standing(monkeypatch, 0.03)
    assert stand.boxes(0).shape == (LEAST_UPDATES + 1, 4)
