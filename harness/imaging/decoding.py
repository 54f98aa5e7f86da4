"""Frames from disk as uint8 images in the channel order that a tracker wants."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from harness.core.errors import DataError
from harness.core.interfaces import Image

Color = Literal["rgb", "bgr"]

try:  # the same pixels as OpenCV's decoder, sooner, and it tells of damage; absent only on platforms without a wheel
    import simplejpeg
except ImportError:
    simplejpeg = None

_FLAGS = {"rgb": cv2.IMREAD_COLOR_RGB, "bgr": cv2.IMREAD_COLOR_BGR}
JPEG = b"\xff\xd8"
PNG = b"\x89PNG\r\n\x1a\n"
END_OF_IMAGE = b"\xff\xd9"
LARGEST_MB = "HARNESS_IMAGE_MB"
LARGEST_MEGAPIXELS = "HARNESS_IMAGE_MEGAPIXELS"
DEFAULT_LIMITS = {LARGEST_MB: 256.0, LARGEST_MEGAPIXELS: 256.0}
"""The largest image file (MiB) and image (million pixels) that are read; the environment variables change them."""


class Damaged(Exception):
    """An image file that no decoder should draw over; the text says what is wrong with it."""


def read_image(path: Path, color: Color) -> Image:
    """Reads one image file.

    Args:
        path: The file; a regular file, not a pipe or a device.
        color: The order of the channels.

    Returns:
        The image, uint8 ``[H, W, 3]``.

    Raises:
        DataError: The file is missing, not a regular file, too large, or damaged, also where a decoder could go on;
            the sentence names it.
    """
    data = read_file(path)
    try:
        image = decode(data, color)
        why = f"{len(data)} bytes in no known format"
    except Damaged as error:
        image, why = None, str(error)
    if image is None:
        raise DataError(
            f"{path} is not an image that can be decoded whole ({why}); restore it from the data set, or leave its "
            "sequence out by dataset.exclude."
        )
    return image


def read_file(path: Path) -> bytes:
    """The bytes of an image file. Raises DataError if it is missing, not a regular file, or larger than the limit."""
    try:
        # a pipe without a writer would block the opening itself
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise DataError(f"{path} is not a regular file (a pipe, device or folder); a frame is an image file.")
            if status.st_size > (most := limit(LARGEST_MB)) * 2**20:
                raise DataError(
                    f"{path} has {status.st_size / 2**20:.0f} MiB, over the limit of {most:g}; if it is meant, set "
                    f"the environment variable {LARGEST_MB}."
                )
            return file.read()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); the data set is incomplete.") from error


def limit(variable: str) -> float:
    """The value of a limit: the environment variable's, or the default. Raises DataError if it is not a number above 0."""
    text = os.environ.get(variable)
    if text is None:
        return DEFAULT_LIMITS[variable]
    with contextlib.suppress(ValueError):
        if float(text) > 0:
            return float(text)
    raise DataError(f"the environment variable {variable} is {text!r}; accepted: a number above 0.")


def read_ahead(path: Path) -> None:
    """Asks the system to fetch a file soon, without waiting for it; where that cannot be asked, nothing happens."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe without a writer would block the opening
            try:
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(handle)


def decode(data: bytes, color: Color) -> Image | None:
    """Decodes an image; EXIF rotation is left alone, as in the data sets.

    Args:
        data: The bytes of the file.
        color: The order of the channels.

    Returns:
        The image, uint8 ``[H, W, 3]``, or None if no decoder knows the format of the bytes.

    Raises:
        Damaged: A JPEG with a hole, an end that is missing, or foreign bytes inside, which decoders would fill with
            grey or smear; or an image of more pixels than the limit.
    """
    if not data:
        return None
    _check_pixels(data)
    if data[:2] == JPEG:
        if data.rfind(END_OF_IMAGE, 2) < 0:  # from the end, where it is
            raise Damaged("a JPEG without its end marker")
        image = _decode_jpeg(data, color) if simplejpeg is not None else None
        if image is not None:
            return image
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS[color] | cv2.IMREAD_IGNORE_ORIENTATION)  # type: ignore[return-value]
    except cv2.error as error:
        raise Damaged(" ".join(str(error.err).split()) or "OpenCV refuses it") from error


def _check_pixels(data: bytes) -> None:
    size = None
    if data[:8] == PNG and len(data) >= 24:
        size = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    elif data[:2] == JPEG and simplejpeg is not None:
        with contextlib.suppress(ValueError, KeyError):
            height, width, *_ = simplejpeg.decode_jpeg_header(data, strict=False)
            size = width, height
    most = limit(LARGEST_MEGAPIXELS)
    if size is not None and size[0] * size[1] > most * 1e6:
        raise Damaged(f"its header says {size[0]}x{size[1]} pixels, over the limit of {most:g} million ({LARGEST_MEGAPIXELS})")


def _decode_jpeg(data: bytes, color: Color) -> Image | None:
    """The strict decoder's image; None for a kind of JPEG that it does not know. Raises Damaged."""
    try:
        # fancy upsampling and the accurate transform are what OpenCV's decoder uses: pixels stay equal
        image: Image = simplejpeg.decode_jpeg(data, color.upper(), fastdct=False, fastupsample=False, strict=True)
    except (ValueError, KeyError) as error:
        if any(word in str(error).lower() for word in ("corrupt", "premature", "invalid")):
            raise Damaged(str(error)) from error
        return None
    return image


def decoder_name() -> str:
    """Which decoder reads JPEG files here."""
    return f"simplejpeg {simplejpeg.__version__}" if simplejpeg is not None else f"opencv {cv2.__version__}"
