"""FEAR-XS (ECCV 2022): crop, search, the best cell, whole pixels. The network: harness.trackers.fear.network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from harness.core.errors import TrackingError, WeightsError
from harness.core.interfaces import Array, Boxes, GraphSpec, Image, Session, Source, TensorSpec, Tracker, TrackerSpec
from harness.imaging import crops as vision
from harness.trackers import RANDOM, weights_path

STRIDE, CELLS = 16, 16
TEMPLATE_SIZE, SEARCH_SIZE = 128, 256
TEMPLATE_MARGIN, SEARCH_MARGIN = 0.2, 2.0
"""What a crop shows on each side of the box, in widths and heights of the box."""
LEAST_SIZE = 3
PENALTY_K, WINDOW_INFLUENCE, SIZE_LR = 0.062, 0.38, 0.765
PACKAGE = "harness.trackers.fear"
ADVICE = (
    "Get FEAR-XS-NoEmbs.ckpt (https://github.com/PinataFarms/FEARTracker, evaluate/checkpoints), put it in weights/ and run "
    "with tracker.weights=weights/FEAR-XS-NoEmbs.ckpt (a .safetensors file with batch norms folded will do too); or measure "
    "speed alone with tracker.weights=random."
)


@dataclass
class Fear(TrackerSpec):
    """FEAR-XS's settings. ``smooth`` penalises changes of size and shape and averages the size over time."""

    name: str = "fear"
    weights: str | None = None
    smooth: bool = False
    seed: int = 0

    color: ClassVar[Literal["rgb", "bgr"]] = "rgb"

    @property
    def random_weights(self) -> bool:
        return self.weights == RANDOM

    @property
    def graphs(self) -> Mapping[str, GraphSpec]:
        """``template`` (once a sequence) and ``search`` (every frame)."""
        features = TensorSpec("template_features", (1, 256, 8, 8))
        template = TensorSpec("template", (1, TEMPLATE_SIZE, TEMPLATE_SIZE, 3), "uint8")
        search = TensorSpec("search", (1, SEARCH_SIZE, SEARCH_SIZE, 3), "uint8")
        maps = (TensorSpec("bbox", (1, 4, CELLS, CELLS)), TensorSpec("cls", (1, 1, CELLS, CELLS)))
        return {
            "template": GraphSpec("template", (template,), (features,)),
            "search": GraphSpec("search", (features, search), maps),
        }

    def source(self) -> Source:
        """The torch factory and the checkpoint. Raises WeightsError if there is none."""
        if self.weights is None:
            raise WeightsError(f"{self.name} needs its trained weights, and tracker.weights is not set. {ADVICE}")
        return Source(
            kind="torch",
            factory=f"{PACKAGE}.network:graphs",
            weights=() if self.random_weights else (weights_path(self.weights, ADVICE),),
            seed=self.seed if self.random_weights else 0,
            code=(
                "harness.trackers.layers",
                "harness.trackers.weights",
                f"{PACKAGE}.checkpoint",
                "harness.trackers.folding",
            ),
        )

    def start(self, sessions: Mapping[str, Session]) -> Tracker:
        return FearTracker(self, sessions)


class FearTracker(Tracker):
    """One target. The state is a box of whole pixels inside the image."""

    def __init__(self, spec: Fear, sessions: Mapping[str, Session]) -> None:
        self._smooth = spec.smooth
        self._template, self._search = sessions["template"], sessions["search"]
        self._template_crop = vision.Cropper(TEMPLATE_SIZE)
        self._search_crop = vision.Cropper(SEARCH_SIZE)
        self._window = (vision.hann(CELLS) * WINDOW_INFLUENCE).ravel()
        self.fill = np.zeros(3, np.uint8)
        self._width = self._height = 0
        self._box = (0, 0, LEAST_SIZE, LEAST_SIZE)
        self._inputs: dict[str, Array] = {"search": self._search_crop.buffer}
        self.confidence: float | None = None

    def init(self, image: Image, box: Boxes) -> None:
        self._height, self._width = image.shape[:2]
        self.fill = np.rint(image.mean(axis=(0, 1))).astype(np.uint8)
        self.place(box)
        x, y, width, height = region(self._box, TEMPLATE_MARGIN)
        template = self._template_crop.cut(image, (x, y, x + width, y + height), fill=self.fill)
        features = self._template.run({"template": template})["template_features"]
        self._inputs["template_features"] = np.ascontiguousarray(features)

    def place(self, box: Boxes) -> None:
        x, y, w, h = (float(value) for value in box)
        if not (w > 0 and h > 0):
            raise TrackingError(f"the box of {w:g} x {h:g} pixels has no area; width and height must be positive.")
        self._box = clamped(x, y, w, h, self._width, self._height)

    def update(self, image: Image) -> Boxes:
        self._height, self._width = image.shape[:2]
        x, y, width, height = region(self._box, SEARCH_MARGIN)
        self._search_crop.cut(image, (x, y, x + width, y + height), fill=self.fill)
        maps = self._search.run(self._inputs)
        scale_x, scale_y = width / SEARCH_SIZE, height / SEARCH_SIZE
        left, top, w, h = self._decode(maps, self._box[2] / scale_x, self._box[3] / scale_y)
        self._box = clamped(
            round(left * scale_x + x),
            round(top * scale_y + y),
            max(LEAST_SIZE, round(w * scale_x)),
            max(LEAST_SIZE, round(h * scale_y)),
            self._width,
            self._height,
        )
        return np.array(self._box, np.float64)

    def _decode(
        self, maps: Mapping[str, Array], previous_w: float, previous_h: float
    ) -> tuple[float, float, float, float]:
        """The best cell's box (x, y, w, h) in pixels of the crop. ``previous_w``, ``previous_h``: the last box's size there.

        Raises TrackingError if the maps are not finite.
        """
        with np.errstate(over="ignore"):
            score = 1 / (1 + np.exp(-maps["cls"].ravel()))
        left, top, right, bottom = maps["bbox"].reshape(4, -1)
        rate = 1.0
        if self._smooth:
            widths, heights = left.astype(np.float64) + right, top.astype(np.float64) + bottom
            penalty = penalties(widths, heights, previous_w, previous_h)
            best = int((penalty * score * (1 - WINDOW_INFLUENCE) + self._window).argmax())
            rate = (float(penalty[best] * score[best]) * SIZE_LR) ** 2  # the published formula comes to the square
        else:
            best = int(score.argmax())
        row, column = divmod(best, CELLS)
        x, y = STRIDE * column - float(left[best]), STRIDE * row - float(top[best])
        w, h = float(left[best]) + float(right[best]), float(top[best]) + float(bottom[best])
        if not math.isfinite(x + y + w + h + rate + float(score[best])):
            raise TrackingError("the network's maps are not finite numbers; check the weights and the precision.")
        self.confidence = float(score[best])
        if self._smooth:
            w, h = previous_w * (1 - rate) + w * rate, previous_h * (1 - rate) + h * rate
        return x, y, w, h


def region(box: tuple[int, int, int, int], margin: float) -> tuple[int, int, int, int]:
    """(x, y, width, height) of the crop around ``box`` with ``margin`` of its size on each side, cut towards zero.

    The sum is in this order: 45 * 1.4 would be 63, and is 62.99 here, as published.
    """
    x, y, w, h = box
    share = 1.0 + margin + margin
    return int(x - w * margin), int(y - h * margin), int(w * share), int(h * share)


def clamped(x: float, y: float, w: float, h: float, width: int, height: int) -> tuple[int, int, int, int]:
    """The box inside an image of ``width`` x ``height``, cut to whole pixels towards zero, at least 3 x 3."""
    (left, wide), (top, high) = clamped_side(x, w, width), clamped_side(y, h, height)
    return left, top, wide, high


def clamped_side(start: float, length: float, limit: int) -> tuple[int, int]:
    """(start, length) of one side in [0, ``limit``]; what hangs over the far end is cut off, over the near end it is not."""
    near = min(max(0.0, start), limit)
    far = min(max(0.0, near + length), limit)
    begin, size = int(near), int(far - near)
    if size < LEAST_SIZE:
        size = LEAST_SIZE
        begin -= max(0, begin + size - limit)
    return begin, size


def penalties(widths: Boxes, heights: Boxes, previous_w: float, previous_h: float) -> Boxes:
    """exp(-0.062 (s r - 1)) per cell, for the change s of size and r of aspect ratio; 0 where a cell has no extent."""
    half, previous_half = (widths + heights) / 2, (previous_w + previous_h) / 2
    previous = math.sqrt((previous_w + previous_half) * (previous_h + previous_half))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        size = np.sqrt((widths + half) * (heights + half)) / previous
        ratio = (previous_w / previous_h) / (widths / heights)
        change = np.maximum(size, 1 / size) * np.maximum(ratio, 1 / ratio)
        penalty = np.exp((1 - change) * PENALTY_K)
    return np.where(np.isnan(penalty), 0.0, penalty)
