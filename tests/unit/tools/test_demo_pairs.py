"""Training pairs: seeds, crop geometry, truth."""

from __future__ import annotations

import cv2
import demo_pairs
import numpy as np
import pytest

from harness.datasets.demo import drawing, maps


@pytest.fixture(autouse=True)
def small_banks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_pairs, "BANK_TEXTURES", 6)
    monkeypatch.setattr(demo_pairs, "BANK_FIGURES", 12)
    demo_pairs.bank.cache_clear()


def test_pairs_are_functions_of_their_number() -> None:
    whole = demo_pairs.pairs("test", 3, 10, 6)
    parts = [demo_pairs.pairs("test", 3, first, 2) for first in (10, 12, 14)]
    for name in ("template", "search", "box"):
        np.testing.assert_array_equal(getattr(whole, name), np.concatenate([getattr(part, name) for part in parts]))


def test_shapes_and_ranges() -> None:
    made = demo_pairs.pairs("test", 4, 0, 64)
    assert made.template.shape == (64, 64, 64, 3)
    assert made.search.shape == (64, 96, 96, 3)
    assert made.template.dtype == made.search.dtype == np.uint8
    assert made.box.dtype == np.float32
    assert ((made.box[:, :2] > 0.02) & (made.box[:, :2] < 0.98)).all()
    side = np.sqrt(made.box[:, 2] * made.box[:, 3]) * demo_pairs.SEARCH_FACTOR
    assert 0.85 < np.median(side) < 1.15  # the search crop's side is about 3 times the target's
    assert side.std() > 0.1
    assert np.abs(made.box[:, :2] - 0.5).max() > 0.25  # and its centre is off now and then


def test_crowded_crops_have_the_target_off_their_middle_more_often() -> None:
    away = [np.abs(demo_pairs.pairs("test", 5, 0, 96, crowded).box[:, :2] - 0.5).mean() for crowded in (False, True)]
    assert away[1] > away[0]


def test_the_box_is_where_the_target_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the target drawn, nothing done to the picture: it differs from its background inside the box alone."""
    drawn: list[tuple[np.ndarray, np.ndarray]] = []
    real = demo_pairs.draw

    def draw_target(image: np.ndarray, layer: drawing.Layer, view: np.ndarray) -> None:
        if layer.figure is scene.target and layer.tint == scene.tint and image.shape[0] == demo_pairs.SEARCH:
            mask = np.zeros(image.shape[:2], np.uint8)
            plain = drawing.Layer(layer.figure, layer.pose, layer.phase)
            real(np.zeros_like(image), plain, view, mask)
            drawn.append((mask, layer.pose))

    monkeypatch.setattr(demo_pairs, "draw", draw_target)
    for number in range(12):
        drawn.clear()
        scene = demo_pairs._Scene(maps.generator("test", 9, number), demo_pairs.bank("test", 9, 0))
        made = scene.make()
        if made is None or not drawn:
            continue
        cx, cy, w, h = made[2] * demo_pairs.SEARCH
        x, y, width, height = cv2.boundingRect((drawn[-1][0] >= 24).astype(np.uint8))
        clipped = np.clip([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], 0, demo_pairs.SEARCH)
        # A sixth of the coverage: sharp corners of a target of 32 pixels fade before they end.
        np.testing.assert_allclose(clipped, [x, y, x + width, y + height], atol=2.0)


def test_only_the_space_asked_for_is_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()

    def record(space: str, *words: int) -> np.random.Generator:
        asked.add(space)
        return maps.generator(space, *words)

    monkeypatch.setattr(demo_pairs, "generator", record)
    demo_pairs.pairs("train", 1, 0, 3)
    assert asked == {"train"}
