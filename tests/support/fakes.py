"""Stand-ins that make a job small: a data set of tiny frames, and the folder of a tracker that follows nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from harness.core.interfaces import GraphSpec

TRACKER_YAML = """\
name: standing
target: standing_tracker.Standing
tremble: {tremble}
"""


def tiny_dataset(root: Path, sequences: int = 3, frames: int = 8, split: str = "val", size: tuple[int, int] = (64, 48)) -> Path:
    """A GOT-10k folder of moving squares; returns ``root``."""
    folder = root / split
    names = [f"seq_{number}" for number in range(1, sequences + 1)]
    for index, name in enumerate(names):
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(index).integers(0, 90, (size[1], size[0], 3), dtype=np.uint8)
        boxes = []
        for frame in range(frames):
            x, y = 8 + frame + index, 10 + frame // 2
            image = noise.copy()
            image[y : y + 16, x : x + 20] = (40 * index % 190 + 60, 200, 120)
            cv2.imwrite(str(place / f"{frame + 1:08d}.jpg"), image)
            boxes.append(f"{x}.0000,{y}.0000,20.0000,16.0000")
        (place / "groundtruth.txt").write_text("\n".join(boxes) + "\n")
        (place / "cover.label").write_text("8\n" * frames)
        (place / "absence.label").write_text("0\n" * frames)
        (place / "cut_by_image.label").write_text("0\n" * frames)
        (place / "meta_info.ini").write_text(
            f"[METAINFO]\nurl: none\nobject_class: square{index}\nresolution: ({size[0]}, {size[1]})\n"
        )
    (folder / "list.txt").write_text("\n".join(names) + "\n")
    return root


def standing_conf(folder: Path, tremble: bool = False) -> Path:
    """A configuration folder that names ``tests/support/standing_tracker.py``; returns it, for ``--config-dir``."""
    (folder / "tracker").mkdir(parents=True, exist_ok=True)
    (folder / "tracker" / "standing.yaml").write_text(TRACKER_YAML.format(tremble=str(tremble).lower()))
    return folder


class FakeSession:
    """A graph that answers with the same seeded numbers every time, in the shapes of its specification."""

    def __init__(self, spec: GraphSpec, seed: int = 0) -> None:
        self.spec = spec
        generator = np.random.default_rng(seed)
        self._outputs = {
            item.name: generator.uniform(0.2, 0.8, item.shape).astype(item.dtype) for item in spec.outputs
        }
        self.seen: list[dict[str, tuple[tuple[int, ...], str]]] = []

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.seen.append({name: (tuple(value.shape), str(value.dtype)) for name, value in inputs.items()})
        return {name: value.copy() for name, value in self._outputs.items()}
