"""Training pairs of the demo tracker: a template crop, a search crop and the target's box in it.

Crops are drawn at their own size, as ``harness.datasets.demo.drawing`` draws the demo's frames, instead of cut from
frames: the template's side is 2 times, the search crop's side 3 times sqrt(w h) of the target, the latter off
centre and off scale as a tracker's own feedback is. Pair ``i`` is a function of (space, seed, i) alone, but for
its bank, which is a function of (space, seed, i // ``BANK_LIFE``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from harness.core.interfaces import Image
from harness.datasets.demo.drawing import Layer, Look, apply_look, backdrop, draw
from harness.datasets.demo.figures import Bank, Figure
from harness.datasets.demo.maps import Floats, Rng, affine, chain, generator

TEMPLATE, SEARCH = 64, 96
TEMPLATE_FACTOR, SEARCH_FACTOR = 2.0, 3.0
TARGET_PIXELS = SEARCH / SEARCH_FACTOR
"""sqrt(w h) of a target in either crop: the template's 64 / 2 is the same number."""

BANK_LIFE = 8192
BANK_TEXTURES, BANK_FIGURES = 160, 320
_BANK_STREAM, _PAIR_STREAM = 0, 1


@dataclass(frozen=True)
class Pairs:
    """``template`` uint8 ``[N, 64, 64, 3]`` RGB, ``search`` ``[N, 96, 96, 3]``, ``box`` float32 ``[N, 4]``: centre,
    width and height in units of the search crop's side."""

    template: Image
    search: Image
    box: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.box)


@lru_cache(maxsize=2)
def bank(space: str, seed: int, number: int) -> Bank:
    """The ``number``-th bank of a seed space."""
    return Bank.make(generator(space, seed, _BANK_STREAM, number), BANK_TEXTURES, BANK_FIGURES)


def pairs(space: str, seed: int, first: int, count: int, crowded: bool = False, wide: bool = False) -> Pairs:
    """Pairs ``first`` to ``first + count`` of the stream ``seed`` of ``space``."""
    made = [pair(space, seed, index, crowded, wide) for index in range(first, first + count)]
    templates, searches, boxes = zip(*made, strict=True)
    return Pairs(np.stack(templates), np.stack(searches), np.stack(boxes).astype(np.float32))


def pair(space: str, seed: int, index: int, crowded: bool = False, wide: bool = False) -> tuple[Image, Image, Floats]:
    """Pair ``index``: template, search crop and box (cx, cy, w, h, in units of the search crop's side).

    ``crowded`` puts other things into the middle of most search crops and the target more often off it: what
    stands there and stands out is then no longer the answer, and only the template tells. ``wide`` varies the search
    crop's scale more: a tracker whose box has grown must find its way back.
    """
    cloths = bank(space, seed, index // BANK_LIFE)
    rng = generator(space, seed, _PAIR_STREAM, index)
    while True:
        made = _Scene(rng, cloths, crowded, wide).make()
        if made is not None:
            return made


Tint = tuple[tuple[int, int, int], tuple[float, float, float]]


def _tint(rng: Rng) -> Tint | None:
    """One in two figures changes its colours: more identities from the same bank."""
    if rng.random() < 0.5:
        return None
    order = rng.permutation(3)
    gains = rng.uniform(0.6, 1.5, 3)
    return (int(order[0]), int(order[1]), int(order[2])), (float(gains[0]), float(gains[1]), float(gains[2]))


def _unit(item: Figure, pose: Floats, phase: float) -> Floats:
    """``pose`` scaled and moved so that the figure's box has its centre at 0 and sqrt(w h) = 1."""
    x, y, w, h = item.box(pose, phase)
    side = math.sqrt(w * h)
    return chain(affine((1 / side, 1 / side), at=(-(x + w / 2) / side, -(y + h / 2) / side)), pose)


class _Scene:
    """One target seen twice. Scene units: sqrt(w h) of the target is 1 in each view, its centre at the origin."""

    def __init__(self, rng: Rng, cloths: Bank, crowded: bool = False, wide: bool = False) -> None:
        self.rng, self.bank, self.crowded = rng, cloths, crowded
        self.scales = (0.2, 0.45) if wide else (0.12, 0.3)
        self.middle = np.zeros(2)
        self.target = self._pick()
        self.tint = _tint(rng)
        self.angle = rng.uniform(-math.pi, math.pi) if rng.random() < 0.4 else rng.normal(0, 0.2)
        self.aspect = math.exp(rng.normal(0, 0.25))
        self.shear = rng.normal(0, 0.08)
        self.phase = rng.random()
        self.mirror = -1.0 if rng.random() < 0.5 else 1.0

    def _pick(self) -> Figure:
        return self.bank.figures[int(self.rng.integers(len(self.bank.figures)))]

    def make(self) -> tuple[Image, Image, Floats] | None:
        """None where the target came out of the search crop or too thin to be one."""
        rng = self.rng
        first = _unit(self.target, self._pose(0.0, 1.0, self.shear), self.phase)
        turn = rng.normal(0, 0.25) if rng.random() < 0.8 else rng.uniform(-1.2, 1.2)
        phase = self.phase + rng.uniform(0, 1)
        second = self._pose(turn, math.exp(rng.normal(0, 0.12)), self.shear + rng.normal(0, 0.06))
        second = _unit(self.target, second, phase)
        view, box = self._search_view(second, phase)
        if box is None:
            return None
        grounds = self._grounds()
        zoom = TEMPLATE / TEMPLATE_FACTOR * math.exp(rng.normal(0, 0.03))
        centre = TEMPLATE / 2 + rng.normal(0, 0.6, 2)
        base = self._look()
        near = affine((zoom, zoom), at=(float(centre[0]), float(centre[1])))
        template = self._render(TEMPLATE, near, first, self.phase, grounds[0], base, hard=0.35)
        template = apply_look(template, self._strain(base, 0.4), rng, self.bank.noise)
        search = self._render(SEARCH, view, second, phase, grounds[1], base, hard=1.0)
        search = apply_look(search, self._strain(self._changed(base), 1.0), rng, self.bank.noise)
        return template, search, box

    def _pose(self, turn: float, stretch: float, shear: float) -> Floats:
        wide = math.sqrt(self.aspect * stretch)
        return affine((self.mirror * wide, 1 / wide), self.angle + turn, shear)

    def _search_view(self, pose: Floats, phase: float) -> tuple[Floats, Floats | None]:
        """The search window is drawn as feedback would place it: mostly near, sometimes towards its edge."""
        rng = self.rng
        spread = rng.choice([0.15, 0.4, 0.0], p=[0.25, 0.35, 0.4] if self.crowded else [0.35, 0.4, 0.25])
        shift = rng.normal(0, spread, 2) if spread else rng.uniform(-1.15, 1.15, 2)
        scale = math.exp(rng.normal(0, self.scales[0] if rng.random() < 0.6 else self.scales[1]))
        zoom = float(np.clip(scale, 0.45, 2.0)) * TARGET_PIXELS
        at = SEARCH / 2 + shift * TARGET_PIXELS
        self.middle = -shift * TARGET_PIXELS / zoom
        view = affine((zoom, zoom), at=(float(at[0]), float(at[1])))
        x, y, w, h = self.target.box(chain(view, pose), phase)
        box = np.array([x + w / 2, y + h / 2, w, h]) / SEARCH
        thin = min(w, h) < 4 or max(w, h) > SEARCH * 0.98
        outside = not (0.02 < box[0] < 0.98 and 0.02 < box[1] < 0.98)
        return view, None if thin or outside else box

    def _grounds(self) -> tuple[list[tuple[Image, Floats]], list[tuple[Image, Floats]]]:
        """Backgrounds (texture, texel to scene) behind the first and the second view."""
        rng = self.rng
        pick = [self.bank.textures[int(i)] for i in rng.integers(0, len(self.bank.textures), 3)]
        if self.crowded:
            pick.sort(key=self._likeness)
        texel = math.exp(rng.uniform(math.log(0.012), math.log(0.09)))
        turn = rng.uniform(-math.pi, math.pi) if rng.random() < 0.3 else rng.normal(0, 0.1)
        at = rng.uniform(-256 * texel, 0, 2)
        ground = affine((texel, texel), turn, at=(float(at[0]), float(at[1])))
        if rng.random() < 0.3:
            texel = math.exp(rng.uniform(math.log(0.012), math.log(0.09)))
            at = rng.uniform(-256 * texel, 0, 2)
            return [(pick[0], ground)], [(pick[1], affine((texel, texel), turn, at=(float(at[0]), float(at[1]))))]
        drift = rng.normal(0, 1.5, 2)
        grow = math.exp(rng.normal(0, 0.1))
        later = chain(affine((grow, grow), rng.normal(0, 0.08), at=(float(drift[0]), float(drift[1]))), ground)
        return [(pick[0], ground)], [(pick[0], later)]

    def _likeness(self, ground: Image) -> float:
        """How near a background's mean colour is to the target's (0: as far as black from white)."""
        mean = ground[::8, ::8].reshape(-1, 3).mean(0)
        colour = np.array(self.target.colour)
        if self.tint is not None:
            colour = np.minimum(colour[list(self.tint[0])] * self.tint[1], 255)
        return float(1 - np.linalg.norm(mean - colour) / (255 * math.sqrt(3)))

    def _render(
        self, size: int, view: Floats, pose: Floats, phase: float, grounds: list[tuple[Image, Floats]], look: Look, hard: float
    ) -> Image:
        """One view; ``hard`` in [0, 1] scales how often the target is disturbed."""
        rng = self.rng
        source, ground = grounds[0]
        image = backdrop(source, view, ground, (size, size))
        if rng.random() < 0.25:
            self._skyline(image, view)
        for _ in range(int(rng.poisson(1.2))):
            draw(image, self._stray(rng.uniform(0.3, 2.2), rng.uniform(-2.0, 2.0, 2)), view)
        if rng.random() < (0.85 if self.crowded else 0.5) * hard:
            for _ in range(int(rng.integers(1, 4))):
                draw(image, self._double(), view)
        smear = (0.0, 0.0)
        if rng.random() < 0.25 * hard:
            step = rng.normal(0, 5, 2)
            smear = (float(step[0]), float(step[1]))
        draw(image, Layer(self.target, pose, phase, self.tint, smear), view)
        if rng.random() < 0.25 * hard:
            self._occlude(image, view)
        return image

    def _skyline(self, image: Image, view: Floats) -> None:
        """A second texture beyond a straight edge."""
        rng = self.rng
        size = image.shape[0]
        other = self.bank.textures[int(rng.integers(len(self.bank.textures)))]
        texel = math.exp(rng.uniform(math.log(0.012), math.log(0.09)))
        above = backdrop(other, view, affine((texel, texel), at=(-3.0, -3.0)), (size, size))
        angle, cut = rng.normal(0, 0.3) + rng.integers(4) * math.pi / 2, rng.uniform(-0.7, 0.7)
        line = np.linspace(-1, 1, size)
        inside = math.cos(angle) * line[None] + math.sin(angle) * line[:, None] > cut
        image[inside] = above[inside]

    def _stray(self, size: float, at: npt.NDArray[np.float64]) -> Layer:
        rng = self.rng
        item, phase = self._pick(), rng.random()
        pose = _unit(item, affine((1.0, math.exp(rng.normal(0, 0.3))), rng.uniform(-math.pi, math.pi)), phase)
        return Layer(item, chain(affine((size, size), at=(float(at[0]), float(at[1]))), pose), phase, _tint(rng))

    def _double(self) -> Layer:
        """A distractor: like the target in shape (other colours) or of its kind, beside it."""
        rng = self.rng
        at = self._beside()
        same = [item for item in self.bank.figures if item.kind == self.target.kind and item is not self.target]
        pose = self._pose(rng.normal(0, 0.4), math.exp(rng.normal(0, 0.15)), self.shear)
        size = math.exp(rng.normal(0, 0.2))
        if self.crowded and rng.random() < 0.35:
            return self._stray(size, np.array(at))
        if rng.random() < 0.4 or not same:
            item, tint = self.target, self._other_tint()
        else:
            item, tint = same[int(rng.integers(len(same)))], _tint(rng)
        return Layer(item, chain(affine((size, size), at=at), _unit(item, pose, self.phase)), rng.random(), tint)

    def _beside(self) -> tuple[float, float]:
        """A place for a distractor: about the target or, crowded, about the window's middle, but not on the target."""
        rng = self.rng
        if self.crowded and rng.random() < 0.7:
            for _ in range(4):
                x, y = self.middle + rng.normal(0, 0.5, 2)
                if math.hypot(x, y) > 0.7:
                    return float(x), float(y)
        angle, far = rng.uniform(0, 2 * math.pi), rng.uniform(0.75, 1.8)
        return far * math.cos(angle), far * math.sin(angle)

    def _other_tint(self) -> Tint:
        """Colours that cannot be taken for the target's: another channel order and gains far from 1."""
        order = (0, 1, 2) if self.tint is None else self.tint[0]
        gains = np.where(self.rng.random(3) < 0.5, self.rng.uniform(0.3, 0.65, 3), self.rng.uniform(1.4, 2.2, 3))
        return (order[1], order[2], order[0]), (float(gains[0]), float(gains[1]), float(gains[2]))

    def _occlude(self, image: Image, view: Floats) -> None:
        """Something before the target, off its centre, so that a part stays in sight."""
        rng = self.rng
        angle, far = rng.uniform(0, 2 * math.pi), rng.uniform(0.35, 0.7)
        draw(image, self._stray(rng.uniform(0.4, 1.0), far * np.array([math.cos(angle), math.sin(angle)])), view)

    def _look(self) -> Look:
        """Light and camera that both views share."""
        rng = self.rng
        gains = np.clip(rng.normal(1, 0.08, 3) * rng.uniform(0.75, 1.2), 0.4, 1.6)
        return Look((float(gains[0]), float(gains[1]), float(gains[2])), rng.normal(0, 6), math.exp(rng.normal(0, 0.15)))

    def _changed(self, look: Look) -> Look:
        """The light of the second view: as before, or changed."""
        rng = self.rng
        if rng.random() < 0.4:
            return look
        factor = math.exp(rng.normal(0, 0.18))
        gains = np.array(look.gains) * factor * rng.normal(1, 0.05, 3)
        light = (rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.4)) if rng.random() < 0.4 else (0.0, 0.0)
        return look.but(
            gains=(float(gains[0]), float(gains[1]), float(gains[2])),
            bias=look.bias + rng.normal(0, 8),
            gamma=look.gamma * math.exp(rng.normal(0, 0.12)),
            light=light,
        )

    def _strain(self, look: Look, hard: float) -> Look:
        """Blur, loss of resolution, noise and compression, each now and then."""
        rng = self.rng
        hard = hard * 0.6 if self.crowded else hard
        smear = rng.normal(0, 3.5, 2) if rng.random() < 0.15 * hard else (0.0, 0.0)
        return look.but(
            soft=rng.uniform(0.4, 1.8) if rng.random() < 0.25 * hard else 0.0,
            smear=(float(smear[0]), float(smear[1])),
            shrink=rng.uniform(1.2, 2.6) if rng.random() < (0.2 if self.crowded else 0.35) else 1.0,
            grain=rng.uniform(1, 14) if rng.random() < (0.35 if self.crowded else 0.5) else 0.0,
            jpeg=int(rng.integers(25, 90)) if rng.random() < 0.15 else 0,
        )
