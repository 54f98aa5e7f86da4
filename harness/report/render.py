"""Draws boxes of runs and truth on the frames: as a video (MP4) and as a contact sheet (PNG).

Frames come from the data set in the runs' configuration; boxes are those of frames.parquet, which are the scored ones.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from harness.core.errors import ConfigError, DataError, StoreError
from harness.core.files import file_mode, temporary_beside, write_bytes
from harness.core.interfaces import Boxes, Dataset, Image, Sequence
from harness.core.names import as_portable
from harness.imaging.decoding import read_image
from harness.report.looks import styles
from harness.report.sources import give_labels
from harness.scoring.compared import Job
from harness.scoring.overlap import iou

if TYPE_CHECKING:
    import pandas as pd

TRUTH_COLOR = (255, 255, 255)
SMALLEST = 480
"""Frames narrower than this are enlarged, so that labels can be read."""
LARGEST = 1280
FPS = 25.0
SHEET_FRAMES = 12
SHEET_COLUMNS = 4
TILE = 400
PACKED = {
    ".png": (cv2.IMWRITE_PNG_COMPRESSION, 2, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    ".jpg": (cv2.IMWRITE_JPEG_QUALITY, 90),
}
"""How sheets are packed, by suffix. For PNG: photographs have no repetitions that a longer search would find, and it takes a sixth of the time."""

Color = tuple[int, int, int]


@dataclass
class Layer:
    """Boxes ``[T, 4]`` to draw in one colour (BGR) under one name, and the tracker's confidence ``[T]`` if known."""

    name: str
    color: Color
    boxes: Boxes
    thickness: int = 2
    confidence: npt.NDArray[np.float64] | None = None


# -------------------------------------------------------------------------------------------- entries


def render(jobs: list[Job], sequence: str, out: Path) -> list[Path]:
    """Writes ``<sequence>.mp4`` and ``<sequence>.png`` (a contact sheet) under ``out`` with the boxes of all ``jobs``.

    Raises DataError if the sequence or its frames cannot be found, ConfigError if a run has no boxes of it.
    """
    if not jobs:
        raise ConfigError("no run is given to render; name a job's or a sweep's folder or a run id.")
    give_labels(jobs)
    source = find_sequence(jobs[0], sequence)
    layers = _layers(jobs, source)
    stem = _safe(sequence)
    sheet = write_sheet(source, layers, out / f"{stem}.png")
    return [write_film(source, layers, out / f"{stem}.mp4"), sheet]


def contact_sheet(job: Job, sequence: str, out: Path) -> Path:
    """Writes the contact sheet of one job and sequence to the file ``out`` (PNG or JPEG, by its suffix)."""
    give_labels([job])
    source = find_sequence(job, sequence)
    return write_sheet(source, _layers([job], source), out)


def notable(job: Job) -> dict[str, str]:
    """Returns the sequences of lowest and median AO, ``{"worst": .., "median": ..}``.

    Without truth the first, ``{"boxes": ..}``.
    """
    if job.random_weights:
        return {}
    if not job.results.dataset.get("truth", True) and job.results.sequences:
        return {"boxes": next(iter(job.results.sequences))}
    scored = sorted((row["ao"], name) for name, row in job.results.sequences.items() if "ao" in row)
    if not scored:
        return {}
    return {"worst": scored[0][1], "median": scored[len(scored) // 2][1]}


def job_sheets(job: Job, place: Path) -> list[Path]:
    """Draws contact sheets of a job's worst and median sequence to JPEG files in ``place``, which are small and quickly written.

    None without scores.

    Raises DataError if the frames are gone.
    """
    return [contact_sheet(job, name, place / f"{word}_{_safe(name)}.jpg") for word, name in notable(job).items()]


# ------------------------------------------------------------------------------------ frames and boxes


def find_sequence(job: Job, name: str) -> Sequence:
    """Returns the sequence ``name`` of the data set of ``job``. Raises DataError, which lists the existing names."""
    from harness.core.config import build

    section = job.results.config.get("dataset")
    if not isinstance(section, Mapping) or "target" not in section:
        raise DataError(f"{job.folder}: the run's configuration names no data set, so there are no frames to draw on.")
    if name not in job.results.sequences:
        names = ", ".join(sorted(job.results.sequences)[:8]) or "none"
        raise DataError(f"{name!r} is not among the sequences that {job.shown or job.folder} tracked; some are: {names}.")
    narrowed = dict(section)
    if "sequences" in narrowed:  # other sequences need not be read or exist
        narrowed |= {"sequences": [name], **({"limit": None} if "limit" in narrowed else {})}
    dataset = build(narrowed, Dataset, "dataset")  # type: ignore[type-abstract]
    for sequence in dataset if name in dataset.used_names() else ():  # reading may draw a whole data set
        if sequence.name == name and sequence.frames:
            return sequence
    raise DataError(f"{name} has no images in the data set {dataset.name}, so there is nothing to draw on.")


def _layers(jobs: list[Job], source: Sequence) -> list[Layer]:
    """Returns a layer per run, each narrower than the one below, so that equal boxes show as stripes.

    Truth is on top.
    """
    layers = []
    look = styles(jobs)
    for place, job in enumerate(jobs):
        red, green, blue = (round(255 * part) for part in look[job.folder].color)
        thickness = 2 if len(jobs) == 1 else min(7, 1 + 2 * (len(jobs) - 1 - place))
        layers.append(Layer(job.shown, (blue, green, red), _boxes(job, source), thickness, _confidence(job, source)))
    if source.truth is not None:
        layers.append(Layer("truth", TRUTH_COLOR, np.asarray(source.truth, float), 1))
    return layers


def _rows(job: Job, source: Sequence) -> pd.DataFrame | None:
    rows = job.tracked
    if rows is None:
        return None
    own: pd.DataFrame = rows[(rows["sequence"] == source.name) & (rows["repetition"] == rows["repetition"].min())]
    return own.sort_values("frame")


def _confidence(job: Job, source: Sequence) -> npt.NDArray[np.float64] | None:
    """Returns the tracker's confidence of each frame, drawn beside the run's name; None if it has none."""
    rows = _rows(job, source)
    return rows["confidence"].to_numpy(float) if rows is not None and "confidence" in rows else None


def _boxes(job: Job, source: Sequence) -> Boxes:
    rows = _rows(job, source)
    if rows is None or rows.empty:
        raise ConfigError(f"{job.shown} has no boxes of {source.name}; choose a sequence that it tracked.")
    boxes: Boxes = rows.sort_values("frame")[["x", "y", "w", "h"]].to_numpy(float)
    if len(boxes) > len(source.frames):
        raise DataError(f"{job.shown} has {len(boxes)} boxes of {source.name}, the data set {len(source.frames)} frames.")
    return boxes


def _pictures(source: Sequence, layers: list[Layer], frames: list[int], width: int) -> Iterator[Image]:
    """Yields the frames with everything drawn, all of one even size ``width`` x height."""
    height = 0
    for index in frames:
        image = read_image(Path(source.frames[index]), "bgr")
        scale = width / image.shape[1]
        height = height or 2 * round(image.shape[0] * scale / 2)
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        canvas = cv2.resize(image, (width, height), interpolation=method)
        yield draw(canvas, source, layers, index, scale)  # type: ignore[arg-type]


def draw(canvas: Image, source: Sequence, layers: list[Layer], index: int, scale: float) -> Image:
    """Draws the boxes of frame ``index``, a legend with each run's overlap, and the frame's number."""
    legend: list[tuple[str, Color | None]] = []
    truth = source.truth[index] if source.truth is not None else None
    for layer in layers:
        if index >= len(layer.boxes) or not np.isfinite(layer.boxes[index]).all():
            continue
        box = layer.boxes[index]
        x, y, w, h = (round(float(np.clip(value * scale, -1e5, 1e5))) for value in box)
        cv2.rectangle(canvas, (x, y), (x + w, y + h), layer.color, layer.thickness, cv2.LINE_AA)
        text = layer.name
        if layer.confidence is not None and np.isfinite(layer.confidence[index]):
            text += f"  {layer.confidence[index]:.2f}"
        if truth is not None and layer.name != "truth":
            text += f"  IoU {iou(box[None], truth[None], source.size)[0]:.2f}"
        legend.append((text, layer.color))
    _write(canvas, [(f"{source.name}  {index}/{len(source.frames) - 1}", None), *legend])
    return canvas


def _write(canvas: Image, lines: list[tuple[str, Color | None]]) -> None:
    """Writes lines of text at the top left on a dark background, each after a patch of its colour."""
    size, step, indent = 0.45, 18, 24
    widest = max(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0] for text, _ in lines)
    region = canvas[: 8 + step * len(lines), : widest + indent + 8]
    region[:] = (region * 0.35).astype(np.uint8)
    for row, (text, color) in enumerate(lines):
        x, y = (8 if color is None else indent), 18 + step * row
        if color is not None:
            cv2.rectangle(canvas, (8, y - 9), (17, y), color, cv2.FILLED)
        # The font has only ASCII characters.
        plain = text.encode("ascii", "replace").decode()
        cv2.putText(canvas, plain, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1, cv2.LINE_AA)


# --------------------------------------------------------------------------------------------- files


def write_sheet(source: Sequence, layers: list[Layer], path: Path, count: int = SHEET_FRAMES) -> Path:
    """Writes a contact sheet: ``count`` frames at even distances over the sequence, including first and last.

    The suffix of ``path`` chooses between PNG and JPEG.
    """
    last = min(len(source.frames), max(len(layer.boxes) for layer in layers)) - 1
    frames = sorted({round(index) for index in np.linspace(0, last, min(count, last + 1))})
    tiles = list(_pictures(source, layers, frames, TILE))
    blank = np.full_like(tiles[0], 32)
    tiles += [blank] * (-len(tiles) % min(SHEET_COLUMNS, len(tiles)))
    columns = min(SHEET_COLUMNS, len(tiles))
    rows = [np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    done, data = cv2.imencode(path.suffix, np.vstack(rows), list(PACKED[path.suffix]))
    if not done:
        raise StoreError(f"{path} could not be encoded as {path.suffix[1:].upper()}.")
    return write_bytes(path, data.tobytes())


def write_film(source: Sequence, layers: list[Layer], path: Path, fps: float = FPS) -> Path:
    """Writes an MP4 of all frames: H.264 if ffmpeg is available (browsers play it), else MPEG-4 part 2 by OpenCV."""
    count = min(len(source.frames), max(len(layer.boxes) for layer in layers))
    width = read_image(Path(source.frames[0]), "bgr").shape[1]
    width = 2 * (min(max(width, SMALLEST), LARGEST) // 2)
    temporary = temporary_beside(path, ".mp4")
    try:
        if not _by_ffmpeg(_pictures(source, layers, list(range(count)), width), temporary, fps):
            _by_opencv(_pictures(source, layers, list(range(count)), width), temporary, fps)
        temporary.chmod(file_mode())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _by_ffmpeg(pictures: Iterator[Image], path: Path, fps: float) -> bool:
    """Pipes raw frames to ffmpeg; False if there is none or it has no H.264 encoder."""
    program = shutil.which("ffmpeg")
    if program is None:
        return False
    first = next(pictures)
    height, width = first.shape[:2]
    words = [program, "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{width}x{height}"]
    words += ["-r", str(fps), "-i", "-", "-an", "-c:v", "libx264", "-preset", "veryfast", "-crf", "22"]
    words += ["-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4", str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        assert child.stdin is not None
        try:
            child.stdin.write(first.tobytes())
            for picture in pictures:
                child.stdin.write(picture.tobytes())
            child.stdin.close()
        except BrokenPipeError:  # it ended early: its exit status is checked below
            pass
    return child.returncode == 0 and path.stat().st_size > 0


def _by_opencv(pictures: Iterator[Image], path: Path, fps: float) -> None:
    writer: Any = None
    try:
        for picture in pictures:
            if writer is None:
                size = (picture.shape[1], picture.shape[0])
                writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, size)
                if not writer.isOpened():
                    raise StoreError(f"{path}: OpenCV has no MP4 encoder here; install ffmpeg.")
            writer.write(picture)
    finally:
        if writer is not None:
            writer.release()


def _safe(name: str) -> str:
    """Returns a file's stem for a sequence's name: it cannot leave the folder, and differs for every name."""
    plain = as_portable(name, "sequence")
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
