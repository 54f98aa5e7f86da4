"""Sprites: outlines filled with cloth, at several sizes, with their hulls."""

from __future__ import annotations

import math
from collections.abc import Sequence as Seq
from dataclasses import dataclass

import cv2
import numpy as np

from harness.core.interfaces import Array, Image
from harness.datasets.demo.maps import Numbers, Points, Rng, affine, mapped
from harness.datasets.demo.textures import TEXTURE_SIZE, palette, value_noise

SPRITE_SIZES = (128, 64, 32, 16)


def _outline(points: Points, size: int) -> Image:
    """The filled polygon ``points`` ([-1, 1] coordinates) as an anti-aliased mask, uint8 ``[size, size]``."""
    mask = np.zeros((size, size), np.uint8)
    fixed = np.round(((points + 1) * size / 2 - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, 4)
    return mask


def ellipse_of(at: Numbers, axes: Numbers, angle: float = 0.0) -> Points:
    turn = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    return mapped(affine(axes, angle, at=at), np.stack([np.cos(turn), np.sin(turn)], -1))


def box_of(x0: float, y0: float, x1: float, y1: float, corner: float = 0.0) -> Points:
    """A box with corners rounded by ``corner`` (0 to 1: a superellipse)."""
    if corner <= 0:
        return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    turn = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    power = 0.25 + 0.75 * corner
    cos, sin = np.cos(turn), np.sin(turn)
    unit = np.stack([np.sign(cos) * np.abs(cos) ** power, np.sign(sin) * np.abs(sin) ** power], -1)
    points: Points = unit * [(x1 - x0) / 2, (y1 - y0) / 2] + [(x0 + x1) / 2, (y0 + y1) / 2]
    return points


def blob_of(rng: Rng, rough: float) -> Points:
    """A closed curve whose radius is a random Fourier series with amplitudes falling as 1/k."""
    turn = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    radius = np.ones_like(turn)
    for k in range(2, 8):
        radius += rough * rng.normal() / k * np.cos(k * turn + rng.uniform(0, 2 * math.pi))
    radius = np.clip(radius, 0.25, None)
    points: Points = np.stack([np.cos(turn), np.sin(turn)], -1) * (radius / radius.max())[:, None] * 0.96
    return points


def star(rng: Rng) -> Points:
    corners = int(rng.integers(3, 9))
    turn = 2 * math.pi * (np.arange(corners * 2) + rng.uniform(0, 1)) / (corners * 2)
    radius = np.where(np.arange(corners * 2) % 2 == 0, 0.95, rng.uniform(0.4, 0.95))
    points: Points = np.stack([np.cos(turn), np.sin(turn)], -1) * radius[:, None]
    return points


def polygon_of(rng: Rng) -> Points:
    turn = np.sort(rng.uniform(0, 2 * math.pi, int(rng.integers(3, 8))))
    turn = turn + np.linspace(0, 0.3, len(turn))
    points: Points = np.stack([np.cos(turn), np.sin(turn)], -1) * rng.uniform(0.65, 0.97, (len(turn), 1))
    return points




@dataclass(frozen=True)
class Sprite:
    """A picture with a shape. ``levels``: premultiplied RGBA, uint8, at ``SPRITE_SIZES``; ``hull``: the convex
    hull ``[K, 2]`` of its pixels of at least half coverage, in [-1, 1] coordinates."""

    levels: tuple[Image, ...]
    hull: Points


def _sprite(colour: Array, mask: Image) -> Sprite:
    alpha = mask.astype(np.float32) / 255
    full = np.dstack([np.round(colour * alpha[..., None]).astype(np.uint8), mask])
    levels = [full]
    for size in SPRITE_SIZES[1:]:
        levels.append(cv2.resize(levels[-1], (size, size), interpolation=cv2.INTER_AREA))
    solid = mask >= 128
    rows = np.nonzero(solid.any(axis=1))[0]
    first, last = solid[rows].argmax(axis=1), mask.shape[1] - 1 - solid[rows, ::-1].argmax(axis=1)
    centres = np.stack([np.concatenate([first, last]), np.tile(rows, 2)], -1).astype(np.int32)  # no other pixel of a row is a corner
    ring = cv2.convexHull(centres)[:, 0].astype(np.float64)
    corners = (ring[:, None] + np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])).reshape(-1, 2)
    hull = cv2.convexHull(corners.astype(np.float32))[:, 0].astype(np.float64)
    return Sprite(tuple(levels), hull * 2 / SPRITE_SIZES[0] - 1)


def cloth_of(rng: Rng, textures: Seq[Image], contrast: float = 1.0) -> Array:
    """What a part is made of: a plain colour or a piece of a texture, float32 ``[128, 128, 3]``."""
    size = SPRITE_SIZES[0]
    plain = palette(rng, 1)[0].astype(np.float32)
    if rng.random() < 0.35:
        grain = value_noise(rng, size, 3, 6, 0.6)[..., None] - 0.5
        grained: Array = plain + contrast * rng.uniform(5, 60) * grain
        return grained
    source = textures[int(rng.integers(len(textures)))]
    side = int(rng.integers(48, TEXTURE_SIZE))
    x, y = rng.integers(0, TEXTURE_SIZE - side, 2)
    piece = cv2.resize(source[y : y + side, x : x + side], (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
    piece = piece[:, :, rng.permutation(3)]
    mix = rng.uniform(0, 0.6)
    mixed: Array = piece * (1 - mix) + plain * mix
    return mixed


class Canvas:
    """Paints masked cloths over each other into one RGBA picture."""

    def __init__(self, rng: Rng, textures: Seq[Image]) -> None:
        size = SPRITE_SIZES[0]
        self.rng, self.textures = rng, textures
        self.colour: Array = np.zeros((size, size, 3), np.float32)
        self.mask = np.zeros((size, size), np.uint8)

    def add(self, points: Points, cloth: Array | None = None, inside: bool = False) -> Canvas:
        """``inside`` keeps the paint within what is painted already (a marking instead of a limb)."""
        mask = _outline(points, SPRITE_SIZES[0])
        if inside:
            mask = np.minimum(mask, self.mask)
        alpha = mask.astype(np.float32)[..., None] / 255
        cloth = cloth_of(self.rng, self.textures) if cloth is None else cloth
        self.colour = self.colour * (1 - alpha) + cloth * alpha
        self.mask = np.maximum(self.mask, mask)
        return self

    def cut(self, points: Points) -> Canvas:
        self.mask = np.minimum(self.mask, 255 - _outline(points, SPRITE_SIZES[0]))
        return self

    def mark(self) -> Canvas:
        """Spots, a stripe or a patch within the shape."""
        rng = self.rng
        for _ in range(int(rng.integers(0, 4))):
            at, angle = rng.uniform(-0.6, 0.6, 2), rng.uniform(0, math.pi)
            axes = (rng.uniform(0.08, 0.5), rng.uniform(0.05, 0.3))
            points = ellipse_of(at, axes, angle) if rng.random() < 0.5 else mapped(affine(axes, angle, at=at), box_of(-1, -1, 1, 1))
            self.add(points, inside=True)
        return self

    def finish(self) -> Sprite:
        """Light from one side, sometimes a dark rim; both give the shape an edge of its own."""
        rng, size = self.rng, SPRITE_SIZES[0]
        angle, depth = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.45)
        line = np.linspace(-1, 1, size, dtype=np.float32)
        shade = 1 + depth * (math.cos(angle) * line[None] + math.sin(angle) * line[:, None])
        if rng.random() < 0.45:
            near = cv2.distanceTransform((self.mask >= 128).astype(np.uint8), cv2.DIST_L2, 3)
            shade *= 1 - rng.uniform(0.2, 0.8) * np.exp(-near / rng.uniform(1.5, 6))
        return _sprite(np.clip(self.colour * shade[..., None], 0, 255), self.mask)
