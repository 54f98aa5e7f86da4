"""Writes small copies of benchmarks in their own layouts, with sequences of their lists at their full length."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path

import numpy as np
from got10k_folders import tiny_jpeg

SIZE = (64, 48)


def facts(name: str) -> dict[str, dict[str, str]]:
    """The shipped facts of a benchmark, by sequence."""
    text = (resources.files(f"harness.datasets.{name}") / "sequences.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {row["name"]: row for row in rows}


def boxes(count: int, seed: int = 0) -> np.ndarray:
    """Whole-numbered boxes within ``SIZE``, 1-based."""
    rng = np.random.default_rng(seed)
    corner = rng.integers(1, 20, (count, 2))
    return np.concatenate([corner, rng.integers(8, 20, (count, 2))], axis=1).astype(float)


def text(rows: np.ndarray, between: str = ",", end: str = "\n") -> str:
    return "".join(between.join(f"{value:g}" for value in row) + end for row in rows)


def frames(folder: Path, numbers: Iterable[int], digits: int = 4, suffix: str = ".jpg") -> None:
    """Images by their numbers: one file, linked under every name."""
    folder.mkdir(parents=True, exist_ok=True)
    first = None
    for number in numbers:
        path = folder / f"{number:0{digits}d}{suffix}"
        if first is None:
            path.write_bytes(tiny_jpeg(SIZE))
            first = path
        else:
            os.link(first, path)


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_bytes(content.encode())
    return path


def otb(root: Path) -> Path:
    """Deer (71 frames) and Diving's range of a longer folder."""
    frames(root / "Deer" / "img", range(1, 72))
    write(root / "Deer" / "groundtruth_rect.txt", text(boxes(71)))
    frames(root / "Diving" / "img", range(1, 232))
    write(root / "Diving" / "groundtruth_rect.txt", text(boxes(215, 1), "\t"))
    return root


def uav(root: Path, name: str, frames_folder: str, truth: str, chosen: tuple[str, ...]) -> Path:
    known = facts(name)
    for index, sequence in enumerate(chosen):
        row = known[sequence]
        start, end = int(row["start"]), int(row["end"])
        folder = root / "data_seq" / frames_folder / row["folder"]
        frames(folder, [number for number in range(1, end + 1) if not (folder / f"{number:06d}.jpg").exists()], 6)
        write(root / "anno" / truth / f"{sequence}.txt", text(boxes(end - start + 1, index)))
    return root


def uav123(root: Path) -> Path:
    return uav(root, "uav123", "UAV123", "UAV123", ("uav2", "uav4"))


def uav123_10fps(root: Path) -> Path:
    return uav(root, "uav123_10fps", "UAV123_10fps", "UAV123_10fps", ("uav2", "bird1_1", "bird1_2"))


def uav20l(root: Path) -> Path:
    return uav(root, "uav20l", "UAV123", "UAV20L", ("car3",))


def lasot(root: Path) -> Path:
    for index, name in enumerate(("airplane-1", "zebra-10")):
        folder = root / name.partition("-")[0] / name
        frames(folder / "img", range(1, 11), 8)
        write(folder / "groundtruth.txt", text(boxes(10, index)))
        write(folder / "full_occlusion.txt", ",".join("0001000000") + "\n")
        write(folder / "out_of_view.txt", ",".join("0000100000") + "\n")
    return root


def trackingnet(root: Path) -> Path:
    for index, name in enumerate(("-A0bcd_0", "zZ9_x_1")):
        frames(root / "TEST" / "frames" / name, range(12), 1)
        write(root / "TEST" / "anno" / f"{name}.txt", text(boxes(1, index)))
    return root


def nfs(root: Path) -> Path:
    """bee and Skiing_red at 30, annotated for 240."""
    for index, name in enumerate(("bee", "Skiing_red")):
        count = int(facts("nfs")[name]["frames"])
        frames(root / name / "30" / name, range(1, count + 1), 5)
        found = boxes(8 * count, index)
        lines = [
            f'0 {x:g} {y:g} {x + w:g} {y + h:g} {frame} 0 0 0 "{name}"\n' for frame, (x, y, w, h) in enumerate(found.tolist())
        ]
        write(root / name / "30" / f"{name}.txt", "".join(lines))
    return root


def dtb70(root: Path) -> Path:
    for index, name in enumerate(("Motor2", "Car2")):
        count = int(facts("dtb70")[name]["frames"])
        frames(root / name / "img", range(1, count + 1), 5)
        write(root / name / "groundtruth_rect.txt", text(boxes(count, index)))
    return root


def tcolor128(root: Path) -> Path:
    row = facts("tcolor128")["Hurdle_ce2"]
    start, end = int(row["start"]), int(row["end"])
    folder = root / "Hurdle_ce2"
    frames(folder / "img", range(1, end + 5))
    write(folder / "Hurdle_ce2_gt.txt", text(boxes(end - start + 1)))
    write(folder / "Hurdle_ce2_frames.txt", f"{start},{end}\n")
    write(folder / "Hurdle_ce2_att.txt", "FM MB\n")
    return root


def vot(root: Path) -> Path:
    """A rectangle's, a polygon's and a mask's sequence."""
    write(root / "list.txt", "ball\nfish\nhand\n")
    truths = {
        "ball": text(boxes(6)),
        "fish": "".join(f"{x},2,{x + 9},3,{x + 8},14,{x - 1},13\n" for x in range(5, 11)),
        "hand": "".join(f"m{x},4,3,2,1,2,1,2\n" for x in range(5, 11)),
    }
    for name, truth in truths.items():
        frames(root / name / "color", range(1, 7), 8)
        write(root / name / "groundtruth.txt", truth)
        write(root / name / "sequence", f"channels.color=color/%08d.jpg\nfps=30\nname={name}\nformat=default\n")
    return root


MAKERS: dict[str, Callable[[Path], Path]] = {
    "otb": otb,
    "uav123": uav123,
    "uav123_10fps": uav123_10fps,
    "uav20l": uav20l,
    "lasot": lasot,
    "trackingnet": trackingnet,
    "nfs": nfs,
    "dtb70": dtb70,
    "tcolor128": tcolor128,
    "vot": vot,
}
"""A maker of each benchmark's layout, by the name of its data set."""
