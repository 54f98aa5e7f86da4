"""Generated sequences: what moves how before the camera, frame by frame, with exact truth.

A ``Script`` says how hard a sequence is in which respect; ``Scene`` draws everything else (paths, background,
objects, light) from a seed. Positions are in pixels of the frame, angles in radians, time in frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence as Seq
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from harness.core.interfaces import Boxes, Image
from harness.datasets.demo.drawing import Layer, Look, apply_look, backdrop, draw
from harness.datasets.demo.figures import Figure, figure, noise_field
from harness.datasets.demo.maps import Floats, Points, Rng, affine, chain, generator
from harness.datasets.demo.textures import texture

WIDTH, HEIGHT = 640, 360
FRAMES = 80
WORLD = 1024
CLOTHS = 24


@dataclass(frozen=True)
class Script:
    """How hard a sequence is. ``size`` is sqrt(w h) of the target in pixels at the start; ``speed`` pixels a frame.

    ``surge`` in [0, 1] varies the speed (1: full stops); ``camera`` is the pan's amplitude in pixels; ``zoom`` and
    ``scale`` are the largest factors, ``stretch`` the aspect's; ``turn`` the rotation's amplitude in radians (``spin``
    turns on and on instead, radians a frame); ``shutter`` the share of a frame's motion that smears; ``soft`` the
    largest defocus in pixels; ``light`` in [0, 1] the depth of the lighting's change; ``grain`` the noise's sigma;
    ``doubles`` how many distractors move about; ``covers`` how many times something passes before the target.
    """

    name: str
    kind: str
    size: float = 70.0
    speed: float = 7.0
    surge: float = 0.3
    camera: float = 60.0
    zoom: float = 1.0
    scale: float = 1.15
    stretch: float = 1.08
    turn: float = 0.15
    spin: float = 0.0
    shutter: float = 0.2
    soft: float = 0.0
    light: float = 0.1
    grain: float = 2.0
    doubles: int = 0
    covers: int = 0


SCRIPTS = (
    Script("camera", "vehicle", camera=260, zoom=1.35, speed=6.5),
    Script("scale", "face", size=58, scale=2.1, speed=6),
    Script("rotation", "polygon", size=74, spin=0.055, turn=0.0),
    Script("motion_blur", "cluster", size=72, speed=13, shutter=0.9, camera=120),
    Script("defocus", "person", size=70, soft=2.4, speed=6),
    Script("lighting", "blob", size=68, light=0.6, speed=6),
    Script("distractors", "vehicle", size=64, doubles=3, speed=6),
    Script("occlusion", "face", size=80, covers=3, speed=6),
    Script("deformation", "animal", size=84, stretch=1.5, turn=0.3, speed=6),
    Script("acceleration", "ellipse", size=70, surge=1.0, speed=11),
    Script("noise", "polygon", size=74, grain=13, light=0.3, speed=6),
    Script("everything", "cluster", 72, 8, 0.6, 140, 1.2, 1.5, 1.2, 0.5, 0.0, 0.5, 1.0, 0.4, 5.0, 1, 2),
)
"""The evaluated sequences: each its own challenge above a common base of camera motion, light change and noise."""


def random_script(rng: Rng, name: str) -> Script:
    """A script of mixed difficulties, for splits that are not evaluated one challenge at a time."""
    base = SCRIPTS[int(rng.integers(len(SCRIPTS)))]
    other = SCRIPTS[int(rng.integers(len(SCRIPTS)))]
    return Script(
        name, base.kind, rng.uniform(50, 95), base.speed, base.surge, other.camera, other.zoom, base.scale, other.stretch,
        base.turn, other.spin, base.shutter, other.soft, base.light, other.grain, other.doubles, base.covers,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------ motion


def smooth_path(rng: Rng, steps: npt.NDArray[np.float64], low: Seq[float], high: Seq[float]) -> Points:
    """A curve ``[T, 2]`` within ``low`` to ``high`` that goes ``steps[t]`` pixels before frame t (the first is 0).

    Catmull-Rom through random waypoints, walked by arc length.
    """
    low_, high_ = np.asarray(low, np.float64), np.asarray(high, np.float64)
    span = high_ - low_
    need = float(steps.sum()) + 1.0
    points = [rng.uniform(low_, high_)]
    length = 0.0
    while length < need + float(span.sum()) or len(points) < 6:
        tries = rng.uniform(low_, high_, (12, 2))
        far = np.linalg.norm(tries - points[-1], axis=1)
        points.append(tries[int(np.argmin(np.abs(far - 0.55 * np.linalg.norm(span))))])
        length += float(np.linalg.norm(points[-1] - points[-2]))
    dense = np.clip(_catmull_rom(np.array(points), 40), low_, high_)
    walked = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(dense, axis=0), axis=1))])
    at = np.cumsum(steps)
    return np.stack([np.interp(at, walked, dense[:, axis]) for axis in range(2)], -1)


def _catmull_rom(points: Points, per: int) -> Points:
    """The uniform Catmull-Rom spline from the second to the last but one point, ``per`` samples a span."""
    t = np.linspace(0, 1, per, endpoint=False)[:, None]
    spans = []
    for a, b, c, d in zip(points, points[1:], points[2:], points[3:], strict=False):
        spans.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate(spans)


def wave(rng: Rng, frames: int, amplitude: float, period: float = 55.0) -> Floats:
    """A smooth random course ``[T]`` that starts at 0 and stays within +-``amplitude``."""
    time = np.arange(frames)
    total = np.zeros(frames)
    for weight in (1.0, 0.4):
        length = period * rng.uniform(0.7, 1.4) * weight
        phase = rng.uniform(0, 2 * math.pi)
        total += weight * (np.sin(2 * math.pi * time / length + phase) - math.sin(phase))
    return amplitude * total / max(float(np.abs(total).max()), 1e-9)


def step_lengths(rng: Rng, frames: int, speed: float, surge: float) -> Floats:
    """Pixels a frame ``[T]``, the first 0; with ``surge`` 1 the target stops and darts."""
    pace = 1 + surge * np.clip(wave(rng, frames, 1.6, 30), -1, 1.2)
    steps = speed * np.clip(pace, 0, None)
    steps[0] = 0
    return steps


# ------------------------------------------------------------------------------------------- scene


@dataclass(frozen=True)
class Frame:
    """One frame: the image (RGB), the target's box ``[4]`` and the share of it in sight, in [0, 1]."""

    image: Image
    box: Boxes
    visible: float


def centred(item: Figure, pose: Floats, phase: float) -> Floats:
    """``pose`` so scaled and moved that the figure's box has its centre at 0 and sqrt(w h) = 1."""
    x, y, w, h = item.box(pose, phase)
    side = math.sqrt(w * h)
    return chain(affine((1 / side, 1 / side), at=(-(x + w / 2) / side, -(y + h / 2) / side)), pose)


@dataclass
class _Actor:
    """A figure with its course: ``[T, 2]`` centres, and poses relative to ``rest``."""

    item: Figure
    rest: Floats
    path: Points
    size: Floats
    stretch: Floats
    angle: Floats
    phase: Floats
    tint: tuple[tuple[int, int, int], tuple[float, float, float]] | None = None

    def pose(self, frame: int) -> Floats:
        wide = math.sqrt(float(self.stretch[frame]))
        size = float(self.size[frame])
        at = (float(self.path[frame, 0]), float(self.path[frame, 1]))
        return chain(affine((size * wide, size / wide), float(self.angle[frame]), at=at), self.rest)

    def box(self, frame: int) -> Boxes:
        return self.item.box(self.pose(frame), float(self.phase[frame]))


class Scene:
    """A sequence of ``frames`` frames, a function of (script, space, seed)."""

    def __init__(self, script: Script, space: str, seed: int, frames: int = FRAMES) -> None:
        self.script, self.frames = script, frames
        self.rng = generator(space, 1, seed)
        self.cloths = [texture(self.rng) for _ in range(CLOTHS)]
        self.noise = noise_field(self.rng)
        self.world = self._paint_world()
        self.views = self._camera()
        self.target = self._cast_target()
        self.doubles = [self._cast_double() for _ in range(script.doubles)]
        self.covers = self._place_covers()
        self.looks = self._light()

    @property
    def kind(self) -> str:
        return self.target.item.kind

    def __iter__(self) -> Iterator[Frame]:
        for number in range(self.frames):
            yield self.render(number)

    def box(self, number: int) -> Boxes:
        """The target's box ``[4]`` in frame ``number``, whatever covers it."""
        return self.target.box(number)

    # what stands and moves -------------------------------------------------------------------------

    def _paint_world(self) -> Image:
        """The background: a large texture, often a second one beyond a horizon, and things that stand about, pale as
        from afar: what competes with the target is the script's to say."""
        rng = self.rng
        world = texture(rng, WORLD)
        if rng.random() < 0.6:
            other = texture(rng, WORLD)
            course = WORLD * rng.uniform(0.3, 0.6) + np.array(wave(rng, WORLD, 60, 500))
            below = np.arange(WORLD)[:, None] > course[None]
            world[below] = other[below]
        bare = world.copy()
        for _ in range(int(rng.integers(6, 16))):
            item = figure(rng, self.cloths)
            size = float(np.exp(rng.uniform(math.log(25), math.log(130))))
            rest = centred(item, affine((1, math.exp(rng.normal(0, 0.3))), rng.uniform(-math.pi, math.pi)), 0.0)
            at = rng.uniform(0, WORLD, 2)
            draw(world, Layer(item, chain(affine((size, size), at=(float(at[0]), float(at[1]))), rest)), affine())
        world = cv2.addWeighted(bare, 0.7, world, 0.3, 0)
        softened: Image = cv2.GaussianBlur(world, (0, 0), 0.7)
        return softened

    def _camera(self) -> list[Floats]:
        """World to frame, per frame: pan, zoom, roll and a hand's tremor."""
        rng, script = self.rng, self.script
        pan = np.stack([wave(rng, self.frames, script.camera, 90), wave(rng, self.frames, 0.4 * script.camera, 80)], -1)
        pan += rng.normal(0, 0.6, pan.shape)
        zoom = np.exp(wave(rng, self.frames, math.log(script.zoom), 70)) * 1.05
        roll = wave(rng, self.frames, 0.04, 60)
        middle = np.array([WIDTH / 2, HEIGHT / 2])
        views = []
        for shift, factor, angle in zip(pan, zoom, roll, strict=True):
            view = affine((float(factor),) * 2, float(angle))
            view[:, 2] = middle + shift - view[:, :2] @ np.array([WORLD / 2, WORLD / 2])
            views.append(view)
        return views

    def _ground_colour(self) -> Floats:
        return np.asarray(self.world[200:-200, 100:-100].reshape(-1, 3).mean(0))

    def _cast_target(self) -> _Actor:
        """The target: of the script's kind, the one of several drawn that differs most from the background."""
        rng, script = self.rng, self.script
        ground = self._ground_colour()
        items = [figure(rng, self.cloths, script.kind) for _ in range(8)]
        item = max(items, key=lambda i: float(np.linalg.norm(np.array(i.colour) - ground)))
        return self._cast(item, script.size, script.speed, script.surge)

    def _cast(self, item: Figure, size: float, speed: float, surge: float) -> _Actor:
        rng, script = self.rng, self.script
        turn = script.spin * np.arange(self.frames) + wave(rng, self.frames, script.turn, 50)
        sizes = size * np.exp(wave(rng, self.frames, math.log(script.scale), 90))
        phase = np.arange(self.frames, dtype=np.float64) * rng.uniform(0.03, 0.07) + rng.random()
        rest = centred(item, affine((-1.0 if rng.random() < 0.5 else 1.0, 1.0), rng.normal(0, 0.1)), float(phase[0]))
        stretch = np.exp(wave(rng, self.frames, math.log(script.stretch), 45))
        actor = _Actor(item, rest, np.zeros((self.frames, 2)), sizes, stretch, turn, phase)
        boxes = np.array([actor.box(t) for t in range(self.frames)])
        # The path keeps every box within the frame: boxes at the origin tell how far they reach from the centre.
        low = 4 - boxes[:, :2].min(0)
        high = np.array([WIDTH - 4, HEIGHT - 4]) - (boxes[:, :2] + boxes[:, 2:]).max(0)
        actor.path = smooth_path(rng, step_lengths(rng, self.frames, speed, surge), low, np.maximum(high, low + 1))
        return actor

    def _cast_double(self) -> _Actor:
        """A distractor: of the target's kind, or the target itself in other colours."""
        rng, script = self.rng, self.script
        tint = None
        if rng.random() < 0.4:
            item = self.target.item
            gains = np.where(rng.random(3) < 0.5, rng.uniform(0.35, 0.65, 3), rng.uniform(1.4, 2.0, 3))
            tint = ((1, 2, 0), (float(gains[0]), float(gains[1]), float(gains[2])))
        else:
            item = figure(rng, self.cloths, script.kind)
        size, speed = script.size * rng.uniform(0.75, 1.2), script.speed * rng.uniform(0.4, 1.0)
        actor = max((self._cast(item, size, speed, 0.4) for _ in range(6)), key=self._clearance)
        actor.tint = tint
        return actor

    def _clearance(self, actor: _Actor) -> float:
        """How near, in pixels between centres, ``actor`` comes to the target; nearer than a length it would cover it."""
        return float(np.linalg.norm(actor.path - self.target.path, axis=1).min())

    def _place_covers(self) -> list[Layer]:
        """Things that stand in the world before the target's path; each hides a part of it while it passes."""
        rng = self.rng
        layers = []
        for number in range(self.script.covers):
            frame = int((number + rng.uniform(0.35, 0.65)) * self.frames / self.script.covers)
            x, y, w, h = self.target.box(frame)
            item = figure(rng, self.cloths, "polygon" if rng.random() < 0.5 else "blob")
            rest = centred(item, affine((1.0, rng.uniform(1.0, 1.8)), rng.normal(0, 0.3)), 0.0)
            size = math.sqrt(w * h) * rng.uniform(0.5, 0.7)
            angle = rng.uniform(0, 2 * math.pi)
            at = (x + w * (0.5 + 0.38 * math.cos(angle)), y + h * (0.5 + 0.38 * math.sin(angle)))
            view = np.vstack([self.views[frame], [0, 0, 1]])
            back = np.linalg.inv(view)[:2]
            layers.append(Layer(item, chain(back, chain(affine((size, size), at=at), rest))))
        return layers

    def _light(self) -> list[Look]:
        """Light and lens, per frame; the first frame is seen well."""
        rng, script, frames = self.rng, self.script, self.frames
        level = np.exp(wave(rng, frames, 0.75 * script.light, 50))
        tones = np.stack([wave(rng, frames, 0.22 * script.light, 70) for _ in range(3)], -1)
        side = np.abs(wave(rng, frames, 0.6 * script.light, 60))
        turn = rng.uniform(0, 2 * math.pi) + wave(rng, frames, 1.0, 60)
        soft = np.abs(wave(rng, frames, script.soft, 40))
        looks = []
        for t in range(frames):
            gains = level[t] * (1 + tones[t])
            looks.append(
                Look(
                    gains=(float(gains[0]), float(gains[1]), float(gains[2])),
                    light=(float(turn[t]), float(side[t])),
                    soft=float(soft[t]),
                    smear=self._smear_of_camera(t),
                    grain=script.grain,
                )
            )
        return looks

    def _smear_of_camera(self, number: int) -> tuple[float, float]:
        """The path in pixels of the background's middle while the shutter is open."""
        if number == 0:
            return (0.0, 0.0)
        now, before = self.views[number], self.views[number - 1]
        middle = np.array([[WORLD / 2, WORLD / 2]])
        dx, dy = 0.5 * self.script.shutter * ((middle @ now[:, :2].T + now[:, 2]) - (middle @ before[:, :2].T + before[:, 2]))[0]
        return (float(dx), float(dy))

    # drawing -----------------------------------------------------------------------------------------

    def _layer(self, actor: _Actor, number: int) -> Layer:
        moved = actor.path[number] - actor.path[max(number - 1, 0)]
        smear = self.script.shutter * moved
        tint = actor.tint
        return Layer(actor.item, actor.pose(number), float(actor.phase[number]), tint, (float(smear[0]), float(smear[1])))

    def render(self, number: int) -> Frame:
        """Frame ``number``: background, distractors, target, what covers it, then light and lens."""
        view, still = self.views[number], affine()
        image = backdrop(self.world, view, still, (WIDTH, HEIGHT))
        for double in self.doubles:
            draw(image, self._layer(double, number), still)
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        draw(image, self._layer(self.target, number), still, mask)
        hidden = np.zeros((HEIGHT, WIDTH), np.uint8)
        for layer in self.covers:
            draw(image, layer, view, hidden)
        seen = visible_share(mask, hidden)
        noise = np.random.default_rng([number, self.script.covers, int(self.noise[0, 0, 0] * 1e6) & 0xFFFF])
        return Frame(apply_look(image, self.looks[number], noise, self.noise), self.box(number), seen)


def visible_share(target: Image, cover: Image) -> float:
    """The share of ``target``'s coverage (uint8 ``[H, W]``) that ``cover`` leaves in sight."""
    x, y, w, h = cv2.boundingRect(target)
    if w == 0:
        return 0.0
    alpha = target[y : y + h, x : x + w].astype(np.float64)
    kept = alpha * (1 - cover[y : y + h, x : x + w] / 255.0)
    return float(kept.sum() / alpha.sum())


def cover_level(visible: float) -> int:
    """GOT-10k's ``cover`` label: 0 for wholly hidden, k for a visible share in ((k - 1) / 8, k / 8]."""
    return min(8, math.ceil(visible * 8 - 1e-9))
