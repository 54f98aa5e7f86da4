"""Style ``trax``: a program that speaks the TraX protocol (votchallenge/trax), over its standard input and output.

The protocol's own library talks (package vot-trax, extra ``[trax]``). Frames are handed over in the first form of path,
encoded buffer and pixels that the program takes; a path leads to an uncompressed PNG in memory, so that every tracker of a
comparison sees the same pixels. The program is started anew for every sequence, since many of them serve one and end.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from .common import as_score

if TYPE_CHECKING:
    from .common import Failures, Recipe, Reply

PREFIX = "@@TRAX:"
"""What every message of the protocol begins with."""
SCORES = ("confidence", "score")
"""Properties of a state that tell how sure a tracker is; ``confidence`` is VOT's."""


class Trax:
    """One program at a time."""

    def __init__(self, recipe: Recipe, mistake: Failures) -> None:
        try:
            import trax.client
        except ImportError as error:
            raise mistake(
                "tracker.style=trax needs the package vot-trax: pip install 'tracker-harness[trax]'."
            ) from error
        self.recipe, self.mistake, self.library = recipe, mistake, trax
        self.program: subprocess.Popen[bytes] | None = None
        self.client: Any = None
        self.number = 0
        self.line: list[str] = []
        self.connect()

    # ------------------------------------------------------------------------------------ the program

    def connect(self) -> None:
        """Starts the program and hears its greeting."""
        try:
            self.program = subprocess.Popen(self.recipe["command"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError as error:
            raise self.mistake(
                "tracker.command: {} cannot be started ({}).".format(self.recipe["command"][0], error.strerror)
            ) from error
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        stream = (self.program.stdin.fileno(), self.program.stdout.fileno())
        try:
            self.client = self.library.client.Client(stream=stream, timeout=self.recipe["start_timeout"], log=self.heard)
        except self.library.TraxException as error:
            raise RuntimeError(f"no TraX greeting came: {error}{self.last_state()}") from error
        if "rectangle" not in self.client.region_formats and "polygon" not in self.client.region_formats:
            raise RuntimeError(f"it takes regions of no form that a box can have: {self.client.region_formats}")

    def heard(self, text: str) -> None:
        """What passes in either direction, piece by piece: lines that are not messages are kept as the program's words."""
        self.line.append(text)
        if text.endswith("\n"):
            words = "".join(self.line)
            self.line.clear()
            if PREFIX not in words:
                print(words, end="", flush=True)

    def last_state(self) -> str:
        """How the program ended, where it has."""
        assert self.program is not None
        try:
            code = self.program.wait(1)
        except subprocess.TimeoutExpired:
            return ""
        return f"; the program was ended by signal {-code}" if code < 0 else f"; its exit code is {code}"

    def end_program(self) -> None:
        """Says goodbye, then ends what is still there."""
        if self.client is not None:
            with contextlib.suppress(self.library.TraxException):
                self.client.quit()
            self.client = None
        if self.program is not None:
            for stream in (self.program.stdin, self.program.stdout):
                if stream is not None:
                    stream.close()
            try:
                self.program.wait(2)
            except subprocess.TimeoutExpired:
                self.program.kill()
                self.program.wait()
            self.program = None

    def processes(self) -> list[int]:
        """The program's number."""
        return [self.program.pid] if self.program is not None else []

    def close(self) -> None:
        """Ends the program."""
        self.end_program()

    # ------------------------------------------------------------------------------------ tracking

    def init(self, image: Any, box: list[float]) -> Reply:
        """Starts on a target."""
        if self.number and self.recipe["fresh"] is not False:
            self.end_program()
            self.connect()
        x, y, w, h = box
        region = self.library.Rectangle.create(x, y, w, h)
        if "rectangle" not in self.client.region_formats:
            region = self.library.Polygon.create([(x, y), (x + w, y), (x + w, y + h), (x, y + h)])
        given = self.wrapped(image)
        begin = perf_counter()
        self.call(lambda: self.client.initialize({"color": given}, [(region, {})], dict(self.recipe["options"])))
        return {"seconds": perf_counter() - begin, "facts": self.facts()}

    def update(self, image: Any) -> Reply:
        """Follows the target into ``image``."""
        given = self.wrapped(image)
        begin = perf_counter()
        objects, _ = self.call(lambda: self.client.frame({"color": given}, {}, []))
        seconds = perf_counter() - begin
        if not objects:
            raise RuntimeError("the program reported no object")
        region, properties = objects[0]
        return {"box": self.box_of(region), "confidence": confidence_of(properties), "seconds": seconds}

    def call(self, function: Any) -> Any:
        """Calls the library, and says how the program ended where it did."""
        try:
            return function()
        except self.library.TraxException as error:
            raise RuntimeError(f"{error}{self.last_state()}") from error

    def wrapped(self, image: Any) -> Any:
        """The frame in a form that the program takes."""
        import cv2

        formats = self.client.image_formats
        blue_first = np.ascontiguousarray(image[:, :, ::-1]) if self.recipe["frames"] == "rgb" else image
        self.number += 1
        stored = [cv2.IMWRITE_PNG_COMPRESSION, 0]
        if "path" in formats:
            path = os.path.join(self.recipe["scratch"], f"{self.number:08d}.png")
            cv2.imwrite(path, blue_first, stored)
            old = os.path.join(self.recipe["scratch"], f"{self.number - 2:08d}.png")
            if os.path.exists(old):
                os.unlink(old)
            return self.library.FileImage.create(path)
        if "buffer" in formats:
            return self.library.BufferImage.create(cv2.imencode(".png", blue_first, stored)[1].tobytes())
        if "memory" in formats:
            return self.library.MemoryImage.create(np.ascontiguousarray(blue_first[:, :, ::-1]))
        raise RuntimeError(f"it takes images of no form that can be had here: {formats}")

    def box_of(self, region: Any) -> list[float]:
        """The upright box around a region."""
        if region.type == "rectangle":
            return [float(value) for value in region.bounds()]
        if region.type == "polygon":
            points = np.array([region.get(index) for index in range(region.size())], np.float64)
            low, high = points.min(0), points.max(0)
            return [float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])]
        raise RuntimeError(f"it reported a region of type {region.type}, which holds no box")

    def facts(self) -> dict[str, str]:
        """What the program says of itself."""
        known = {"style": "trax", "tracker": self.client.tracker_name or os.path.basename(self.recipe["command"][0])}
        return dict(known, **({"family": self.client.tracker_family} if self.client.tracker_family else {}))


def confidence_of(properties: Any) -> float | None:
    """The score among the properties of a state."""
    for key in SCORES:
        try:
            return as_score(float(properties.get(key)))
        except (TypeError, ValueError):
            continue
    return None
