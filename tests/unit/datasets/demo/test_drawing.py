"""Drawing: seeds, exact boxes, looks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from harness.datasets.demo.drawing import Layer, Look, apply_look, backdrop, draw, motion_kernel
from harness.datasets.demo.figures import KINDS, Bank, figure, noise_field
from harness.datasets.demo.maps import SPACES, affine, chain, generator, mapped
from harness.datasets.demo.textures import texture


def test_the_same_seed_draws_the_same_pixels() -> None:
    first, again = (Bank.make(generator("test", 5), 3, 2) for _ in range(2))
    for a, b in zip(first.textures, again.textures, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(first.figures, again.figures, strict=True):
        assert a.kind == b.kind
        np.testing.assert_array_equal(a.parts[0].sprite.levels[0], b.parts[0].sprite.levels[0])


def test_no_two_seed_spaces_share_a_stream() -> None:
    assert len(set(SPACES.values())) == len(SPACES)
    words = [(0,), (1,), (2,), (1, 1), (0, 1, 2)]
    draws = {generator(space, *word).bytes(16) for space in SPACES for word in words}
    assert len(draws) == len(SPACES) * len(words)


def test_other_spaces_draw_other_pictures() -> None:
    train, val = texture(generator("train", 1)), texture(generator("val", 1))
    assert np.abs(train.astype(int) - val.astype(int)).mean() > 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_box_is_that_of_the_drawn_mask(kind: str) -> None:
    rng = generator("test", KINDS.index(kind))
    cloths = [texture(rng) for _ in range(3)]
    for turn in range(4):
        item = figure(rng, cloths, kind)
        pose = affine((40 + 10 * turn, 52), 0.7 * turn, 0.1, at=(101.3, 98.6))
        cover = np.zeros((200, 200), np.uint8)
        draw(np.zeros((200, 200, 3), np.uint8), Layer(item, pose, 0.1 * turn), affine(), cover)
        x, y, w, h = cv2.boundingRect((cover >= 128).astype(np.uint8))
        left, top, width, height = item.box(pose, 0.1 * turn)
        # Whole pixels against continuous corners, and corners sharper than a pixel fade below half coverage.
        np.testing.assert_allclose([left, top, left + width, top + height], [x, y, x + w, y + h], atol=1.8)


def test_a_box_follows_the_view_exactly() -> None:
    rng = generator("test", 3)
    item = figure(rng, [texture(rng)], "polygon")
    pose, view = affine((30, 20), 0.3, at=(50, 60)), affine((2, 2), at=(-10, 5))
    x, y, w, h = item.box(pose)
    np.testing.assert_allclose(item.box(chain(view, pose)), [2 * x - 10, 2 * y + 5, 2 * w, 2 * h])


def test_limbs_move_with_the_phase() -> None:
    rng = generator("test", 4)
    item = figure(rng, [texture(rng)], "person")
    assert not np.allclose(item.corners(affine(), 0.0), item.corners(affine(), 0.25))
    np.testing.assert_allclose(item.corners(affine(), 0.3), item.corners(affine(), 1.3))


def test_chain_is_composition() -> None:
    outer, inner = affine((2, 3), 0.4, 0.1, (5, 6)), affine((0.5, 1), -1.0, 0.0, (1, -2))
    points = np.array([[0.0, 0.0], [1.0, 2.0], [-3.0, 0.5]])
    np.testing.assert_allclose(mapped(chain(outer, inner), points), mapped(outer, mapped(inner, points)))


def test_drawing_outside_the_image_leaves_it_alone() -> None:
    rng = generator("test", 6)
    image = np.full((40, 60, 3), 77, np.uint8)
    draw(image, Layer(figure(rng, [texture(rng)]), affine((10, 10), at=(-100, 20))), affine())
    assert (image == 77).all()


def test_motion_smears_the_target_but_not_its_box() -> None:
    rng = generator("test", 7)
    item, pose = figure(rng, [texture(rng)], "ellipse"), affine((15, 15), at=(50, 50))
    covers = [np.zeros((100, 100), np.uint8) for _ in range(2)]
    for cover, smear in zip(covers, ((0.0, 0.0), (20.0, 0.0)), strict=True):
        draw(np.zeros((100, 100, 3), np.uint8), Layer(item, pose, smear=smear), affine(), cover)
    widths = [int(np.count_nonzero(cover.max(0) > 8)) for cover in covers]
    assert widths[1] > widths[0] + 10


def test_the_backdrop_of_the_identity_is_the_picture() -> None:
    image = texture(generator("test", 8))
    np.testing.assert_array_equal(backdrop(image, affine(), affine(), (256, 256)), image)


def test_a_plain_look_changes_nothing_and_each_effect_something() -> None:
    rng = generator("test", 9)
    image, noise = texture(rng), noise_field(rng)
    np.testing.assert_array_equal(apply_look(image, Look(), rng, noise), image)
    looks = [
        Look(gains=(0.7, 1.0, 1.1)), Look(bias=9), Look(gamma=1.4), Look(light=(0.5, 0.4)), Look(soft=1.5),
        Look(smear=(6.0, 2.0)), Look(shrink=2.0), Look(grain=8), Look(jpeg=40),
    ]  # fmt: skip
    for look in looks:
        changed = apply_look(image, look, rng, noise)
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8
        assert not np.array_equal(changed, image), look


def test_noise_covers_images_larger_than_its_field() -> None:
    rng = generator("test", 10)
    grey = np.full((600, 700, 3), 128, np.uint8)
    assert apply_look(grey, Look(grain=10), rng, noise_field(rng, 64)).std() > 5


def test_a_motion_kernel_keeps_brightness() -> None:
    for step in ((1.0, 0.0), (0.0, -7.0), (12.0, 30.0), (80.0, 1.0)):
        kernel = motion_kernel(*step)
        assert kernel.sum() == pytest.approx(1)
        assert max(kernel.shape) <= 33


def test_noise_begins_again_where_an_image_is_larger_than_the_field() -> None:
    noise, image = noise_field(generator("test", 6), 16), np.full((20, 40, 3), 100, np.uint8)
    y, x = np.random.default_rng(7).integers(0, 16, 2)
    tiled = np.tile(noise, (3, 4, 1))[y : y + 20, x : x + 40]
    found = apply_look(image, Look(grain=30.0), np.random.default_rng(7), noise)
    np.testing.assert_array_equal(found, np.clip(image + 30.0 * tiled, 0, 255).astype(np.uint8))


def test_a_sprites_hull_is_that_of_all_its_pixels_of_half_coverage() -> None:
    rng = generator("test", 8)
    for part in figure(rng, [texture(rng)], "animal").parts:
        rows, columns = np.nonzero(part.sprite.levels[0][..., 3] >= 128)
        corners = np.concatenate([np.stack([columns + x, rows + y], -1) for x in (0, 1) for y in (0, 1)])
        expected = cv2.convexHull(corners.astype(np.float32))[:, 0]
        found = (part.sprite.hull + 1) * 64
        assert {tuple(point) for point in found.round(6)} == {tuple(point) for point in expected.tolist()}
