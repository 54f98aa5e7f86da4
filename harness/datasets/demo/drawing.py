"""The renderer of a scene, and the looks of a camera.

Used by the demo data set and by ``tools/train_demo.py``; the two draw from different seed spaces
(``harness.datasets.demo.maps.SPACES``), so that nothing which is evaluated was ever trained on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from harness.core.interfaces import Image
from harness.datasets.demo.figures import Figure
from harness.datasets.demo.maps import Floats, Plane, Rng, chain, mapped
from harness.datasets.demo.sprites import SPRITE_SIZES, Sprite


@dataclass(frozen=True)
class Layer:
    """A figure in the scene. ``tint`` is (channel order, gain per channel); ``smear`` (dx, dy) is the path in
    image pixels over which motion blurs it."""

    figure: Figure
    pose: Floats
    phase: float = 0.0
    tint: tuple[tuple[int, int, int], tuple[float, float, float]] | None = None
    smear: tuple[float, float] = (0.0, 0.0)


def motion_kernel(dx: float, dy: float) -> Plane:
    """The normalised line of length ``|(dx, dy)|`` pixels (at most 31), as a filter kernel."""
    length = min(math.hypot(dx, dy), 31.0)
    half = max(1, math.ceil(length / 2))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    norm = max(math.hypot(dx, dy), 1e-9)
    ux, uy = dx / norm * length / 2, dy / norm * length / 2
    start = (round((half - ux) * 16), round((half - uy) * 16))
    end = (round((half + ux) * 16), round((half + uy) * 16))
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_8, 4)
    normed: Plane = kernel / kernel.sum()
    return normed


def _draw_sprite(image: Image, sprite: Sprite, matrix: Floats, layer: Layer, cover: Image | None) -> None:
    """Composites one sprite onto ``image`` (and its coverage onto ``cover``, uint8 ``[H, W]``), in place."""
    height, width = image.shape[:2]
    reach = 2 + int(max(abs(layer.smear[0]), abs(layer.smear[1])) / 2)
    points = mapped(matrix, sprite.hull)
    x0, y0 = np.floor(points.min(0)).astype(int) - reach
    x1, y1 = np.ceil(points.max(0)).astype(int) + reach
    x0, y0, x1, y1 = max(int(x0), 0), max(int(y0), 0), min(int(x1), width), min(int(y1), height)
    if x0 >= x1 or y0 >= y1:
        return
    span = 2 * math.sqrt(max(abs(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]), 1e-9))
    level = 0
    while level + 1 < len(SPRITE_SIZES) and SPRITE_SIZES[level + 1] >= span * 1.1:
        level += 1
    size = SPRITE_SIZES[level]
    texel = np.array([[2 / size, 0, 1 / size - 1], [0, 2 / size, 1 / size - 1]])
    whole = chain(matrix, texel)
    whole[:, 2] -= (x0 + 0.5, y0 + 0.5)
    patch = cv2.warpAffine(sprite.levels[level], whole, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
    if math.hypot(*layer.smear) >= 1.0:
        patch = cv2.filter2D(patch, -1, motion_kernel(*layer.smear), borderType=cv2.BORDER_CONSTANT)
    alpha = patch[..., 3]
    colour = patch[..., :3]
    if layer.tint is not None:
        order, gains = layer.tint
        colour = np.minimum(colour[..., list(order)] * np.array(gains, np.float32), alpha[..., None])
    region = image[y0:y1, x0:x1]
    kept = region * (np.float32(1) - alpha[..., None] * np.float32(1 / 255))
    region[:] = (kept + colour + np.float32(0.5)).clip(0, 255).astype(np.uint8)
    if cover is not None:
        np.maximum(cover[y0:y1, x0:x1], alpha, out=cover[y0:y1, x0:x1])


def draw(image: Image, layer: Layer, view: Floats, cover: Image | None = None) -> None:
    """Draws ``layer`` onto ``image`` through ``view`` (scene to pixels), in place."""
    pose = chain(view, layer.pose)
    for part in layer.figure.parts:
        _draw_sprite(image, part.sprite, chain(pose, part.placed(layer.phase)), layer, cover)


def backdrop(image: Image, view: Floats, ground: Floats, size: tuple[int, int]) -> Image:
    """The picture ``image`` laid into the scene by ``ground`` (texel to scene), seen through ``view``; mirrored
    beyond its edges. ``size`` is (width, height) of the result."""
    whole = chain(view, ground)
    whole[:, 2] += whole[:, :2] @ np.array([0.5, 0.5]) - 0.5
    zoom = math.sqrt(abs(whole[0, 0] * whole[1, 1] - whole[0, 1] * whole[1, 0]))
    if zoom < 0.6:
        factor = max(zoom, 0.1)
        small = (max(8, round(image.shape[1] * factor)), max(8, round(image.shape[0] * factor)))
        scale = (image.shape[1] / small[0], image.shape[0] / small[1])
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        whole = chain(whole, np.array([[scale[0], 0, scale[0] / 2 - 0.5], [0, scale[1], scale[1] / 2 - 0.5]]))
    seen: Image = cv2.warpAffine(image, whole, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return seen


# ---------------------------------------------------------------------------------------------- looks


@dataclass(frozen=True)
class Look:
    """What light and camera do to an image, in this order.

    ``gains`` and ``bias`` per channel and ``gamma`` (on values in [0, 1]); ``light`` = (angle, strength) darkens
    one side by up to ``strength`` and brightens the other; ``soft`` is the defocus blur's sigma in pixels;
    ``smear`` (dx, dy) the camera's motion blur in pixels; ``shrink`` >= 1 loses resolution; ``grain`` is the
    noise's sigma in grey levels; ``jpeg`` the quality in 1..100, 0 for none.
    """

    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    bias: float = 0.0
    gamma: float = 1.0
    light: tuple[float, float] = (0.0, 0.0)
    soft: float = 0.0
    smear: tuple[float, float] = (0.0, 0.0)
    shrink: float = 1.0
    grain: float = 0.0
    jpeg: int = 0

    def but(self, **changes: object) -> Look:
        return replace(self, **changes)  # type: ignore[arg-type]


def _toned(image: Image, look: Look) -> Image:
    if look.gains == (1.0, 1.0, 1.0) and look.bias == 0.0 and look.gamma == 1.0:
        return image
    ramp = np.linspace(0, 1, 256) ** look.gamma * 255
    table = np.clip(ramp[:, None] * np.array(look.gains) + look.bias, 0, 255).astype(np.uint8)
    toned: Image = cv2.LUT(image, table[None])
    return toned


def apply_look(image: Image, look: Look, rng: Rng, noise: Plane) -> Image:
    """``image`` as the camera of ``look`` records it; the noise is cut from ``noise`` at places drawn by ``rng``."""
    height, width = image.shape[:2]
    image = _toned(image, look)
    angle, strength = look.light
    if strength > 0:
        across = np.linspace(-1, 1, width, dtype=np.float32)[None] * math.cos(angle)
        down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * math.sin(angle)
        image = np.clip(image * (1 + strength * (across + down))[..., None], 0, 255).astype(np.uint8)
    if math.hypot(*look.smear) >= 1.0:
        image = cv2.filter2D(image, -1, motion_kernel(*look.smear), borderType=cv2.BORDER_REFLECT_101)
    if look.soft > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), look.soft)
    if look.shrink > 1.05:
        small = (max(2, round(width / look.shrink)), max(2, round(height / look.shrink)))
        image = cv2.resize(cv2.resize(image, small, interpolation=cv2.INTER_AREA), (width, height))
    if look.grain > 0:
        noisy = look.grain * _noise_piece(rng, noise, height, width)
        noisy += image
        image = np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)
    if look.jpeg:
        packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, look.jpeg])[1]
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))
    return image


def _noise_piece(rng: Rng, noise: Plane, height: int, width: int) -> Plane:
    """``[height, width, 3]`` of ``noise`` from a random place, wrapped around where the image is larger."""
    size = noise.shape[0]
    y, x = (int(v) for v in rng.integers(0, size, 2))
    if y + height <= size and x + width <= size:
        return noise[y : y + height, x : x + width]
    return noise.take(range(y, y + height), axis=0, mode="wrap").take(range(x, x + width), axis=1, mode="wrap")
