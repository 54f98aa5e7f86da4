"""Results per sequence, written when each ends, so that a run that was killed continues where it stopped.

A sequence is complete if ``sequences/<name>.json`` exists with the key of the present settings, and the track files
still have the recorded digests. Otherwise it is tracked again.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import DataError
from harness.core.files import plain, read_json, write_json
from harness.core.interfaces import Sequence, Track
from harness.core.results import boxes_text, read_numbers, shipped, track_paths, write_tracks


@dataclass(frozen=True)
class Done:
    """A finished sequence: its repetitions, its wall clock seconds, and whether others ran at the same time."""

    tracks: list[Track]
    wall: float
    contended: bool


@dataclass(frozen=True)
class SequenceStore:
    """The finished sequences of one job. ``identity`` is everything that a track depends on, except the sequence."""

    folder: Path
    identity: Mapping[str, Any]

    def key(self, sequence: Sequence) -> str:
        """Returns SHA-256 of everything that this sequence's track depends on."""
        digest = hashlib.sha256(repr(sorted(plain(self.identity).items())).encode())
        digest.update(repr((sequence.name, len(sequence), sequence.size, sequence.init_box.tolist())).encode())
        if sequence.truth is not None:
            digest.update(sequence.truth.tobytes())
        for frame in sequence.frames:
            digest.update(f"{frame.name}:{frame.stat().st_size};".encode())
        return digest.hexdigest()

    def save(self, sequence: Sequence, done: Done) -> None:
        """Writes the track files, then the record that makes them valid."""
        shutil.rmtree(self.folder / "tracks" / sequence.name, ignore_errors=True)  # may have more repetitions
        write_tracks(self.folder / "tracks", done.tracks)
        write_json(
            self._record(sequence.name),
            {
                "key": self.key(sequence),
                "wall": done.wall,
                "contended": done.contended,
                "repetitions": len(done.tracks),
                "digests": [_digest(boxes_text(track.boxes)) for track in done.tracks],
                "seconds": [track.seconds for track in done.tracks],
                "stages": [dict(track.stages) for track in done.tracks],
                "confidence": [track.confidence for track in done.tracks],
            },
        )

    def load(self, sequence: Sequence) -> Done | None:
        """Returns the finished sequence if it is complete and up to date, else None."""
        try:
            record = read_json(self._record(sequence.name))
            if record["key"] != self.key(sequence):
                return None
            tracks = [self._read(sequence, record, index) for index in range(record["repetitions"])]
            return Done(tracks, float(record["wall"]), bool(record["contended"]))
        except (DataError, KeyError, IndexError, TypeError, ValueError, AttributeError):
            return None

    def keep_only(self, sequences: Iterable[Sequence]) -> None:
        """Removes the tracks of sequences that are not among ``sequences``, left by an earlier run with other data."""
        names = {sequence.name for sequence in sequences}
        for path in (*(self.folder / "tracks").glob("*"), *(self.folder / "sequences").glob("*.json")):
            if (path.name if path.is_dir() else path.stem) not in names:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _read(self, sequence: Sequence, record: Mapping[str, Any], index: int) -> Track:
        box_file, time_file = track_paths(self.folder / "tracks", sequence.name, index + 1)
        boxes = read_numbers(box_file)
        times = read_numbers(time_file)
        if boxes.shape != (len(sequence), 4) or times.shape != (len(sequence), record["repetitions"]):
            raise DataError(f"{box_file} is incomplete.")
        if _digest(boxes_text(boxes)) != record["digests"][index]:
            raise DataError(f"{box_file} was changed.")
        stages = {name: np.array(values, float) for name, values in record["stages"][index].items()}
        told = (record.get("confidence") or [None] * record["repetitions"])[index]
        confidence = None if told is None else np.array(told, float)
        return Track(sequence.name, boxes, np.array(record["seconds"][index], float), stages, index + 1, confidence)

    def _record(self, name: str) -> Path:
        return self.folder / "sequences" / f"{name}.json"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def as_shipped(track: Track) -> Track:
    """Returns the track with its boxes as a reader of the box file gets them."""
    return replace(track, boxes=shipped(track.boxes))
