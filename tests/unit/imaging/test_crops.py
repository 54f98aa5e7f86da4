"""Crops, windows and clips."""

from __future__ import annotations

import numpy as np
import pytest

from harness.core.errors import TrackingError
from harness.imaging import crops as vision


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (40, 60, 3), np.uint8)


def test_a_region_of_the_right_size_is_copied(image):
    cropper = vision.Cropper(16)
    crop = cropper.cut(image, (10, 5, 26, 21))
    assert np.array_equal(crop[0], image[5:21, 10:26])
    assert crop is cropper.buffer


def test_the_buffer_is_reused_and_the_image_untouched(image):
    before = image.copy()
    cropper = vision.Cropper(16)
    first = cropper.cut(image, (-8, -8, 24, 24))
    second = cropper.cut(image, (30, 10, 62, 42))
    assert first is second
    assert np.array_equal(image, before)


def test_outside_is_the_fill_colour(image):
    fill = np.array([7, 8, 9], np.uint8)
    crop = vision.Cropper(20).cut(image, (-10, -5, 10, 15), fill=fill)[0]
    assert (crop[:5] == fill).all()
    assert (crop[:, :10] == fill).all()
    assert np.array_equal(crop[5:, 10:], image[:15, :10])


def test_a_larger_canvas_leaves_nothing_of_the_last(image):
    cropper = vision.Cropper(30)
    cropper.cut(image, (20, 5, 80, 65), fill=np.array([255, 255, 255], np.uint8))
    crop = cropper.cut(image, (45, 25, 75, 55))[0]
    assert (crop[15:] == 0).all()
    assert (crop[:, 15:] == 0).all()


def test_a_region_around_the_whole_image(image):
    crop = vision.Cropper(80).cut(image, (-10, -20, 70, 60))[0]
    assert np.array_equal(crop[20:60, 10:70], image)
    assert crop.astype(int).sum() == image.astype(int).sum()


@pytest.mark.parametrize("region", [(60, 0, 70, 10), (0, -10, 10, 0), (-30, 0, -10, 20), (5, 5, 5, 10)])
def test_a_crop_outside_or_empty_is_an_error(image, region):
    with pytest.raises(TrackingError, match="60 x 40"):
        vision.Cropper(16).cut(image, region)


@pytest.mark.parametrize("box", [[5, 5, 0, 10], [5, 5, -3, -3], [5, 5, 10, 0]])
def test_a_box_without_area_is_an_error(image, box):
    with pytest.raises(TrackingError, match="no area"):
        vision.cut_square(vision.Cropper(16), image, np.array(box, float), 4.0)


def test_the_last_column_is_black_where_the_crop_reaches_it(image):
    box = np.array([45.0, 15.0, 10.0, 10.0])  # side 20: columns 40 to 59, rows 10 to 29
    crop, factor = vision.cut_square(vision.Cropper(20), image, box, 2.0)
    assert factor == 1.0
    assert (crop[0, :, -1] == 0).all()
    assert np.array_equal(crop[0, :, :-1], image[10:30, 40:59])


def test_halves_round_to_even():
    assert vision.square_region(np.array([10.0, 11.0, 5.0, 5.0]), 10)[:2] == (8, 8)  # 7.5 and 8.5


def test_centred_region_has_the_side_asked_for():
    assert vision.centred_region(20.0, 20.0, 5) == (17, 17, 22, 22)
    assert vision.centred_region(20.4, 20.5, 4) == (18, 18, 22, 22)


def test_mean_colour_is_truncated():
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 0] = (3, 4, 255)
    assert vision.mean_colour(image).tolist() == [0, 1, 63]
    assert vision.mean_colour(np.full((77, 91, 3), 201, np.uint8)).tolist() == [201, 201, 201]


def test_windows():
    inner = vision.hann_inner(16)
    assert inner.shape == (16, 16)
    assert inner.min() > 0
    assert inner[3, 5] == pytest.approx(
        0.25 * (1 - np.cos(2 * np.pi * 4 / 17)) * (1 - np.cos(2 * np.pi * 6 / 17)), abs=1e-6
    )
    outer = vision.hann(15)
    assert outer[7, 7] == 1
    assert outer[0].max() == 0


def test_clip_keeps_a_margin_inside():
    generator = np.random.default_rng(1)
    for _ in range(200):
        box = np.concatenate([generator.uniform(-300, 300, 2), generator.uniform(0, 400, 2)])
        x, y, w, h = vision.clip_box(box, 120, 100)
        assert 0 <= x <= 110
        assert 0 <= y <= 90
        assert w >= 10
        assert h >= 10
        assert x + w <= 120 + 1e-9
        assert y + h <= 100 + 1e-9


@pytest.mark.parametrize(("x", "y", "width", "height"), [(-700, -300, 1900, 1500), (20, -800, 2500, 900), (-2000, 10, 2040, 700)])
def test_a_crop_many_times_the_image_has_the_canvas_pixels(image, monkeypatch, x, y, width, height):
    fill = np.array([7, 80, 200], np.uint8)
    region = (x, y, x + width, y + height)
    sampled = vision.Cropper(128).cut(image, region, fill=fill)[0].astype(int)
    monkeypatch.setattr(vision, "SAMPLED", 1 << 40)
    canvas = vision.Cropper(128).cut(image, region, fill=fill)[0].astype(int)
    # the arithmetic is that of OpenCV's own code; a library with another resize may round a pixel differently
    assert np.abs(sampled - canvas).max() <= 1
    assert (sampled != canvas).mean() < 0.01
    assert (canvas != fill).any()


def test_a_crop_many_times_the_image_makes_no_canvas(image):
    cropper = vision.Cropper(256)
    cropper.cut(image, (-60_000, -40_000, 60_060, 40_040))
    assert cropper._canvas.size == 0
