"""Figures: objects of several sprites that move against each other, and banks of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence as Seq
from dataclasses import dataclass, field

import numpy as np

from harness.core.interfaces import Array, Boxes, Image
from harness.datasets.demo.maps import Floats, Plane, Points, Rng, affine, chain, mapped
from harness.datasets.demo.sprites import Canvas, Sprite, blob_of, box_of, cloth_of, ellipse_of, polygon_of, star
from harness.datasets.demo.textures import texture


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


def _single(kind: str, canvas: Canvas) -> Figure:
    return _figure(kind, [Part(canvas.mark().finish(), _IDENTITY)])


def _make_blob(rng: Rng, textures: Seq[Image]) -> Figure:
    canvas = Canvas(rng, textures).add(blob_of(rng, rng.uniform(0.1, 0.9)))
    if rng.random() < 0.25:
        canvas.cut(ellipse_of(rng.uniform(-0.3, 0.3, 2), rng.uniform(0.12, 0.4, 2)))
    return _single("blob", canvas)


def _make_polygon(rng: Rng, textures: Seq[Image]) -> Figure:
    kind = int(rng.integers(3))
    points = polygon_of(rng) if kind == 0 else star(rng) if kind == 1 else box_of(-0.95, -0.95, 0.95, 0.95, rng.uniform(0, 0.5))
    canvas = Canvas(rng, textures).add(points)
    if rng.random() < 0.2:
        canvas.cut(star(rng) * rng.uniform(0.25, 0.5))
    return _single("polygon", canvas)


def _make_ellipse(rng: Rng, textures: Seq[Image]) -> Figure:
    canvas = Canvas(rng, textures).add(ellipse_of((0, 0), (0.95, 0.95)))
    if rng.random() < 0.2:
        canvas.cut(ellipse_of((0, 0), (rng.uniform(0.3, 0.6),) * 2))
    return _single("ellipse", canvas)


def _make_cluster(rng: Rng, textures: Seq[Image]) -> Figure:
    """Several overlapping shapes of different cloths, grown from the middle."""
    canvas = Canvas(rng, textures).add(blob_of(rng, 0.4) * 0.5)
    for _ in range(int(rng.integers(2, 6))):
        at, angle = rng.uniform(-0.45, 0.45, 2), rng.uniform(0, math.pi)
        shape = ellipse_of((0, 0), (1, 1)) if rng.random() < 0.5 else polygon_of(rng)
        canvas.add(mapped(affine(rng.uniform(0.15, 0.5, 2), angle, at=at), shape))
    return _single("cluster", canvas)


def _make_face(rng: Rng, textures: Seq[Image]) -> Figure:
    canvas = Canvas(rng, textures).add(ellipse_of((0, 0), (rng.uniform(0.7, 0.95), 0.95)))
    if rng.random() < 0.7:
        canvas.add(box_of(-1, -1, 1, rng.uniform(-0.7, -0.3)), inside=True)
    for side in (-1, 1):
        canvas.add(ellipse_of((side * 0.35, -0.15), (rng.uniform(0.08, 0.18), rng.uniform(0.06, 0.14))), inside=True)
    canvas.add(ellipse_of((0, 0.45), (rng.uniform(0.15, 0.4), rng.uniform(0.05, 0.15))), inside=True)
    return _figure("face", [Part(canvas.finish(), _IDENTITY)])


def _make_vehicle(rng: Rng, textures: Seq[Image]) -> Figure:
    roof, front = rng.uniform(-0.75, -0.4), rng.uniform(-0.75, -0.3)
    canvas = Canvas(rng, textures)
    cloth = cloth_of(rng, textures)
    cabin = np.array([[front, -0.15], [front + 0.2, roof], [0.45, roof], [rng.uniform(0.5, 0.9), -0.15]])
    canvas.add(cabin, cloth).add(box_of(-0.95, -0.2, 0.95, 0.35, rng.uniform(0, 0.3)), cloth)
    canvas.add(cabin * [0.8, 0.75] + [0.02, -0.03])
    canvas.add(box_of(-0.95, 0.05, 0.95, rng.uniform(0.1, 0.2)), inside=True)
    wheel = cloth_of(rng, textures) * 0.35
    for x in (-0.55, 0.55):
        canvas.add(ellipse_of((x, 0.35), (0.22, 0.22)), wheel).add(ellipse_of((x, 0.35), (0.09, 0.09)))
    return _figure("vehicle", [Part(canvas.finish(), affine((1, 1.3)))])


def _limb(rng: Rng, textures: Seq[Image], cloth: Array, kind: int) -> Sprite:
    points = box_of(-0.95, -0.95, 0.95, 0.95, 0.5) if kind == 0 else ellipse_of((0, 0), (0.95, 0.95))
    canvas = Canvas(rng, textures).add(points, cloth)
    return (canvas.mark() if kind == 0 and rng.random() < 0.3 else canvas).finish()


def _make_person(rng: Rng, textures: Seq[Image]) -> Figure:
    """Head, trunk, two arms and two legs that swing against each other."""
    shirt, trousers, skin = (cloth_of(rng, textures) for _ in range(3))
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
    fur = cloth_of(rng, textures)
    trunk = Canvas(rng, textures).add(blob_of(rng, 0.2), fur).mark().finish()
    leg, head = _limb(rng, textures, fur * 0.85, 0), _limb(rng, textures, fur * 0.7 + 0.3 * cloth_of(rng, textures), 1)
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
    body = _limb(rng, textures, cloth_of(rng, textures), 1)
    wing = Canvas(rng, textures).add(polygon_of(rng)).mark().finish()
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
