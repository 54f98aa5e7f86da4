"""Frames from disk as uint8 images in the channel order that a tracker wants."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from harness.core.errors import DataError
from harness.core.interfaces import Image

Color = Literal["rgb", "bgr"]

try:  # the extra [fast]: the same pixels as OpenCV's decoder, sooner
    import simplejpeg
except ImportError:
    simplejpeg = None

_FLAGS = {"rgb": cv2.IMREAD_COLOR_RGB, "bgr": cv2.IMREAD_COLOR_BGR}


def read_image(path: Path, color: Color) -> Image:
    """The image ``[H, W, 3]``. Raises DataError, which names the file, where it is missing or damaged."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); the data set is incomplete.") from error
    image = decode(data, color) if complete(data) else None
    if image is None:
        raise DataError(
            f"{path} is not an image that can be decoded ({len(data)} bytes); restore it from the data set."
        )
    return image


def read_ahead(path: Path) -> None:
    """Asks the system to fetch a file soon, without waiting for it; where that cannot be asked, nothing happens."""
    with contextlib.suppress(OSError, AttributeError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(handle)


def decode(data: bytes, color: Color) -> Image | None:
    """The image in ``data``, or None where it is damaged. EXIF rotation is left alone, as in the data sets."""
    if not data:
        return None
    if simplejpeg is not None and data[:2] == b"\xff\xd8":
        image = _decode_jpeg(data, color)
        if image is not None:
            return image
    return cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS[color] | cv2.IMREAD_IGNORE_ORIENTATION)  # type: ignore[return-value]


def complete(data: bytes) -> bool:
    """False for a JPEG without its end marker: decoders would fill the missing part with grey, silently."""
    return data[:2] != b"\xff\xd8" or data.rfind(b"\xff\xd9", max(0, len(data) - 4096)) >= 0


def _decode_jpeg(data: bytes, color: Color) -> Image | None:
    try:
        # fancy upsampling and the accurate transform are what OpenCV's decoder uses: pixels stay equal
        image: Image = simplejpeg.decode_jpeg(data, color.upper(), fastdct=False, fastupsample=False)
    except ValueError:
        return None
    return image


def decoder_name() -> str:
    """Which decoder reads JPEG files here."""
    return f"simplejpeg {simplejpeg.__version__}" if simplejpeg is not None else f"opencv {cv2.__version__}"
