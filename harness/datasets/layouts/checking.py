"""Checks a folder in the GOT-10k layout completely and reports all faults, not only the first."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from harness.core.errors import DataError
from harness.core.interfaces import Boxes, Checked, Sequence
from harness.core.words import listed as in_words
from harness.datasets.layouts.got10k import (
    LABELS,
    LIST_FILE,
    META_FILE,
    TRUTH_FILE,
    TruthKind,
    list_frames,
    names_of,
    read_labels,
    read_meta,
    read_sequence,
    read_truth,
    resolution,
    without_area,
)
from harness.datasets.layouts.places import is_folder
from harness.datasets.layouts.sizes import image_size
from harness.imaging.decoding import read_image

T = TypeVar("T")

LABEL_RANGE = {"absence": 1, "cover": 8, "cut_by_image": 1}
"""Largest value of each label; all start at 0 (cover counts visible eighths)."""


def check_split(
    folder: Path,
    *,
    names: list[str] | None = None,
    frames: dict[str, int] | None = None,
    decode: bool = True,
    truth: TruthKind = "every",
    workers: int = 1,
    on_sequence: Callable[[str], None] = lambda name: None,
) -> Checked:
    """Checks the sequences that a job would track: those in ``list.txt``; without this file, all that have a truth.

    ``names`` and ``frames`` are the known sequences and frame counts of the split, if there are any. With
    ``decode`` every image is decoded, by ``workers`` threads. Raises DataError if there is no sequence.
    """
    path = folder / LIST_FILE
    listed = names_of(folder)
    if not listed:
        raise DataError(f"{folder} holds neither {LIST_FILE} nor sequences (folders with a {TRUTH_FILE}).")
    found = Checked()
    found.faults += _against_known(path, listed, names)
    there = {entry.name for entry in os.scandir(folder) if is_folder(entry)}
    if not path.is_file():
        found.notes.append(f"{path} does not exist: the folders with a {TRUTH_FILE} are taken, in the order of their names.")
    unlisted = sorted(there - set(listed))
    if unlisted:
        what = f"{path} does not name" if path.is_file() else f"{TRUTH_FILE} is missing in"
        found.notes.append(f"{what} {len(unlisted)} folders that are there ({in_words(unlisted)}).")
    with ThreadPoolExecutor(workers) as pool:
        for name in listed:
            on_sequence(name)
            _check_sequence(folder / name, found, (frames or {}).get(name), decode, truth, pool)
    return found


def _against_known(path: Path, listed: list[str], known: list[str] | None) -> Iterator[str]:
    if known is None:
        return
    missing, extra = [name for name in known if name not in listed], [name for name in listed if name not in known]
    if missing:
        yield f"{path} lacks {len(missing)} of the split's {len(known)} sequences ({', '.join(missing[:3])}, ...)."
    if extra:
        yield f"{path} names {len(extra)} sequences that the split does not have ({', '.join(extra[:3])}, ...)."


def _check_sequence(
    folder: Path, found: Checked, expected: int | None, decode: bool, truth: TruthKind, pool: ThreadPoolExecutor
) -> None:
    """Checks one sequence's folder, every part separately, so that one fault does not hide another."""
    if not folder.is_dir():
        found.faults.append(f"{folder} does not exist; restore the sequence from the data set.")
        return
    images = _try(found, lambda: list_frames(folder)) or ()
    if not images:
        found.faults.append(f"{folder} holds no frames that can be counted.")
    elif expected is not None and len(images) != expected:
        found.faults.append(f"{folder} holds {len(images)} frames, GOT-10k has {expected}.")
    found.sequences += 1
    found.frames += len(images)
    boxes = _try(found, lambda: read_truth(folder, len(images) or None, truth))
    if truth == "every" or (folder / f"{LABELS[0]}.label").is_file():
        _check_labels(folder, len(images), found)
    meta = _try(found, lambda: read_meta(folder))
    size = _try(found, lambda: resolution(folder, meta or {}))
    if truth == "every" and not (folder / META_FILE).is_file():
        found.notes.append(f"{folder / META_FILE} is missing; the size of the first image is used instead.")
    _check_as_a_job_does(folder, truth, found)
    if boxes is not None:
        _check_boxes(folder, boxes, size or _try(found, lambda: image_size(images[0]) if images else None), found)
    if decode:
        check_images(images, size, found, pool)


def _check_as_a_job_does(folder: Path, truth: TruthKind, found: Checked) -> None:
    """Reads the sequence like a job; anything that a job would refuse is a fault, unless it has been reported."""
    try:
        read_sequence(folder, truth=truth)
    except DataError as error:
        if not any(fault.startswith(str(folder)) for fault in found.faults):
            found.faults.append(str(error))


def _check_boxes(folder: Path, boxes: Boxes, size: tuple[int, int] | None, found: Checked) -> None:
    """Reports what a job would refuse (a first box outside the image) or count in an unexpected way."""
    fault = Sequence(folder.name, (), boxes[0], size).first_box_fault()
    if fault:  # if only the first box is given, a job leaves it to the tracker
        told = found.faults if len(boxes) > 1 else found.notes
        told.append(f"{folder / TRUTH_FILE}, line 1: {fault.partition(': ')[2]}.")
    empty = without_area(boxes)
    if len(empty):
        found.notes.append(
            f"{folder / TRUTH_FILE}: {len(empty)} boxes have no area (the first on line {empty[0] + 1}); they count as frames "
            "where every tracker fails. Write nan,nan,nan,nan if the target is absent."
        )
    unknown = np.flatnonzero(np.isnan(boxes).any(axis=1))
    if len(unknown):
        found.notes.append(
            f"{folder / TRUTH_FILE}: {len(unknown)} lines are nan (the first is line {unknown[0] + 1}): the target is taken as "
            "absent there, and these frames are not scored."
        )


def _check_labels(folder: Path, frames: int, found: Checked) -> None:
    labels = _try(found, lambda: read_labels(folder, frames)) if frames else None
    if labels is None:
        return
    for name, most in LABEL_RANGE.items():
        if name not in labels:
            found.notes.append(f"{folder / name}.label is missing.")
        elif not np.isin(labels[name], np.arange(most + 1)).all():
            line = int(np.argmin(np.isin(labels[name], np.arange(most + 1)))) + 1
            found.faults.append(f"{folder / name}.label, line {line}: values are whole numbers from 0 to {most}.")


def check_images(
    images: tuple[Path, ...], size: tuple[int, int] | None, found: Checked, pool: ThreadPoolExecutor
) -> None:
    """Decodes every image and compares its size with the resolution, or with the first image's."""
    for path, outcome in zip(images, pool.map(_decoded_size, images), strict=True):
        if isinstance(outcome, str):
            found.faults.append(outcome)
            continue
        size = size or outcome
        if outcome != size:
            found.faults.append(f"{path} is {outcome[0]}x{outcome[1]}, the sequence's resolution is {size[0]}x{size[1]}.")


def _decoded_size(path: Path) -> tuple[int, int] | str:
    try:
        height, width = read_image(path, "bgr").shape[:2]
    except DataError as error:
        return str(error)
    return width, height


def _try(found: Checked, read: Callable[[], T]) -> T | None:
    """Returns the result of ``read``; records a fault and returns None for it."""
    try:
        return read()
    except DataError as error:
        found.faults.append(str(error))
        return None
