"""SMAT (Gopal and Amer, WACV 2024): crop, search, decode, clip. The network: harness.trackers.smat.network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from harness.core.errors import ConfigError, TrackingError, WeightsError
from harness.core.interfaces import Array, Boxes, GraphSpec, Image, Session, Source, TensorSpec, Tracker, TrackerSpec
from harness.imaging import crops as vision
from harness.machine.environment import has_wide_int8
from harness.trackers import RANDOM, weights_path

STRIDE = 16
MIXING_CHANNELS = 256  # of the published network, where search and template first meet; attention works on half
CHECKPOINT = "MobileViTv2_Track_ep0300.pth.tar"
ADVICE = (
    f"Get {CHECKPOINT} (the pretrained model linked in the README of https://github.com/goutamyg/SMAT), put it in "
    f"weights/ and run with tracker.weights=weights/{CHECKPOINT}; or measure speed alone with tracker.weights=random, "
    "or use the trained demo with tracker=smat_demo."
)


@dataclass
class Smat(TrackerSpec):
    """SMAT's settings. Sizes are pixels; the defaults are the published network's."""

    name: str = "smat"
    weights: str | None = None
    width: float = 1.0
    template_size: int = 128
    search_size: int = 256
    head_channels: int = 128
    template_factor: float = 2.0
    search_factor: float = 4.0
    rewrites: Literal["auto", "all", "attention", "none"] = "auto"
    seed: int = 0

    color: ClassVar[Literal["rgb", "bgr"]] = "rgb"

    def __post_init__(self) -> None:
        for key in ("template_size", "search_size"):
            if getattr(self, key) < 32 or getattr(self, key) % 32:
                raise ConfigError(f"tracker.{key} is {getattr(self, key)}; accepted: positive multiples of 32.")
        for key in ("template_factor", "search_factor"):
            if not 1 <= getattr(self, key) <= 16:
                raise ConfigError(f"tracker.{key} is {getattr(self, key)}; accepted: 1 to 16.")
        if self.head_channels < 4 or self.head_channels % 4:
            raise ConfigError(f"tracker.head_channels is {self.head_channels}; accepted: positive multiples of 4.")
        if not 0 < self.width <= 4:
            raise ConfigError(f"tracker.width is {self.width}; accepted: above 0, up to 4.")

    @property
    def random_weights(self) -> bool:
        return self.weights == RANDOM

    @property
    def graphs(self) -> Mapping[str, GraphSpec]:
        """``template`` (once a sequence) and ``search`` (every frame); maps have a cell per 16 pixels."""
        cells = self.search_size // STRIDE
        channels = max(16, int(MIXING_CHANNELS * self.width / 16 + 0.5) * 16) // 2
        side = self.template_size // 8
        features = TensorSpec("template_features", (1, channels, side, side))
        template = TensorSpec("template", (1, self.template_size, self.template_size, 3), "uint8")
        search = TensorSpec("search", (1, self.search_size, self.search_size, 3), "uint8")
        maps = tuple(TensorSpec(name, (1, n, cells, cells)) for name, n in (("score", 1), ("size", 2), ("offset", 2)))
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
            factory="harness.trackers.smat.graphs:graphs",
            weights=() if self.random_weights else (weights_path(self.weights, ADVICE),),
            options={
                "width": self.width,
                "template": self.template_size,
                "search": self.search_size,
                "head": self.head_channels,
                "rewrites": "all" if self.rewrites == "auto" else self.rewrites,
            },
            seed=self.seed if self.random_weights else 0,
            code=(
                "harness.trackers.layers",
                "harness.trackers.weights",
                "harness.trackers.smat.network",
                "harness.trackers.smat.fused",
            ),
        )

    def for_int8(self) -> Smat:
        """Without AVX-512 VNNI, OpenVINO's int8 products of matrices are slow and its convolutions are not: there, the
        attention's projections stay convolutions (docs/int8.md has the figures)."""
        slow = self.rewrites == "auto" and not has_wide_int8()
        return replace(self, rewrites="attention") if slow else self

    def start(self, sessions: Mapping[str, Session]) -> Tracker:
        return SmatTracker(self, sessions)


class SmatTracker(Tracker):
    """One target. The state is the previous box; input buffers are made once and reused."""

    def __init__(self, spec: Smat, sessions: Mapping[str, Session]) -> None:
        self._spec = spec
        self._template, self._search = sessions["template"], sessions["search"]
        self._template_crop = vision.Cropper(spec.template_size)
        self._search_crop = vision.Cropper(spec.search_size)
        self._cells = spec.search_size // STRIDE
        self._window = vision.hann_inner(self._cells)
        self._response = np.empty_like(self._window)
        self._box: Boxes = np.zeros(4)
        self._inputs: dict[str, Array] = {"search": self._search_crop.buffer}
        self.confidence: float | None = None

    def init(self, image: Image, box: Boxes) -> None:
        template, _ = vision.cut_square(self._template_crop, image, box, self._spec.template_factor)
        features = self._template.run({"template": template})["template_features"]
        self._inputs["template_features"] = np.ascontiguousarray(features)
        self.place(box)

    def place(self, box: Boxes) -> None:
        self._box = np.array(box, np.float64)

    def update(self, image: Image) -> Boxes:
        _, resize_factor = vision.cut_square(self._search_crop, image, self._box, self._spec.search_factor)
        maps = self._search.run(self._inputs)
        box = self.decode(maps, resize_factor)
        self._box = vision.clip_box(box, image.shape[1], image.shape[0])
        return self._box.copy()

    def decode(self, maps: Mapping[str, Array], resize_factor: float) -> Boxes:
        """The best cell's box ``[4]`` in image pixels, not clipped. ``resize_factor``: crop pixels per image pixel.

        Raises TrackingError where the maps are not finite.
        """
        np.multiply(maps["score"][0, 0], self._window, out=self._response)
        row, column = divmod(int(self._response.argmax()), self._cells)
        offset, size = maps["offset"][0, :, row, column], maps["size"][0, :, row, column]
        pixels = self._spec.search_size / resize_factor
        x, y, w, h = (float(value) for value in self._box)
        width, height = float(size[0]) * pixels, float(size[1]) * pixels
        cx = (column + float(offset[0])) / self._cells * pixels + x + 0.5 * w - 0.5 * pixels
        cy = (row + float(offset[1])) / self._cells * pixels + y + 0.5 * h - 0.5 * pixels
        if not math.isfinite(cx + cy + width + height):
            raise TrackingError("the network's maps are not finite numbers; check the weights and the precision.")
        self.confidence = float(maps["score"][0, 0, row, column])
        return np.array([cx - 0.5 * width, cy - 0.5 * height, width, height])
