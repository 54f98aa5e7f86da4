"""One worker of a cluster: it has its own backend and cores, and tracks one sequence after the other.

Only the fetching of a packed model depends on Ray. Errors of the harness are returned as answers, not raised: a worker
that raises an exception counts as broken.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2

from harness.artifacts import delivery
from harness.artifacts.store import artifact_folder
from harness.core.config import build
from harness.core.errors import DataError, HarnessError
from harness.core.interfaces import Artifact, Backend, Boxes, Sequence, TrackerSpec
from harness.machine import cores, environment
from harness.tracking.loop import Runner


@dataclass(frozen=True)
class Order:
    """The description of a worker: sections of its parts, threads, and its model (``digest`` of the packed one)."""

    tracker: Mapping[str, Any]
    backend: Mapping[str, Any]
    threads: int
    key: str
    folder: str
    digest: str


class Shard:
    """Call ``open`` once, then ``track`` for each sequence."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._held = ExitStack()
        self._runner: Runner | None = None

    def open(self, packed: list[Any]) -> dict[str, Any]:
        """Gets and opens the model; returns a description of this worker.

        ``packed``: the archive, or a reference to it.
        """
        begin = perf_counter()
        cv2.setNumThreads(1)
        environment.keep_freed_memory()
        order = self._order
        own = self._held.enter_context(cores.lease(order.threads, wait=False))
        try:
            artifact, how = self._artifact(packed)
            delivered = perf_counter() - begin
            cache = str(delivery.worker_cache())
            backend = build({**order.backend, "cache": cache, "threads": order.threads}, Backend, "backend")
            tracker = build(order.tracker, TrackerSpec, "tracker")
            backend.check_device()
            self._runner = Runner(tracker, backend.open(artifact))
            effective = backend.describe()
        except HarnessError as error:
            return refusal(error)
        machine = environment.describe()
        return {
            "host": platform.node(),
            "pid": os.getpid(),
            "cores": own,
            "model": how,
            "delivery_s": delivered,
            "open_s": perf_counter() - begin,
            "effective": effective,
            "machine": machine["machine"],
            "features": machine["features"],
            "versions": machine["versions"],
        }

    def _artifact(self, packed: list[Any]) -> tuple[Artifact, str]:
        found = delivery.seen(Path(self._order.folder), self._order.key)
        if found is not None:
            return found, "shared folder"
        cache = delivery.worker_cache()
        found = delivery.seen(artifact_folder(cache, self._order.key), self._order.key)
        if found is not None:
            return found, "worker's cache"
        return delivery.unpack(fetch(packed), self._order.digest, self._order.key, cache), "sent"

    def track(self, sequence: Sequence, feedback: Boxes | None, repetitions: int) -> dict[str, Any]:
        """Tracks all repetitions of ``sequence``; returns them with the seconds that they took here."""
        assert self._runner is not None, "open comes first"
        begin = perf_counter()
        try:
            self._check_frames(sequence)
            tracks = [
                self._runner.track(sequence, feedback=feedback, repetition=number)
                for number in range(1, repetitions + 1)
            ]
        except HarnessError as error:
            return refusal(error)
        return {"tracks": tracks, "wall": perf_counter() - begin}

    def _check_frames(self, sequence: Sequence) -> None:
        for frame in (sequence.frames[0], sequence.frames[-1]):
            if not Path(frame).is_file():
                raise DataError(
                    f"{frame} is not seen on {platform.node()}; the data set must lie under the same path on every node "
                    "(a shared folder, or a copy)."
                )


def refusal(error: HarnessError) -> dict[str, Any]:
    """Returns an error as an answer."""
    return {"error": type(error).__name__, "message": str(error)}


def fetch(packed: list[Any]) -> bytes:
    """Returns the archive itself, from Ray's object store if only a reference was sent."""
    if isinstance(packed[0], bytes):
        return packed[0]
    import ray

    return bytes(ray.get(packed[0]))
