"""Video files, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from harness.core.errors import DataError
from harness.core.interfaces import Image


def frames_of(path: Path, most: int | None = None) -> Iterator[Image]:
    """Yields the frames of a video file in order while they are decoded.

    Args:
        path: The file.
        most: The number of frames after which it stops; None for all.

    Yields:
        Images, uint8 ``[H, W, 3]``, BGR; the caller owns each of them.

    Raises:
        DataError: Not even one frame can be decoded.
    """
    capture = cv2.VideoCapture(str(path.absolute()))
    try:
        count = 0
        while most is None or count < most:
            there, image = capture.read()
            if not there:
                break
            count += 1
            yield np.asarray(image, np.uint8)
        if not count:
            raise DataError(f"{path} cannot be decoded as a video; convert it, for example to MP4 with H.264.")
    finally:
        capture.release()


def announced(path: Path) -> tuple[int, float]:
    """Reads the header of a video file: number of frames, and frames per second; 0 for a missing value."""
    capture = cv2.VideoCapture(str(path.absolute()))
    try:
        count, fps = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    finally:
        capture.release()
    return max(0, int(count)), fps if np.isfinite(fps) and fps > 0 else 0.0
