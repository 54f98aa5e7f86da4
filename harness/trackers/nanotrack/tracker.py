"""NanoTrack v1 to v3 (HonglinChu, 2022-2023): crop, search, penalise, update. Networks: harness.trackers.nanotrack.network*."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from harness.core.errors import ConfigError, TrackingError, WeightsError
from harness.core.interfaces import Array, Boxes, GraphSpec, Image, Session, Source, TensorSpec, Tracker, TrackerSpec
from harness.imaging import crops as vision
from harness.trackers import RANDOM, weights_path

STRIDE = 16
TEMPLATE_SIZE, SEARCH_SIZE = 127, 255
CONTEXT = 0.5
LEAST_SIZE = 10.0
ADVICE = (
    "Get them from https://github.com/HonglinChu/SiamTrackers (NanoTrack/models/pretrained/nanotrackv3.pth, or the two "
    "ONNX files in NanoTrack/models/nanotrackv3), put them in weights/ and run with tracker.version=v3 "
    "tracker.weights=weights/nanotrackv3.pth or "
    "'tracker.weights=[weights/nanotrack_backbone.onnx,weights/nanotrack_head.onnx]'; or measure speed alone with "
    "tracker.weights=random."
)


class Published(NamedTuple):
    """What the authors set for a version: map side, feature channels, and the three hyper-parameters."""

    cells: int
    channels: int
    window_influence: float
    penalty_k: float
    size_lr: float


PUBLISHED = {
    "v1": Published(16, 48, 0.462, 0.148, 0.390),
    "v2": Published(16, 48, 0.490, 0.150, 0.385),
    "v3": Published(15, 96, 0.455, 0.138, 0.348),
}


@dataclass
class NanoTrack(TrackerSpec):
    """NanoTrack's settings; a hyper-parameter that is None is the version's own."""

    name: str = "nanotrack"
    version: Literal["v1", "v2", "v3"] = "v3"
    weights: str | list[str] | None = None
    window_influence: float | None = None
    penalty_k: float | None = None
    size_lr: float | None = None
    seed: int = 0

    color: ClassVar[Literal["rgb", "bgr"]] = "bgr"

    def __post_init__(self) -> None:
        if self.version not in PUBLISHED:
            raise ConfigError(f"tracker.version is {self.version!r}; accepted: {', '.join(PUBLISHED)}.")
        if isinstance(self.weights, list) and len(self.weights) != 2:
            raise ConfigError(
                f"tracker.weights has {len(self.weights)} files; accepted: one .pth, or [backbone.onnx, head.onnx]."
            )
        for key in ("window_influence", "size_lr"):
            value = getattr(self, key)
            if value is not None and not 0 <= value <= 1:
                raise ConfigError(f"tracker.{key} is {value}; accepted: 0 to 1.")
        if self.penalty_k is not None and self.penalty_k < 0:
            raise ConfigError(f"tracker.penalty_k is {self.penalty_k}; accepted: 0 or more.")

    @property
    def random_weights(self) -> bool:
        return self.weights == RANDOM

    @property
    def published(self) -> Published:
        """The version's constants, with what the configuration sets instead."""
        own = {key: getattr(self, key) for key in ("window_influence", "penalty_k", "size_lr")}
        return PUBLISHED[self.version]._replace(**{key: value for key, value in own.items() if value is not None})

    @property
    def graphs(self) -> Mapping[str, GraphSpec]:
        """``template`` (once a sequence) and ``search`` (every frame)."""
        cells, channels = self.published.cells, self.published.channels
        features = TensorSpec("template_features", (1, channels, 8, 8))
        template = TensorSpec("template", (1, TEMPLATE_SIZE, TEMPLATE_SIZE, 3), "uint8")
        search = TensorSpec("search", (1, SEARCH_SIZE, SEARCH_SIZE, 3), "uint8")
        maps = (TensorSpec("cls", (1, 2, cells, cells)), TensorSpec("loc", (1, 4, cells, cells)))
        return {
            "template": GraphSpec("template", (template,), (features,)),
            "search": GraphSpec("search", (features, search), maps),
        }

    def source(self) -> Source:
        """A .pth for our own module (any backend), or the authors' two ONNX files. Raises WeightsError without."""
        if self.weights is None:
            raise WeightsError(f"{self.name} needs its trained weights, and tracker.weights is not set. {ADVICE}")
        given = [self.weights] if isinstance(self.weights, str) else self.weights
        if len(given) == 1 and given[0].endswith(".onnx"):
            raise WeightsError(f"tracker.weights is one ONNX file of two: [backbone.onnx, head.onnx]. {ADVICE}")
        files = () if self.random_weights else tuple(weights_path(str(item), ADVICE) for item in given)
        module = "onnx_files" if len(files) == 2 else "network"
        return Source(
            kind="onnx" if len(files) == 2 else "torch",
            factory=f"harness.trackers.nanotrack.{module}:graphs",
            weights=files,
            options={"version": self.version},
            seed=self.seed if self.random_weights else 0,
            code=() if len(files) == 2 else ("harness.trackers.layers", "harness.trackers.weights"),
        )

    def start(self, sessions: Mapping[str, Session]) -> Tracker:
        return NanoTrackTracker(self, sessions)


class NanoTrackTracker(Tracker):
    """One target. The state is its centre and size; input buffers are made once and reused."""

    def __init__(self, spec: NanoTrack, sessions: Mapping[str, Session]) -> None:
        self._settings = spec.published
        self._template, self._search = sessions["template"], sessions["search"]
        self._template_crop = vision.Cropper(TEMPLATE_SIZE)
        self._search_crop = vision.Cropper(SEARCH_SIZE)
        cells = self._settings.cells
        influence = self._settings.window_influence
        self._window = (vision.hann(cells) * influence).ravel()
        self._score_share = 1 - influence
        line = np.arange(cells) * float(STRIDE) - cells // 2 * STRIDE
        self._points_x, self._points_y = np.tile(line, cells), np.repeat(line, cells)
        self._fill = np.zeros(3, np.uint8)
        self._cx = self._cy = self._w = self._h = 0.0
        self._inputs: dict[str, Array] = {"search": self._search_crop.buffer}
        self.confidence: float | None = None

    def init(self, image: Image, box: Boxes) -> None:
        self._fill = vision.mean_colour(image)
        self.place(box)
        context = self._context()
        template = self._cut(self._template_crop, image, round(context))
        features = self._template.run({"template": template})["template_features"]
        self._inputs["template_features"] = np.ascontiguousarray(features)

    def place(self, box: Boxes) -> None:
        x, y, w, h = (float(value) for value in box)
        self._cx, self._cy, self._w, self._h = x + (w - 1) / 2, y + (h - 1) / 2, w, h

    def _context(self) -> float:
        """The side in pixels of the square around target and context (the template crop). Raises TrackingError."""
        w, h = self._w, self._h
        if not (w > 0 and h > 0):
            raise TrackingError(f"the box of {w:g} x {h:g} pixels has no area; width and height must be positive.")
        extra = CONTEXT * (w + h)
        return math.sqrt((w + extra) * (h + extra))

    def _cut(self, cropper: vision.Cropper, image: Image, side: int) -> Image:
        return cropper.cut(image, vision.centred_region(self._cx, self._cy, side), fill=self._fill)

    def update(self, image: Image) -> Boxes:
        context = self._context()
        self._cut(self._search_crop, image, round(context * SEARCH_SIZE / TEMPLATE_SIZE))
        maps = self._search.run(self._inputs)
        self._decode(maps, TEMPLATE_SIZE / context)
        height, width = image.shape[:2]
        self._cx, self._cy = min(max(self._cx, 0.0), float(width)), min(max(self._cy, 0.0), float(height))
        self._w = max(LEAST_SIZE, min(self._w, float(width)))
        self._h = max(LEAST_SIZE, min(self._h, float(height)))
        return np.array([self._cx - self._w / 2, self._cy - self._h / 2, self._w, self._h])

    def _decode(self, maps: Mapping[str, Array], scale: float) -> None:
        """Moves the state to the best cell. ``scale``: search pixels per image pixel. Raises TrackingError."""
        logits = maps["cls"].reshape(2, -1).astype(np.float64)
        left, top, right, bottom = maps["loc"].reshape(4, -1).astype(np.float64)
        widths, heights = left + right, top + bottom
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            score = 1 / (1 + np.exp(logits[0] - logits[1]))
            penalty = self._penalty(widths, heights, scale)
            best = int((penalty * score * self._score_share + self._window).argmax())
        w, h, rate = float(widths[best]), float(heights[best]), float(penalty[best] * score[best])
        cx = float(self._points_x[best]) + 0.5 * (float(right[best]) - float(left[best]))
        cy = float(self._points_y[best]) + 0.5 * (float(bottom[best]) - float(top[best]))
        if not math.isfinite(cx + cy + w + h + rate):
            raise TrackingError("the network's maps are not finite numbers; check the weights and the precision.")
        self.confidence = float(score[best])
        rate *= self._settings.size_lr
        self._cx += cx / scale
        self._cy += cy / scale
        self._w = self._w * (1 - rate) + w / scale * rate
        self._h = self._h * (1 - rate) + h / scale * rate

    def _penalty(self, widths: Boxes, heights: Boxes, scale: float) -> Boxes:
        """exp(-(s r - 1) k) per cell, for the change s of size and r of aspect ratio against the previous box."""
        previous_w, previous_h = self._w * scale, self._h * scale
        half = (previous_w + previous_h) * 0.5
        previous = math.sqrt((previous_w + half) * (previous_h + half))
        half_sum = (widths + heights) * 0.5
        size = np.sqrt((widths + half_sum) * (heights + half_sum)) / previous
        ratio = (self._w / self._h) * heights / widths
        change = np.maximum(size, 1 / size) * np.maximum(ratio, 1 / ratio)
        return np.asarray(np.exp((1 - change) * self._settings.penalty_k))
