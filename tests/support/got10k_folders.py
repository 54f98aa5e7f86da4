"""Writes small data sets and result folders in GOT-10k's layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np

from harness.core.interfaces import Track
from harness.core.results import write_tracks
from harness.publish.submission import SplitFacts


def tiny_jpeg(size: tuple[int, int] = (16, 12), value: int = 90) -> bytes:
    """A whole JPEG of one grey."""
    done, data = cv2.imencode(".jpg", np.full((size[1], size[0], 3), value, np.uint8))
    assert done
    return data.tobytes()


def lines(rows: Iterable[Iterable[float]]) -> str:
    return "".join(",".join(f"{value:.4f}" for value in row) + "\n" for row in rows)


def write_sequence(
    folder: Path,
    boxes: np.ndarray,
    *,
    frames: int | None = None,
    size: tuple[int, int] = (16, 12),
    cover: Iterable[int] | None = None,
    meta: Mapping[str, str] | None = None,
    jpeg: bytes | None = None,
) -> Path:
    """A sequence's folder with images, truth, labels and meta_info.ini; ``frames`` defaults to the boxes' number."""
    folder.mkdir(parents=True)
    count = len(boxes) if frames is None else frames
    data = tiny_jpeg(size) if jpeg is None else jpeg
    for number in range(1, count + 1):
        (folder / f"{number:08d}.jpg").write_bytes(data)
    (folder / "groundtruth.txt").write_text(lines(boxes))
    labels = {"absence": [0] * count, "cover": [8] * count if cover is None else cover, "cut_by_image": [0] * count}
    for name, values in labels.items():
        (folder / f"{name}.label").write_text("".join(f"{value}\n" for value in values))
    pairs = {"url": "none", "object_class": "cat", "resolution": f"({size[0]}, {size[1]})", **(meta or {})}
    (folder / "meta_info.ini").write_text(
        "[METAINFO]\n" + "".join(f"{key}: {value}\n" for key, value in pairs.items())
    )
    return folder


def write_list(split: Path, names: Iterable[str]) -> None:
    split.mkdir(parents=True, exist_ok=True)
    (split / "list.txt").write_text("".join(f"{name}\n" for name in names))


def stand_in_test_split(root: Path, facts: SplitFacts, size: tuple[int, int] = (16, 12)) -> Path:
    """``root/test`` with the split's names, frame counts and first boxes, and tiny grey frames; returns ``root``."""
    data = tiny_jpeg(size)
    write_list(root / "test", facts.sequences)
    for name, known in facts.sequences.items():
        folder = root / "test" / name
        folder.mkdir()
        (folder / "00000001.jpg").write_bytes(data)
        for number in range(2, known.frames + 1):  # one file under many names: 22,834 small ones are slow to write
            (folder / f"{number:08d}.jpg").hardlink_to(folder / "00000001.jpg")
        (folder / "groundtruth.txt").write_text(lines([known.first_box + 0.25]))
    return root


def standing_tracks(folder: Path, facts: SplitFacts, repetitions: int = 1) -> Path:
    """Result files of a tracker that never moves, in the toolkit's layout under ``folder``."""
    for name, known in facts.sequences.items():
        boxes = np.tile(known.first_box, (known.frames, 1))
        seconds = np.full(known.frames, 0.02)
        write_tracks(folder, [Track(name, boxes, seconds, repetition=number + 1) for number in range(repetitions)])
    return folder
