"""Procedural drawing: textures, objects, a bank of both, and the renderer of a scene.

Used by the demo data set and by ``tools/train_demo.py``; the two draw from different seed spaces (``SPACES``),
so that nothing which is evaluated was ever trained on. Everything is a function of its seed.

Conventions: images are uint8 RGB ``[H, W, 3]``; coordinates are continuous with pixel ``i`` covering
``[i, i + 1)``; a sprite fills the square ``[-1, 1] x [-1, 1]`` of its own coordinates; an affine map is a
float64 ``[2, 3]`` matrix ``[A | t]``, ``p -> A p + t``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence as Seq
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt

from harness.core.interfaces import Array, Boxes, Image

Floats = npt.NDArray[np.float64]
Plane = npt.NDArray[np.float32]
Numbers = Seq[float] | Floats
Rng = np.random.Generator

VERSION = 1
"""Raised whenever the same seed gives other pixels: the demo's cache folder depends on it."""

SPACES = {"train": 1, "val": 2, "calibration": 3, "test": 4}
"""The first word of every seed. Streams of different spaces are independent (NumPy's SeedSequence)."""

TEXTURE_SIZE = 256
SPRITE_SIZES = (128, 64, 32, 16)
_SEED_MARK = 0x5EED


def generator(space: str, *words: int) -> Rng:
    """The random generator of ``words`` (each >= 0; trailing zeros do not count) in the seed space ``space``."""
    return np.random.default_rng([_SEED_MARK, SPACES[space], *words])


# ------------------------------------------------------------------------------------------ affine maps


def affine(scale: Numbers = (1.0, 1.0), angle: float = 0.0, shear: float = 0.0, at: Numbers = (0, 0)) -> Floats:
    """Rotation by ``angle`` (radians) after a shear after scaling by ``scale`` (x, y), then a move to ``at``."""
    cos, sin = math.cos(angle), math.sin(angle)
    sx, sy = scale
    return np.array(
        [
            [cos * sx, cos * shear * sy - sin * sy, at[0]],
            [sin * sx, sin * shear * sy + cos * sy, at[1]],
        ]
    )


def chain(outer: Floats, inner: Floats) -> Floats:
    """``outer`` after ``inner``."""
    result: Floats = outer[:, :2] @ inner
    result[:, 2] += outer[:, 2]
    return result


def mapped(matrix: Floats, points: Floats) -> Floats:
    """``points`` ``[N, 2]`` through ``matrix``."""
    moved: Floats = points @ matrix[:, :2].T + matrix[:, 2]
    return moved


# --------------------------------------------------------------------------------------------- textures


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
    picture: Image = _ramp(rng, count)[np.clip(plane * 255, 0, 255).astype(np.uint8)]
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
    picture: Image = np.clip(colours[labels] * (shade * grain)[..., None], 0, 255).astype(np.uint8)
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
    image = tones[row, np.minimum(across.astype(int), columns - 1)]
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


# ----------------------------------------------------------------------------------------------- shapes

Points = npt.NDArray[np.float64]


def _outline(points: Points, size: int) -> Image:
    """The filled polygon ``points`` ([-1, 1] coordinates) as an anti-aliased mask, uint8 ``[size, size]``."""
    mask = np.zeros((size, size), np.uint8)
    fixed = np.round(((points + 1) * size / 2 - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, 4)
    return mask


def _ellipse(at: Numbers, axes: Numbers, angle: float = 0.0) -> Points:
    turn = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    return mapped(affine(axes, angle, at=at), np.stack([np.cos(turn), np.sin(turn)], -1))


def _box(x0: float, y0: float, x1: float, y1: float, corner: float = 0.0) -> Points:
    """A box with corners rounded by ``corner`` (0 to 1: a superellipse)."""
    if corner <= 0:
        return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    turn = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    power = 0.25 + 0.75 * corner
    cos, sin = np.cos(turn), np.sin(turn)
    unit = np.stack([np.sign(cos) * np.abs(cos) ** power, np.sign(sin) * np.abs(sin) ** power], -1)
    points: Points = unit * [(x1 - x0) / 2, (y1 - y0) / 2] + [(x0 + x1) / 2, (y0 + y1) / 2]
    return points


def _blob(rng: Rng, rough: float) -> Points:
    """A closed curve whose radius is a random Fourier series with amplitudes falling as 1/k."""
    turn = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    radius = np.ones_like(turn)
    for k in range(2, 8):
        radius += rough * rng.normal() / k * np.cos(k * turn + rng.uniform(0, 2 * math.pi))
    radius = np.clip(radius, 0.25, None)
    points: Points = np.stack([np.cos(turn), np.sin(turn)], -1) * (radius / radius.max())[:, None] * 0.96
    return points


def _star(rng: Rng) -> Points:
    corners = int(rng.integers(3, 9))
    turn = 2 * math.pi * (np.arange(corners * 2) + rng.uniform(0, 1)) / (corners * 2)
    radius = np.where(np.arange(corners * 2) % 2 == 0, 0.95, rng.uniform(0.4, 0.95))
    points: Points = np.stack([np.cos(turn), np.sin(turn)], -1) * radius[:, None]
    return points


def _polygon(rng: Rng) -> Points:
    turn = np.sort(rng.uniform(0, 2 * math.pi, int(rng.integers(3, 8))))
    turn = turn + np.linspace(0, 0.3, len(turn))
    points: Points = np.stack([np.cos(turn), np.sin(turn)], -1) * rng.uniform(0.65, 0.97, (len(turn), 1))
    return points


# ---------------------------------------------------------------------------------------------- sprites


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
    rows, columns = np.nonzero(mask >= 128)
    centres = np.stack([columns, rows], -1).astype(np.int32)
    ring = cv2.convexHull(centres)[:, 0].astype(np.float64)
    corners = (ring[:, None] + np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])).reshape(-1, 2)
    hull = cv2.convexHull(corners.astype(np.float32))[:, 0].astype(np.float64)
    return Sprite(tuple(levels), hull * 2 / SPRITE_SIZES[0] - 1)


def _cloth(rng: Rng, textures: Seq[Image], contrast: float = 1.0) -> Array:
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


class _Canvas:
    """Paints masked cloths over each other into one RGBA picture."""

    def __init__(self, rng: Rng, textures: Seq[Image]) -> None:
        size = SPRITE_SIZES[0]
        self.rng, self.textures = rng, textures
        self.colour: Array = np.zeros((size, size, 3), np.float32)
        self.mask = np.zeros((size, size), np.uint8)

    def add(self, points: Points, cloth: Array | None = None, inside: bool = False) -> _Canvas:
        """``inside`` keeps the paint within what is painted already (a marking instead of a limb)."""
        mask = _outline(points, SPRITE_SIZES[0])
        if inside:
            mask = np.minimum(mask, self.mask)
        alpha = mask.astype(np.float32)[..., None] / 255
        cloth = _cloth(self.rng, self.textures) if cloth is None else cloth
        self.colour = self.colour * (1 - alpha) + cloth * alpha
        self.mask = np.maximum(self.mask, mask)
        return self

    def cut(self, points: Points) -> _Canvas:
        self.mask = np.minimum(self.mask, 255 - _outline(points, SPRITE_SIZES[0]))
        return self

    def mark(self) -> _Canvas:
        """Spots, a stripe or a patch within the shape."""
        rng = self.rng
        for _ in range(int(rng.integers(0, 4))):
            at, angle = rng.uniform(-0.6, 0.6, 2), rng.uniform(0, math.pi)
            axes = (rng.uniform(0.08, 0.5), rng.uniform(0.05, 0.3))
            points = _ellipse(at, axes, angle) if rng.random() < 0.5 else mapped(affine(axes, angle, at=at), _box(-1, -1, 1, 1))
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


# ---------------------------------------------------------------------------------------------- figures


@dataclass(frozen=True)
class Part:
    """A sprite of a figure: ``rest`` places it in the figure; it swings about ``pivot`` (figure coordinates) by
    ``swing`` radians times sin(2 pi (phase + ``offset``))."""

    sprite: Sprite
    rest: Floats
    pivot: tuple[float, float] = (0.0, 0.0)
    swing: float = 0.0
    offset: float = 0.0

    def placed(self, phase: float) -> Floats:
        if self.swing == 0.0:
            return self.rest
        angle = self.swing * math.sin(2 * math.pi * (phase + self.offset))
        x, y = self.pivot
        turn = affine(angle=angle)
        turn[:, 2] = np.array([x, y]) - turn[:, :2] @ np.array([x, y])
        return chain(turn, self.rest)


@dataclass(frozen=True)
class Figure:
    """An object of one or several parts, back to front; ``kind`` is its class name; ``colour`` its mean RGB."""

    kind: str
    parts: tuple[Part, ...]
    colour: tuple[float, float, float]

    def corners(self, pose: Floats, phase: float) -> Points:
        """The hull points of all parts under ``pose`` ``[N, 2]``."""
        return np.concatenate([mapped(chain(pose, part.placed(phase)), part.sprite.hull) for part in self.parts])

    def box(self, pose: Floats, phase: float = 0.0) -> Boxes:
        """The axis-aligned box ``[x, y, w, h]`` of the whole figure as it would be drawn with nothing before it."""
        points = self.corners(pose, phase)
        low, high = points.min(0), points.max(0)
        return np.concatenate([low, high - low])


_IDENTITY = affine()


def _figure(kind: str, parts: Seq[Part]) -> Figure:
    pixels = np.concatenate([part.sprite.levels[-1].reshape(-1, 4) for part in parts]).astype(np.float64)
    red, green, blue = pixels[:, :3].sum(0) / max(pixels[:, 3].sum() / 255, 1.0)
    return Figure(kind, tuple(parts), (float(red), float(green), float(blue)))


def _single(kind: str, canvas: _Canvas) -> Figure:
    return _figure(kind, [Part(canvas.mark().finish(), _IDENTITY)])


def _make_blob(rng: Rng, textures: Seq[Image]) -> Figure:
    canvas = _Canvas(rng, textures).add(_blob(rng, rng.uniform(0.1, 0.9)))
    if rng.random() < 0.25:
        canvas.cut(_ellipse(rng.uniform(-0.3, 0.3, 2), rng.uniform(0.12, 0.4, 2)))
    return _single("blob", canvas)


def _make_polygon(rng: Rng, textures: Seq[Image]) -> Figure:
    kind = int(rng.integers(3))
    points = _polygon(rng) if kind == 0 else _star(rng) if kind == 1 else _box(-0.95, -0.95, 0.95, 0.95, rng.uniform(0, 0.5))
    canvas = _Canvas(rng, textures).add(points)
    if rng.random() < 0.2:
        canvas.cut(_star(rng) * rng.uniform(0.25, 0.5))
    return _single("polygon", canvas)


def _make_ellipse(rng: Rng, textures: Seq[Image]) -> Figure:
    canvas = _Canvas(rng, textures).add(_ellipse((0, 0), (0.95, 0.95)))
    if rng.random() < 0.2:
        canvas.cut(_ellipse((0, 0), (rng.uniform(0.3, 0.6),) * 2))
    return _single("ellipse", canvas)


def _make_cluster(rng: Rng, textures: Seq[Image]) -> Figure:
    """Several overlapping shapes of different cloths, grown from the middle."""
    canvas = _Canvas(rng, textures).add(_blob(rng, 0.4) * 0.5)
    for _ in range(int(rng.integers(2, 6))):
        at, angle = rng.uniform(-0.45, 0.45, 2), rng.uniform(0, math.pi)
        shape = _ellipse((0, 0), (1, 1)) if rng.random() < 0.5 else _polygon(rng)
        canvas.add(mapped(affine(rng.uniform(0.15, 0.5, 2), angle, at=at), shape))
    return _single("cluster", canvas)


def _make_face(rng: Rng, textures: Seq[Image]) -> Figure:
    canvas = _Canvas(rng, textures).add(_ellipse((0, 0), (rng.uniform(0.7, 0.95), 0.95)))
    if rng.random() < 0.7:
        canvas.add(_box(-1, -1, 1, rng.uniform(-0.7, -0.3)), inside=True)
    for side in (-1, 1):
        canvas.add(_ellipse((side * 0.35, -0.15), (rng.uniform(0.08, 0.18), rng.uniform(0.06, 0.14))), inside=True)
    canvas.add(_ellipse((0, 0.45), (rng.uniform(0.15, 0.4), rng.uniform(0.05, 0.15))), inside=True)
    return _figure("face", [Part(canvas.finish(), _IDENTITY)])


def _make_vehicle(rng: Rng, textures: Seq[Image]) -> Figure:
    roof, front = rng.uniform(-0.75, -0.4), rng.uniform(-0.75, -0.3)
    canvas = _Canvas(rng, textures)
    cloth = _cloth(rng, textures)
    cabin = np.array([[front, -0.15], [front + 0.2, roof], [0.45, roof], [rng.uniform(0.5, 0.9), -0.15]])
    canvas.add(cabin, cloth).add(_box(-0.95, -0.2, 0.95, 0.35, rng.uniform(0, 0.3)), cloth)
    canvas.add(cabin * [0.8, 0.75] + [0.02, -0.03])
    canvas.add(_box(-0.95, 0.05, 0.95, rng.uniform(0.1, 0.2)), inside=True)
    wheel = _cloth(rng, textures) * 0.35
    for x in (-0.55, 0.55):
        canvas.add(_ellipse((x, 0.35), (0.22, 0.22)), wheel).add(_ellipse((x, 0.35), (0.09, 0.09)))
    return _figure("vehicle", [Part(canvas.finish(), affine((1, 1.3)))])


def _limb(rng: Rng, textures: Seq[Image], cloth: Array, kind: int) -> Sprite:
    points = _box(-0.95, -0.95, 0.95, 0.95, 0.5) if kind == 0 else _ellipse((0, 0), (0.95, 0.95))
    canvas = _Canvas(rng, textures).add(points, cloth)
    return (canvas.mark() if kind == 0 and rng.random() < 0.3 else canvas).finish()


def _make_person(rng: Rng, textures: Seq[Image]) -> Figure:
    """Head, trunk, two arms and two legs that swing against each other."""
    shirt, trousers, skin = (_cloth(rng, textures) for _ in range(3))
    trunk, leg = _limb(rng, textures, shirt, 0), _limb(rng, textures, trousers, 0)
    arm, head = _limb(rng, textures, shirt * 0.9, 1), _limb(rng, textures, skin, 1)
    swing = rng.uniform(0.1, 0.6)
    parts = [
        Part(arm, affine((0.09, 0.33), at=(-0.2, -0.15)), (-0.2, -0.4), swing, 0.5),
        Part(leg, affine((0.12, 0.42), at=(-0.1, 0.55)), (-0.1, 0.2), swing, 0.0),
        Part(leg, affine((0.12, 0.42), at=(0.1, 0.55)), (0.1, 0.2), swing, 0.5),
        Part(trunk, affine((0.25, 0.4), at=(0, -0.15))),
        Part(arm, affine((0.09, 0.33), at=(0.22, -0.15)), (0.22, -0.4), swing, 0.0),
        Part(head, affine((0.15, 0.19), at=(0, -0.72))),
    ]
    return _figure("person", parts)


def _make_animal(rng: Rng, textures: Seq[Image]) -> Figure:
    """Trunk, head, tail and two pairs of legs."""
    fur = _cloth(rng, textures)
    trunk = _Canvas(rng, textures).add(_blob(rng, 0.2), fur).mark().finish()
    leg, head = _limb(rng, textures, fur * 0.85, 0), _limb(rng, textures, fur * 0.7 + 0.3 * _cloth(rng, textures), 1)
    tail, swing = _limb(rng, textures, fur, 1), rng.uniform(0.1, 0.5)
    parts = [
        Part(tail, affine((0.3, 0.06), 0.5, at=(0.75, -0.3)), (0.55, -0.2), swing, 0.2),
        Part(leg, affine((0.09, 0.3), at=(-0.4, 0.45)), (-0.4, 0.2), swing, 0.0),
        Part(leg, affine((0.09, 0.3), at=(0.45, 0.45)), (0.45, 0.2), swing, 0.5),
        Part(trunk, affine((0.65, 0.36), at=(0.05, 0))),
        Part(head, affine((0.25, 0.22), -0.3, at=(-0.72, -0.25)), (-0.5, -0.1), swing * 0.4, 0.1),
    ]
    return _figure("animal", parts)


def _make_flyer(rng: Rng, textures: Seq[Image]) -> Figure:
    """A body with two wings that beat."""
    body = _limb(rng, textures, _cloth(rng, textures), 1)
    wing = _Canvas(rng, textures).add(_polygon(rng)).mark().finish()
    swing = rng.uniform(0.1, 0.6)
    parts = [
        Part(wing, affine((0.45, 0.3), 0.4, at=(-0.5, -0.15)), (-0.1, 0.0), swing, 0.0),
        Part(wing, affine((-0.45, 0.3), -0.4, at=(0.5, -0.15)), (0.1, 0.0), -swing, 0.0),
        Part(body, affine((0.2, 0.6))),
    ]
    return _figure("flyer", parts)


_FIGURES: tuple[tuple[Callable[[Rng, Seq[Image]], Figure], float], ...] = (
    (_make_blob, 0.16),
    (_make_polygon, 0.14),
    (_make_ellipse, 0.08),
    (_make_cluster, 0.16),
    (_make_face, 0.08),
    (_make_vehicle, 0.12),
    (_make_person, 0.12),
    (_make_animal, 0.08),
    (_make_flyer, 0.06),
)
KINDS = tuple(make.__name__.removeprefix("_make_") for make, _ in _FIGURES)


def figure(rng: Rng, textures: Seq[Image], kind: str | None = None) -> Figure:
    """A random object of ``kind`` (one of ``KINDS``; None draws one)."""
    if kind is None:
        weights = np.array([weight for _, weight in _FIGURES])
        return _FIGURES[int(rng.choice(len(_FIGURES), p=weights / weights.sum()))][0](rng, textures)
    return _FIGURES[KINDS.index(kind)][0](rng, textures)


@dataclass(frozen=True)
class Bank:
    """Textures and objects made once and used many times, since making costs far more than drawing."""

    textures: tuple[Image, ...]
    figures: tuple[Figure, ...]
    noise: Plane = field(repr=False)

    @staticmethod
    def make(rng: Rng, textures: int, figures: int) -> Bank:
        cloths = tuple(texture(rng) for _ in range(textures))
        return Bank(cloths, tuple(figure(rng, cloths) for _ in range(figures)), noise_field(rng))


def noise_field(rng: Rng, size: int = 512) -> Plane:
    """Standard normal noise ``[size, size, 3]``, cut from at random places instead of drawn anew per image."""
    return rng.standard_normal((size, size, 3), dtype=np.float32)


# --------------------------------------------------------------------------------------------- renderer


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
        image = np.clip(image + look.grain * _noise_piece(rng, noise, height, width), 0, 255).astype(np.uint8)
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
    rows, columns = (y + np.arange(height)) % size, (x + np.arange(width)) % size
    piece: Plane = noise[rows[:, None], columns]
    return piece
