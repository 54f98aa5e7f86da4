"""Prefetch: decodes frames ahead of the trackers, on cores that no tracker uses, within a memory limit."""

from __future__ import annotations

import threading
from collections.abc import Generator
from pathlib import Path
from time import perf_counter

from harness.core.errors import TrackingError
from harness.core.interfaces import Image, Sequence
from harness.imaging.decoding import Color, read_ahead, read_image

LOOK_SECONDS = 1.0
DEPTH = 4
"""The most prefetched frames per sequence."""
Decoded = tuple[Image, float]
"""An image and the seconds of reading and decoding it."""


class _Lane:
    """A sequence in flight: which frames are decoded, which are being decoded, and which the tracker has."""

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self.paths = paths
        self.ready: dict[int, Decoded | BaseException] = {}
        self.begun = 0  # the first frame whose decoding has not begun
        self.wanted = 0  # the frame that the tracker has or waits for

    def has_room(self) -> bool:
        return self.begun < len(self.paths) and self.begun - self.wanted <= DEPTH


class DecodeAhead:
    """The decoders of several sequences in flight.

    A tracker's thread decodes its next frame itself unless a helper has begun it, so it never waits for a frame that no
    thread decodes. Helpers decode ahead, at most ``spare`` at once, which is the number of cores that trackers do not
    use; a tracker that ends passes its cores on (``release``). So there are never more runnable threads than cores, and
    no core is idle while frames are to be decoded. The system reads files ahead in any case.
    """

    def __init__(self, color: Color, spare: int, helpers: int) -> None:
        self._color, self._spare, self._working, self._closed = color, spare, 0, False
        self._changed = threading.Condition()
        self._lanes: list[_Lane] = []
        self._threads = [
            threading.Thread(target=self._help, name=f"decoder-{index}", daemon=True) for index in range(helpers)
        ]
        for thread in self._threads:
            thread.start()

    def frames(self, sequence: Sequence) -> Generator[Decoded, None, None]:
        """Yields every frame of ``sequence`` in order. Raises DataError at a frame that cannot be decoded."""
        lane = _Lane(tuple(Path(path) for path in sequence.frames))
        for path in lane.paths[1:DEPTH]:
            read_ahead(path)
        with self._changed:
            self._lanes.append(lane)
        try:
            for index in range(len(lane.paths)):
                yield self._take(lane, index)
        finally:
            with self._changed:
                self._lanes.remove(lane)

    def release(self, cores: int) -> None:
        """Lets helpers use ``cores`` more, because the tracker that used them has ended."""
        with self._changed:
            self._spare += cores
            self._changed.notify_all()

    def close(self) -> None:
        """Ends the helpers."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _take(self, lane: _Lane, index: int) -> Decoded:
        if index + DEPTH < len(lane.paths):
            read_ahead(lane.paths[index + DEPTH])
        with self._changed:
            lane.wanted = index
            mine = lane.begun == index
            lane.begun += mine
            if self._working < self._spare:  # else no helper may begin, and waking one would take time from a tracker
                self._changed.notify_all()
            while not mine and index not in lane.ready:
                self._changed.wait(LOOK_SECONDS)
                if self._closed or not any(thread.is_alive() for thread in self._threads):
                    raise TrackingError("the decoders ended before the sequence did.")
            found = None if mine else lane.ready.pop(index)
        if isinstance(found, BaseException):
            raise found
        return found or self._decode(lane.paths[index])

    def _help(self) -> None:
        while (claim := self._claim()) is not None:
            lane, index = claim
            found: Decoded | BaseException
            try:
                found = self._decode(lane.paths[index])
            except BaseException as error:  # any error must reach the tracker that waits for this frame
                found = error
            with self._changed:
                lane.ready[index] = found
                self._working -= 1
                self._changed.notify_all()

    def _claim(self) -> tuple[_Lane, int] | None:
        """Returns the next frame to decode, from the sequence with the fewest prefetched ones; None if closed."""
        with self._changed:
            while not self._closed:
                lanes = [lane for lane in self._lanes if lane.has_room()]
                if lanes and self._working < self._spare:
                    lane = min(lanes, key=lambda item: item.begun - item.wanted)
                    lane.begun += 1
                    self._working += 1
                    return lane, lane.begun - 1
                self._changed.wait()
        return None

    def _decode(self, path: Path) -> Decoded:
        begin = perf_counter()
        image = read_image(path, self._color)
        return image, perf_counter() - begin
