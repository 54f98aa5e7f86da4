"""Aligns result files of other tools with a data set: names of sequences, coordinates, lengths."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from harness.core.errors import DataError
from harness.core.interfaces import Sequence, Track
from harness.core.words import listed
from harness.datasets.layouts.benchmark import BenchmarkDataset
from harness.datasets.layouts.got10k import frame_count
from harness.publish.submission.formats import ResultFolder


@dataclass
class Aligned:
    """Tracks that fit the sequences they are scored against, and the changes made for that."""

    tracks: list[Track]
    sequences: list[Sequence]
    notes: list[str] = field(default_factory=list)


def align(
    results: ResultFolder, sequences: Iterable[Sequence], benchmark: BenchmarkDataset | None, own: bool
) -> Aligned:
    """Returns the tracks of ``results`` for ``sequences``. ``own``: a job of this harness made them, counting from 0.

    Raises DataError if sequences are missing or lengths differ.
    """
    sequences = list(sequences)
    names = _names(results, sequences, benchmark)
    found = Aligned([], [])
    shift = 0 if benchmark is None or own else benchmark.first_pixel
    cut: list[str] = []
    for sequence in sequences:
        tracks = [_moved(track, sequence.name, shift) for track in results.tracks([names[sequence.name]])]
        fitted, tracks = _fitted(results, sequence, tracks, benchmark)
        if frame_count(fitted) != frame_count(sequence):
            cut.append(sequence.name)
        found.sequences.append(fitted)
        found.tracks += tracks
    if cut:
        found.notes.append(
            f"{listed(cut)}: the results and the annotation differ in length; as in the benchmark's own code the annotation's lines "
            "are compared from the first on, as many as there are results."
        )
    return found


def _names(results: ResultFolder, sequences: list[Sequence], benchmark: BenchmarkDataset | None) -> dict[str, str]:
    """Returns the results' name of each sequence. Raises DataError for missing and duplicate sequences."""
    found: dict[str, str] = {}
    for name in results.sequences:
        known = name if benchmark is None else benchmark.resolve(name)
        if known is None:
            continue
        if known in found:
            raise DataError(f"{results.path} holds {found[known]} and {name}, which are both {known}; remove one.")
        found[known] = name
    missing = [sequence.name for sequence in sequences if sequence.name not in found]
    if missing:
        where = "" if benchmark is None else f" of {benchmark.title} {benchmark.split}".rstrip()
        raise DataError(
            f"{results.path} lacks {len(missing)} of {len(sequences)} sequences{where} ({', '.join(missing[:3])}"
            f"{', ...' if len(missing) > 3 else ''}); complete it, or name those to score by --sequences."
        )
    return found


def _moved(track: Track, name: str, shift: int) -> Track:
    """Returns a track under the data set's name, counting from 0."""
    if not shift:
        return track if track.sequence == name else replace(track, sequence=name)
    boxes = np.array(track.boxes, float)
    boxes[:, :2] -= shift
    return replace(track, sequence=name, boxes=boxes)


def _fitted(
    results: ResultFolder, sequence: Sequence, tracks: list[Track], benchmark: BenchmarkDataset | None
) -> tuple[Sequence, list[Track]]:
    """Returns the sequence and its tracks with equal lengths.

    Raises DataError if no rule of the benchmark allows it.
    """
    frames = frame_count(sequence)
    lengths = {len(track.boxes) for track in tracks}
    if not frames or lengths == {frames}:
        return sequence, tracks
    count = min(lengths)
    if benchmark is not None and len(lengths) == 1:
        if results.layout == "otb" and count < frames and sequence.truth is not None:
            return benchmark.shortened(sequence, count), tracks
        other = benchmark.with_all_frames(sequence.name)
        if other is not None and frame_count(other) == count:
            return other, tracks
        if benchmark.cuts_results and count > frames:
            return sequence, [replace(track, boxes=track.boxes[:frames], seconds=track.seconds[:frames]) for track in tracks]
    raise DataError(
        f"{results.path}: {sequence.name} has {count} boxes for {frames} frames (those of the data set; without one, those of the first "
        "folder); complete the results, or name the sequences to score by --sequences."
    )
