"""A textured patch that moves over noise, as folders and clips of any name, size and format: input of real jobs that is made in a moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

Box = tuple[int, int, int, int]


def patch_frames(
    count: int = 8, size: tuple[int, int] = (160, 120), side: int = 30, seed: int = 0, start: tuple[int, int] = (20, 30)
) -> Iterator[tuple[np.ndarray, Box]]:
    """(image, box) of each frame: the patch goes 4 pixels to the right and 2 down a frame."""
    generator = np.random.default_rng(seed)
    ground = cv2.GaussianBlur(generator.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8), (9, 9), 0)
    small = generator.integers(0, 255, (6, 6, 3), dtype=np.uint8)
    patch = cv2.resize(small, (side, side), interpolation=cv2.INTER_NEAREST)
    for number in range(count):
        x, y = start[0] + 4 * number, start[1] + 2 * number
        image = ground.copy()
        image[y : y + side, x : x + side] = patch
        yield image, (x, y, side, side)


def patch_sequence(folder: Path, suffix: str = ".jpg", digits: int = 8, **how: object) -> Path:
    """A sequence's folder in GOT-10k's layout without labels; ``how`` goes to ``patch_frames``."""
    folder.mkdir(parents=True)
    lines = []
    for number, (image, box) in enumerate(patch_frames(**how), 1):  # type: ignore[arg-type]
        cv2.imwrite(str(folder / f"{number:0{digits}d}{suffix}"), image)
        lines.append(",".join(f"{value:.4f}" for value in box) + "\n")
    (folder / "groundtruth.txt").write_text("".join(lines))
    return folder


def patch_split(root: Path, names: Iterable[str] = ("alpha", "beta"), listed: bool = True, **how: object) -> Path:
    """A folder of sequences with its ``list.txt``; returns ``root``."""
    names = list(names)
    for seed, name in enumerate(names):
        patch_sequence(root / name, seed=seed, **how)
    if listed:
        (root / "list.txt").write_text("".join(f"{name}\n" for name in names))
    return root


def patch_clip(path: Path, codec: str = "MJPG", count: int = 20, **how: object) -> Path:
    """A clip in the container of ``path``'s ending."""
    frames = [image for image, _ in patch_frames(count, **how)]  # type: ignore[arg-type]
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 25, (width, height))
    assert writer.isOpened(), path
    for image in frames:
        writer.write(image)
    writer.release()
    return path


def first_boxes_alone(split: Path) -> None:
    """Leaves the first line of each truth, as in a test split."""
    for path in split.glob("*/groundtruth.txt"):
        path.write_text(path.read_text().splitlines()[0] + "\n")
