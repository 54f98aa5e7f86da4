"""The window: frames with their box, a box drawn with the mouse, and keys."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Protocol

import cv2
import numpy as np

from harness.core.interfaces import Boxes, Image
from harness.tracking.camera.sinks import Followed, drawn

QUIT, AGAIN = "quit", "again"
KEYS = {ord("q"): QUIT, 27: QUIT, ord("r"): AGAIN}
PROBE = "import cv2; cv2.namedWindow('harness'); cv2.waitKey(1)"
PROBE_S = 20.0


class Screen(Protocol):
    """The window's interface for the loop."""

    def choose(self, image: Image) -> Boxes | None:
        """Returns the user's box in an image (BGR); None if no box is drawn."""
        ...

    def show(self, frame: Followed) -> str:
        """Shows a frame; returns ``quit``, ``again`` or an empty string, by the key that was pressed."""
        ...

    def close(self) -> None:
        """Closes the window."""
        ...


class Window:
    """An OpenCV window."""

    def __init__(self, title: str) -> None:
        self._title = title
        cv2.namedWindow(title, cv2.WINDOW_AUTOSIZE)

    def choose(self, image: Image) -> Boxes | None:
        box = cv2.selectROI(self._title, image, showCrosshair=False, fromCenter=False)
        return np.asarray(box, float) if min(box[2:]) > 0 else None

    def show(self, frame: Followed) -> str:
        cv2.imshow(self._title, drawn(frame))
        pressed = KEYS.get(cv2.waitKey(1) & 0xFF, "")
        closed = cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
        return QUIT if closed else pressed

    def close(self) -> None:
        cv2.destroyAllWindows()


def window_fault() -> str:
    """Returns why no window can be shown here; empty if one can.

    It is tried in a separate process, because without a display OpenCV's windows may end the whole process.
    """
    if sys.platform not in ("win32", "darwin") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "there is no display here"
    try:
        done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, timeout=PROBE_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return "a window cannot be opened here"
    return "" if done.returncode == 0 else "a window cannot be opened here"
