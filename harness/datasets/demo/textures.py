"""Textures: noise, gratings, leaves, cells, gradients, mosaics, each from its random generator."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from harness.core.interfaces import Image
from harness.datasets.demo.maps import Plane, Rng

TEXTURE_SIZE = 256


def value_noise(rng: Rng, size: int, coarse: int = 2, octaves: int = 6, persistence: float = 0.55) -> Plane:
    """Multi-octave noise, float32 ``[size, size]`` in [0, 1]; octave k is a grid of ``coarse * 2**k`` cells."""
    total = np.zeros((size, size), np.float32)
    cells, weight = coarse, 1.0
    for _ in range(octaves):
        if cells > size:
            break
        grid = rng.random((cells + 1, cells + 1), dtype=np.float32)
        total += weight * cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
        cells, weight = cells * 2, weight * persistence
    low, high = float(total.min()), float(total.max())
    scaled: Plane = (total - low) / max(high - low, 1e-6)
    return scaled


def palette(rng: Rng, count: int) -> Image:
    """``count`` colours, uint8 ``[count, 3]``: related hues, mostly muted, values spread."""
    hue = rng.uniform(0, 180) + rng.normal(0, rng.choice([6.0, 20.0, 60.0]), count)
    saturation = rng.beta(1.6, 2.2, count) * rng.uniform(60, 255)
    value = np.clip(rng.uniform(30, 225) + rng.normal(0, 55, count), 8, 250)
    hsv = np.stack([hue % 180, saturation, value], -1).astype(np.uint8)[None]
    colours: Image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0]
    return colours


def _ramp(rng: Rng, count: int) -> Image:
    """A colour look-up table ``[256, 3]`` that runs through a palette."""
    colours = palette(rng, count).astype(np.float32)
    table: Image = cv2.resize(colours[:, None], (1, 256), interpolation=cv2.INTER_LINEAR)[:, 0].astype(np.uint8)
    return table


def _coloured(rng: Rng, plane: Plane, count: int = 4) -> Image:
    picture: Image = _ramp(rng, count).take(np.clip(plane * 255, 0, 255).astype(np.uint8), axis=0)
    return picture


def _noise_texture(rng: Rng, size: int) -> Image:
    plane = value_noise(rng, size, int(rng.integers(2, 9)), 7, rng.uniform(0.4, 0.85))
    return _coloured(rng, plane, int(rng.integers(2, 7)))


def _natural_texture(rng: Rng, size: int) -> Image:
    """Luminance with a power-law spectrum and weak chroma noise, the statistics of photographs."""
    light = value_noise(rng, size, 2, 8, rng.uniform(0.5, 0.75))
    colour = palette(rng, 1)[0].astype(np.float32)
    spread = rng.uniform(60, 200)
    planes = [colour[c] + spread * (light - 0.5) + 40 * (value_noise(rng, size, 2, 4) - 0.5) for c in range(3)]
    picture: Image = np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)
    return picture


def _grating_texture(rng: Rng, size: int) -> Image:
    """Stripes or checks, straight or warped."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    angle, cycles = rng.uniform(0, math.pi), rng.uniform(4, 24)
    warp = rng.uniform(0, 12) * value_noise(rng, size, 3, 3) if rng.random() < 0.6 else 0.0
    along = math.cos(angle) * x + math.sin(angle) * y
    across = -math.sin(angle) * x + math.cos(angle) * y
    step = 2 * math.pi * cycles / size
    plane = np.sin(step * along + warp)
    if rng.random() < 0.4:
        plane = plane * np.sin(step * rng.uniform(0.5, 1.5) * across + warp)
    hard = rng.uniform(1, 8)
    plane = 0.5 + 0.5 * np.tanh(hard * plane) + 0.15 * (value_noise(rng, size, 4, 5) - 0.5)
    return _coloured(rng, plane, int(rng.integers(2, 4)))


def _leaves_texture(rng: Rng, size: int) -> Image:
    """Dead leaves: discs, boxes and polygons of power-law size over each other; scale-invariant like photographs."""
    image = np.empty((size, size, 3), np.uint8)
    image[:] = palette(rng, 1)[0]
    colours = palette(rng, 12)
    count = int(rng.integers(60, 220))
    radius = size * np.clip(0.012 * (1 - rng.random(count)) ** -0.7, 0.012, 0.3)
    centres = rng.integers(0, size, (count, 2))
    kind = int(rng.integers(0, 3))
    for i in range(count):
        colour = [int(v) for v in np.clip(colours[i % 12] + rng.normal(0, 14, 3), 0, 255)]
        centre = (int(centres[i, 0]), int(centres[i, 1]))
        if kind == 0:
            axes = (int(radius[i]) + 1, int(radius[i] * rng.uniform(0.4, 1)) + 1)
            cv2.ellipse(image, centre, axes, rng.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA)
        else:
            corners = 4 if kind == 1 else int(rng.integers(3, 8))
            turn = np.sort(rng.uniform(0, 2 * math.pi, corners))
            points = centres[i] + radius[i] * np.stack([np.cos(turn), np.sin(turn)], -1)
            cv2.fillPoly(image, [points.astype(np.int32)], colour, cv2.LINE_AA)
    grain = 1 + rng.uniform(0.1, 0.5) * (value_noise(rng, size, 4, 6, 0.7) - 0.5)
    picture: Image = np.clip(image * grain[..., None], 0, 255).astype(np.uint8)
    return picture


def _cells_texture(rng: Rng, size: int) -> Image:
    """Voronoi cells with dark or bright seams."""
    seeds = np.full((size, size), 255, np.uint8)
    count = int(rng.integers(15, 150))
    seeds[rng.integers(0, size, count), rng.integers(0, size, count)] = 0
    distance, labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    colours = palette(rng, 8)[rng.integers(0, 8, int(labels.max()) + 1)].astype(np.float32)
    shade = 1 - rng.uniform(-0.4, 0.7) * distance / max(float(distance.max()), 1.0)
    grain = 1 + 0.3 * (value_noise(rng, size, 4, 6, 0.7) - 0.5)
    picture: Image = np.clip(colours.take(labels, axis=0) * (shade * grain)[..., None], 0, 255).astype(np.uint8)
    return picture


def _gradient_texture(rng: Rng, size: int) -> Image:
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    angle = rng.uniform(0, 2 * math.pi)
    plane = 0.5 + math.cos(angle) * (x - 0.5) + math.sin(angle) * (y - 0.5)
    plane = 0.85 * np.clip(plane, 0, 1) + 0.15 * value_noise(rng, size, 4, 6)
    return _coloured(rng, plane, int(rng.integers(2, 5)))


def _mosaic_texture(rng: Rng, size: int) -> Image:
    """Bricks or tiles, each with a tone of its own."""
    rows, columns = int(rng.integers(4, 20)), int(rng.integers(3, 16))
    tones = palette(rng, 6)[rng.integers(0, 6, (rows, columns))].astype(np.float32) + rng.normal(0, 10, (rows, columns, 1))
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    row = np.minimum((y * rows).astype(int), rows - 1)
    across = (x * columns + 0.5 * (row % 2) * rng.integers(0, 2)) % columns
    image = tones.reshape(-1, 3).take(row * columns + np.minimum(across.astype(int), columns - 1), axis=0)
    seam = np.minimum((across % 1) / 0.12, ((y * rows) % 1) / 0.12)
    image *= (0.6 + 0.4 * np.clip(seam, 0, 1))[..., None]
    grain = 1 + 0.4 * (value_noise(rng, size, 4, 6, 0.7) - 0.5)
    picture: Image = np.clip(image * grain[..., None], 0, 255).astype(np.uint8)
    return picture


_TEXTURES: tuple[tuple[Callable[[Rng, int], Image], float], ...] = (
    (_noise_texture, 0.18),
    (_natural_texture, 0.2),
    (_grating_texture, 0.12),
    (_leaves_texture, 0.24),
    (_cells_texture, 0.1),
    (_gradient_texture, 0.06),
    (_mosaic_texture, 0.1),
)


def texture(rng: Rng, size: int = TEXTURE_SIZE) -> Image:
    """A random texture, uint8 RGB ``[size, size, 3]``; one in five is two textures in noise-shaped patches."""
    weights = np.array([weight for _, weight in _TEXTURES])
    make = _TEXTURES[int(rng.choice(len(_TEXTURES), p=weights / weights.sum()))][0]
    image = make(rng, size)
    if rng.random() < 0.2:
        other = _TEXTURES[int(rng.integers(len(_TEXTURES)))][0](rng, size)
        patches = np.clip(rng.uniform(4, 30) * (value_noise(rng, size, 2, 5) - 0.5) + 0.5, 0, 1)[..., None]
        image = (image * patches + other * (1 - patches)).astype(np.uint8)
    return image
