"""A job without a runtime: a tracker that is arithmetic on the image, over real sequences, for tests of tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from harness.core.config import build
from harness.core.interfaces import Boxes, Context, Dataset, Image, Session, Tracker
from harness.machine.progress import Silent


class DriftingTracker(Tracker):
    """Its box depends on all images that it has seen: each update moves it by the image's brightness."""

    def __init__(self, seen: list[int], on_update: Callable[[], None]) -> None:
        self.seen, self._on_update = seen, on_update
        self._box: Boxes = np.zeros(4)

    def init(self, image: Image, box: Boxes) -> None:
        self.seen.append(brightness(image))
        self._box = np.array(box, float)

    def place(self, box: Boxes) -> None:
        self._box = np.array(box, float)

    def update(self, image: Image) -> Boxes:
        self._on_update()
        self.seen.append(brightness(image))
        self._box = self._box + np.array([brightness(image) / 97, 1 / 3, 0.01, 0.02])
        return self._box.copy()


def brightness(image: Image) -> int:
    """The value of the frames that ``numbered_sequences`` writes."""
    return int(image[0, 0, 0])


class DriftingSpec:
    """Stands for a TrackerSpec. ``seen`` collects the brightness of all images, tracker by tracker."""

    name, color, deterministic, random_weights, placeable = "drifting", "rgb", True, False, True

    def __init__(self, on_update: Callable[[], None] = lambda: None) -> None:
        self.trackers: list[list[int]] = []
        self._on_update = on_update

    def start(self, sessions: Mapping[str, Session]) -> Tracker:
        self.trackers.append([])
        return DriftingTracker(self.trackers[-1], self._on_update)


class NoBackend:
    """Opens nothing."""

    deterministic = True

    def open(self, artifact: Any) -> dict[str, Session]:
        return {}

    def describe(self) -> dict[str, str]:
        return {"runtime": "none"}

    def card(self) -> str:
        return "GPU-stub"

    def parallel_requests(self, artifact: Any) -> int:
        return 2

    def prepare_parallel(self, requests: int) -> None:
        self.prepared = requests

    def pins_callers(self) -> bool:
        return False


def numbered_sequences(root: Path, sequences: int = 2, frames: int = 8, unit: int = 5) -> Dataset:
    """A folder data set whose frame k has brightness ``unit`` k; the target moves a pixel a frame."""
    for number in range(1, sequences + 1):
        place = root / "val" / f"seq_{number}"
        place.mkdir(parents=True)
        for frame in range(frames):
            cv2.imwrite(str(place / f"{frame + 1:08d}.png"), np.full((48, 64, 3), unit * frame, np.uint8))
        (place / "groundtruth.txt").write_text("".join(f"{8 + frame},{6 + number},20,16\n" for frame in range(frames)))
    (root / "val" / "list.txt").write_text("".join(f"seq_{number}\n" for number in range(1, sequences + 1)))
    section = {"target": "harness.datasets.folder.Folder", "name": "folder", "root": str(root), "split": "val"}
    return build({**section, "cache": str(root / "cache")}, Dataset, "dataset")


def stub_context(folder: Path, dataset: Dataset, spec: Any = None, **config: Any) -> Context:
    """The context of a job over ``dataset`` that writes to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    groups = {name: {"name": name} for name in ("tracker", "backend", "hint", "task", "quantization")}
    artifact = SimpleNamespace(key="none", precision="fp32", info={}, graphs={}, files={}, folder=folder, format="none")
    return Context(
        {**groups, "device": {"name": "cpu"}, **config},
        artifact,  # type: ignore[arg-type]
        NoBackend(),  # type: ignore[arg-type]
        spec or DriftingSpec(),
        dataset,
        folder,
        2,
        0,
        Silent(),
    )
