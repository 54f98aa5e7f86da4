"""Crops, windows and box arithmetic around a network. Images stay uint8; float64 is for boxes alone.

A crop never pads the frame: where it lies inside the image, the region is resized straight into the network's input
buffer; where it leaves the image, a canvas of the crop's own size is filled and resized.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from harness.core.errors import TrackingError
from harness.core.interfaces import Array, Boxes, Image

Window = npt.NDArray[np.float32]
Region = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels of the image, the last two exclusive; may leave the image."""


SAMPLED = 1 << 20
"""Pixels of a region above which no canvas is made for it: a region of five boxes by five may be many times the image."""


class Cropper:
    """Cuts regions and resizes them, bilinear, to ``size`` pixels in a buffer ``[1, size, size, 3]`` of its own.

    The canvas for regions that leave the image is kept between frames and grows as needed: one sequence, one Cropper.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.buffer: Image = np.empty((1, size, size, 3), np.uint8)
        self._canvas: Image = np.empty((0,), np.uint8)

    def cut(
        self, image: Image, region: Region, fill: Image | None = None, keep: tuple[int, int] | None = None
    ) -> Image:
        """The region, resized, in ``buffer``, which the next call overwrites.

        ``keep`` is the width and height of the image that count (its own by default); beyond them the crop is
        ``fill``, a colour (black by default). Raises TrackingError if the region is empty or wholly outside.
        """
        height, width = image.shape[:2]
        used_width, used_height = keep or (width, height)
        x0, y0, x1, y1 = region
        left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1, used_width), min(y1, used_height)
        if x1 <= x0 or y1 <= y0 or left >= right or top >= bottom:
            raise TrackingError(
                f"the crop from ({x0}, {y0}) to ({x1}, {y1}) is empty or lies outside the image of {width} x {height} "
                "pixels; the target was lost or the box is wrong."
            )
        source = image[top:bottom, left:right]
        if (left, top, right, bottom) != region:
            if (x1 - x0) * (y1 - y0) > SAMPLED and min(x1 - x0, y1 - y0) > self.size:
                return self._sample(source, region, left, top, fill)
            source = self._on_canvas(source, region, left, top, fill)
        target = self.buffer[0]
        if source.shape == target.shape:
            np.copyto(target, source)
        else:
            cv2.resize(source, (self.size, self.size), dst=target, interpolation=cv2.INTER_LINEAR)
        return self.buffer

    def _on_canvas(self, source: Image, region: Region, left: int, top: int, fill: Image | None) -> Image:
        x0, y0, x1, y1 = region
        width, height = x1 - x0, y1 - y0
        if self._canvas.size < width * height * 3:
            self._canvas = np.empty(width * height * 3, np.uint8)
        canvas = self._canvas[: width * height * 3].reshape(height, width, 3)
        x, y = left - x0, top - y0
        right, bottom = width - x - source.shape[1], height - y - source.shape[0]
        colour = (0.0, 0.0, 0.0) if fill is None else tuple(float(value) for value in fill)
        # seven times as fast as numpy's broadcast of a colour over the margins
        border = cv2.BORDER_CONSTANT | cv2.BORDER_ISOLATED
        cv2.copyMakeBorder(source, y, bottom, x, right, border, dst=canvas, value=colour)
        return canvas


    def _sample(self, source: Image, region: Region, left: int, top: int, fill: Image | None) -> Image:
        """What ``cut`` gives by way of a canvas, without one: only those pixels of the crop that see the image are computed.

        The arithmetic is that of OpenCV's resize for uint8 (shares in 2048ths), so that the pixels are the same.
        """
        x0, y0, x1, y1 = region
        columns = _taps(x1 - x0, self.size, left - x0, source.shape[1])
        rows = _taps(y1 - y0, self.size, top - y0, source.shape[0])
        colour = np.zeros(3, np.int32) if fill is None else np.asarray(fill, np.int32)
        target = self.buffer[0]
        target[:] = colour
        blended: Array = np.asarray(2, np.int32)
        for line, share in rows[1:]:
            pixels = sum(_picked(source, line, column, colour) * part[:, None] for column, part in columns[1:])
            blended = blended + (share[:, None, None] * (pixels >> 4) >> 16)
        target[rows[0], columns[0]] = blended >> 2
        return self.buffer


def _taps(length: int, size: int, start: int, count: int) -> tuple[slice, tuple[Array, Array], tuple[Array, Array]]:
    """Bilinear resizing of ``length`` pixels to fewer, ``size``, along one axis, of which ``count`` from ``start`` on are there.

    Returns those of the ``size`` pixels that see any of the ``count``, and for both of the neighbours that each is made of:
    the places, counted from ``start``, and their shares in 2048ths.
    """
    place = ((np.arange(size) + 0.5) * (length / size) - 0.5).astype(np.float32)
    first = np.floor(place).astype(np.intp)
    seen = np.flatnonzero((first + 1 >= start) & (first < start + count))
    part = slice(int(seen[0]), int(seen[-1]) + 1) if seen.size else slice(0, 0)
    fraction = (place - first.astype(np.float32))[part]
    shares = [np.rint(share * np.float32(2048)).astype(np.int32) for share in (1 - fraction, fraction)]
    return part, (first[part] - start, shares[0]), (first[part] + 1 - start, shares[1])


def _picked(source: Image, rows: Array, columns: Array, colour: Array) -> Array:
    """The pixels of ``source`` in ``rows`` and ``columns`` as int32; ``colour`` where these lie outside."""
    height, width = source.shape[:2]
    pixels: Array = source[rows.clip(0, height - 1)][:, columns.clip(0, width - 1)].astype(np.int32)
    pixels[(rows < 0) | (rows >= height)] = colour
    pixels[:, (columns < 0) | (columns >= width)] = colour
    return pixels


def square_side(box: Boxes, factor: float) -> int:
    """ceil(sqrt(w h) factor): the side in pixels of SMAT's square crop. Raises TrackingError if it is below 1."""
    area = float(box[2]) * float(box[3])
    side = math.ceil(math.sqrt(area) * factor) if area > 0 else 0
    if side < 1 or box[2] <= 0:
        raise TrackingError(f"the box {_words(box)} has no area to crop around; width and height must be positive.")
    return side


def square_region(box: Boxes, side: int) -> Region:
    """The square of ``side`` pixels around the box's centre; halves round to even, as published."""
    x0 = round(float(box[0]) + 0.5 * float(box[2]) - 0.5 * side)
    y0 = round(float(box[1]) + 0.5 * float(box[3]) - 0.5 * side)
    return x0, y0, x0 + side, y0 + side


def cut_square(cropper: Cropper, image: Image, box: Boxes, factor: float) -> tuple[Image, float]:
    """SMAT's crop: ``([1, size, size, 3], size / side)``.

    Outside the image is black; so is the image's last column where the crop reaches it (x1 >= width), rows alike:
    the published rule pads one column more than is missing.
    """
    side = square_side(box, factor)
    region = square_region(box, side)
    height, width = image.shape[:2]
    keep = (width - 1 if region[2] >= width else width, height - 1 if region[3] >= height else height)
    return cropper.cut(image, region, keep=keep), cropper.size / side


def centred_region(cx: float, cy: float, side: int) -> Region:
    """NanoTrack's square: x0 = floor(cx - (side + 1) / 2 + 0.5), y0 alike."""
    half = (side + 1) / 2
    x0, y0 = math.floor(cx - half + 0.5), math.floor(cy - half + 0.5)
    return x0, y0, x0 + side, y0 + side


def mean_colour(image: Image) -> Image:
    """The mean of each channel ``[3]``, truncated to uint8."""
    pixels = image.shape[0] * image.shape[1]
    return np.array([int(total) // pixels for total in cv2.sumElems(image)[:3]], np.uint8)


def clip_box(box: Boxes, width: int, height: int, margin: float = 10.0) -> Boxes:
    """The box ``[4]`` clipped to the image so that at least ``margin`` pixels of it stay inside (SMAT's rule)."""
    x, y, w, h = (float(value) for value in box)
    x0, x1 = min(max(0.0, x), width - margin), min(max(margin, x + w), float(width))
    y0, y1 = min(max(0.0, y), height - margin), min(max(margin, y + h), float(height))
    return np.array([x0, y0, max(margin, x1 - x0), max(margin, y1 - y0)])


def hann_inner(cells: int) -> Window:
    """``[cells, cells]``: 0.5 (1 - cos(2 pi k / (cells + 1))), k = 1..cells, outer product; no zeros at the border."""
    line = 0.5 * (1 - np.cos(2 * np.pi * np.arange(1, cells + 1) / (cells + 1)))
    return np.outer(line, line).astype(np.float32)


def hann(cells: int) -> Boxes:
    """``[cells, cells]``: NumPy's ``hanning`` (zero at the border), outer product with itself."""
    line = np.hanning(cells)
    return np.outer(line, line)


def _words(box: Boxes) -> str:
    return "[" + ", ".join(f"{float(value):g}" for value in box) + "]"
