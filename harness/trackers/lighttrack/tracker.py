"""LightTrack-Mobile (CVPR 2021): crop, search, penalise, update. The network: harness.trackers.lighttrack.network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from harness.core.errors import ConfigError, TrackingError, WeightsError
from harness.core.interfaces import Array, Boxes, GraphSpec, Image, Session, Source, TensorSpec, Tracker, TrackerSpec
from harness.imaging import crops as vision
from harness.trackers import RANDOM, weights_path

STRIDE = 16
LEAST_SIZE = 10.0
SMALL = 0.004
"""Share of the image below which a first box counts as small."""
PACKAGE = "harness.trackers.lighttrack"
IR_FILES = ("z_feature", "x_feature", "head")
ADVICE = (
    "Get LightTrackM.pth (https://github.com/researchmm/LightTrack), or the three IR files with their .bin "
    "(https://github.com/l-sf/LightTrack_openvino, models/), put them in weights/ and run with "
    "tracker.weights=weights/LightTrackM.pth (a .safetensors file with batch norms folded will do too) or "
    "'tracker.weights=[weights/z_feature.xml,weights/x_feature.xml,weights/head.xml]'; or measure speed alone with "
    "tracker.weights=random."
)


class Published(NamedTuple):
    """A set of hyper-parameters: sizes of the crops in pixels (the second search size is for small objects), strength of
    the penalty, rate at which the size is learnt, share of the window."""

    template: int
    searches: tuple[int, ...]
    penalty_k: float
    size_lr: float
    window_influence: float


PUBLISHED = {
    "default": Published(128, (256,), 0.062, 0.765, 0.38),
    "vot2019": Published(127, (256, 288), 0.007, 0.616, 0.225),
}


@dataclass
class LightTrack(TrackerSpec):
    """LightTrack's settings; a hyper-parameter that is None is the set's own."""

    name: str = "lighttrack"
    settings: Literal["default", "vot2019"] = "default"
    weights: str | list[str] | None = None
    search_size: int | None = None
    penalty_k: float | None = None
    size_lr: float | None = None
    window_influence: float | None = None
    seed: int = 0

    color: ClassVar[Literal["rgb", "bgr"]] = "rgb"

    def __post_init__(self) -> None:
        if self.settings not in PUBLISHED:
            raise ConfigError(f"tracker.settings is {self.settings!r}; accepted: {', '.join(PUBLISHED)}.")
        if self.search_size not in (None, 256, 288):
            raise ConfigError(
                f"tracker.search_size is {self.search_size}; accepted: 256, 288, or null for the set's own."
            )
        for key in ("window_influence", "size_lr"):
            value = getattr(self, key)
            if value is not None and not 0 <= value <= 1:
                raise ConfigError(f"tracker.{key} is {value}; accepted: 0 to 1.")
        if self.penalty_k is not None and self.penalty_k < 0:
            raise ConfigError(f"tracker.penalty_k is {self.penalty_k}; accepted: 0 or more.")
        if self._from_ir() and (self.published.template, self.published.searches) != (128, (256,)):
            raise ConfigError(
                "tracker.weights are IR files, which are fixed at a template of 128 and a search region of 256 pixels; use "
                "tracker.settings=default and leave tracker.search_size out, or give the checkpoint."
            )

    @property
    def random_weights(self) -> bool:
        return self.weights == RANDOM

    @property
    def published(self) -> Published:
        """The set's constants, with what the configuration sets instead."""
        own = {key: getattr(self, key) for key in ("penalty_k", "size_lr", "window_influence")}
        chosen = PUBLISHED[self.settings]._replace(**{key: value for key, value in own.items() if value is not None})
        return chosen if self.search_size is None else chosen._replace(searches=(self.search_size,))

    @property
    def per_frame(self) -> tuple[str, ...]:
        """One search graph, or one of two: the usual size comes last."""
        return tuple(graph_name(size) for size in reversed(self.published.searches))

    @property
    def graphs(self) -> Mapping[str, GraphSpec]:
        """``template`` (once a sequence) and, for every search size, ``search`` (every frame)."""
        side = self.published.template
        features = TensorSpec("template_features", (1, 96, 8, 8))
        made = {"template": GraphSpec("template", (TensorSpec("template", (1, side, side, 3), "uint8"),), (features,))}
        for size in self.published.searches:
            search = TensorSpec("search", (1, size, size, 3), "uint8")
            cells = size // STRIDE
            maps = (TensorSpec("score", (1, 1, cells, cells)), TensorSpec("box", (1, 4, cells, cells)))
            made[graph_name(size)] = GraphSpec(graph_name(size), (features, search), maps)
        return made

    def variants(self) -> Sequence[TrackerSpec]:
        """One tracker for each search size: between them they run every graph, whatever the objects' sizes."""
        return [replace(self, search_size=size) for size in self.published.searches]

    def source(self) -> Source:
        """A checkpoint for our own module (any backend), or the published IR (OpenVINO). Raises WeightsError without."""
        if self.weights is None:
            raise WeightsError(f"{self.name} needs its trained weights, and tracker.weights is not set. {ADVICE}")
        given = [self.weights] if isinstance(self.weights, str) else self.weights
        files = () if self.random_weights else tuple(weights_path(str(item), ADVICE) for item in given)
        if self._from_ir():
            if len(files) != len(IR_FILES):
                raise WeightsError(
                    f"tracker.weights has {len(files)} IR files of three: [z_feature, x_feature, head]. {ADVICE}"
                )
            return Source("openvino", f"{PACKAGE}.ir_files:graphs", files)
        if len(files) != 1 and not self.random_weights:  # none would be random weights that nobody asked for
            raise WeightsError(
                f"tracker.weights has {len(files)} files; accepted: one checkpoint, or three IR files. {ADVICE}"
            )
        return Source(
            kind="torch",
            factory=f"{PACKAGE}.network:graphs",
            weights=files,
            options={"names": [graph_name(size) for size in self.published.searches]},
            seed=self.seed if self.random_weights else 0,
            code=(
                "harness.trackers.layers",
                "harness.trackers.weights",
                f"{PACKAGE}.checkpoint",
                "harness.trackers.folding",
            ),
        )

    def _from_ir(self) -> bool:
        given = [self.weights] if isinstance(self.weights, str) else self.weights or []
        return any(str(item).endswith(".xml") for item in given)

    def start(self, sessions: Mapping[str, Session]) -> Tracker:
        return LightTrackTracker(self, sessions)


def graph_name(size: int) -> str:
    """``search``, and ``search_288`` for the larger region of small objects."""
    return "search" if size == 256 else f"search_{size}"


class LightTrackTracker(Tracker):
    """One target. The state is its centre and size; what depends on the search size is made with the first frame."""

    def __init__(self, spec: LightTrack, sessions: Mapping[str, Session]) -> None:
        self._settings = spec.published
        self._sessions = sessions
        self._template_crop = vision.Cropper(self._settings.template)
        self._fill = np.zeros(3, np.uint8)
        self._cx = self._cy = self._w = self._h = 0.0
        self._inputs: dict[str, Array] = {}
        self.confidence: float | None = None

    def init(self, image: Image, box: Boxes) -> None:
        self._fill = vision.mean_colour(image)
        self.place(box)
        context = self._context()
        template = self._cut(self._template_crop, image, context)
        features = self._sessions["template"].run({"template": template})["template_features"]
        self._inputs["template_features"] = np.ascontiguousarray(features)
        small = self._w * self._h / (image.shape[0] * image.shape[1]) < SMALL
        self._choose(self._settings.searches[-1 if small else 0])

    def _choose(self, size: int) -> None:
        """Sets the size of the search region for the whole sequence."""
        self._size = size
        self._search = self._sessions[graph_name(size)]
        self._search_crop = vision.Cropper(size)
        self._inputs["search"] = self._search_crop.buffer
        cells = size // STRIDE
        self._window = (vision.hann(cells) * self._settings.window_influence).ravel()
        line = np.arange(cells) * float(STRIDE) - size / 2  # of a cell's centre from the crop's
        self._points_x, self._points_y = np.tile(line, cells), np.repeat(line, cells)

    def place(self, box: Boxes) -> None:
        x, y, w, h = (float(value) for value in box)
        self._cx, self._cy, self._w, self._h = x + w / 2, y + h / 2, w, h

    def _context(self) -> float:
        """The side in pixels, not rounded, of the square around target and context. Raises TrackingError."""
        if not (self._w > 0 and self._h > 0):
            raise TrackingError(
                f"the box of {self._w:g} x {self._h:g} pixels has no area; width and height must be positive."
            )
        return extent(self._w, self._h)

    def _cut(self, cropper: vision.Cropper, image: Image, side: float) -> Image:
        """The square of ``side`` pixels, rounded half up, around the centre; its corner rounds half to even."""
        whole = math.floor(side + 0.5)
        x0, y0 = round(self._cx - (whole + 1) / 2), round(self._cy - (whole + 1) / 2)
        return cropper.cut(image, (x0, y0, x0 + whole, y0 + whole), fill=self._fill)

    def update(self, image: Image) -> Boxes:
        context = self._context()
        self._cut(self._search_crop, image, context * self._size / self._settings.template)
        self._decode(self._search.run(self._inputs), self._settings.template / context)
        height, width = image.shape[:2]
        self._cx, self._cy = min(max(self._cx, 0.0), float(width)), min(max(self._cy, 0.0), float(height))
        self._w = max(LEAST_SIZE, min(self._w, float(width)))
        self._h = max(LEAST_SIZE, min(self._h, float(height)))
        return np.array([max(0.0, self._cx - self._w / 2), max(0.0, self._cy - self._h / 2), self._w, self._h])

    def _decode(self, maps: Mapping[str, Array], scale: float) -> None:
        """Moves the state to the best cell. ``scale``: search pixels per image pixel. Raises TrackingError."""
        score = maps["score"].ravel().astype(np.float64)
        left, top, right, bottom = maps["box"].reshape(4, -1).astype(np.float64)
        widths, heights = left + right, top + bottom
        penalty = self._penalty(widths, heights, scale)
        best = int((penalty * score * (1 - self._settings.window_influence) + self._window).argmax())
        w, h, rate = float(widths[best]), float(heights[best]), float(penalty[best] * score[best])
        dx = float(self._points_x[best]) + 0.5 * (float(right[best]) - float(left[best]))
        dy = float(self._points_y[best]) + 0.5 * (float(bottom[best]) - float(top[best]))
        if not math.isfinite(dx + dy + w + h + rate):
            raise TrackingError("the network's maps are not finite numbers; check the weights and the precision.")
        rate = (rate * self._settings.size_lr) ** 2  # the authors smooth twice with the same rate
        self._cx += dx / scale
        self._cy += dy / scale
        self._w = self._w * (1 - rate) + w / scale * rate
        self._h = self._h * (1 - rate) + h / scale * rate
        self.confidence = float(score[best])

    def _penalty(self, widths: Boxes, heights: Boxes, scale: float) -> Boxes:
        """exp(-k (s r - 1)) per cell, for the change s of size and r of aspect ratio against the previous box; 0 where a
        cell's box has no extent at all."""
        half = (widths + heights) / 2
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            size = np.sqrt((widths + half) * (heights + half)) / extent(self._w * scale, self._h * scale)
            ratio = (self._w / self._h) / (widths / heights)
            change = np.maximum(size, 1 / size) * np.maximum(ratio, 1 / ratio)
            penalty = np.exp((1 - change) * self._settings.penalty_k)
        return np.where(np.isnan(penalty), 0.0, penalty)


def extent(w: float, h: float) -> float:
    """sqrt((w + p)(h + p)) with p = (w + h) / 2: the side of the square that holds a box and its context."""
    p = (w + h) / 2
    return math.sqrt((w + p) * (h + p))
