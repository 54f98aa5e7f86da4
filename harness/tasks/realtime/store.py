"""Runs per rate and sequence on disk, with which an interrupted job continues and which a later job's clock may use."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import ConfigError, DataError
from harness.core.files import plain, read_json, write_bytes, write_json
from harness.core.interfaces import Sequence
from harness.core.results import FRAMES_FILE, read_frames
from harness.tasks.realtime.live import Live
from harness.tasks.realtime.schedule import Schedule, Step, exact

if TYPE_CHECKING:
    import pandas as pd

RECORDS = "sequences"
TABLE = "realtime.parquet"
"""The file with every frame of every run; ``table`` describes it."""


def rate_name(fps: float) -> str:
    """Returns a rate as it is written in names of metrics and folders: 30, 29.97."""
    return f"{fps:g}"


@dataclass(frozen=True)
class LiveStore:
    """``sequences/<fps>/<sequence>.json`` in the job's folder.

    ``identity`` is everything that a run depends on except sequence and rate; a record with another key is not used.
    """

    folder: Path
    identity: Mapping[str, Any]

    def path(self, fps: float, sequence: str) -> Path:
        """Returns the path of one run's record."""
        return self.folder / RECORDS / rate_name(fps) / f"{sequence}.json"

    def save(self, fps: float, sequence: Sequence, live: Live) -> None:
        """Writes the record of a run."""
        schedule = live.schedule
        write_json(
            self.path(fps, sequence.name),
            {
                "key": self.key(fps, sequence),
                "frames": len(schedule.source),
                "processed": schedule.processed,
                "taken": [_text(step.taken) for step in schedule.steps],
                "finished": [_text(step.finished) for step in schedule.steps],
                "source": schedule.source,
                "boxes": live.boxes,
                "seconds": live.seconds,
                "decode": live.decode,
            },
        )

    def load(self, fps: float, sequence: Sequence) -> Live | None:
        """Returns the run if it is complete and has the same key, else None."""
        try:
            record = read_json(self.path(fps, sequence.name))
            if record["key"] != self.key(fps, sequence):
                return None
            return _live(record, exact(fps))
        except (DataError, KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError):
            return None

    def key(self, fps: float, sequence: Sequence) -> str:
        """Returns SHA-256 of everything that this run depends on."""
        digest = hashlib.sha256(repr(sorted(plain(self.identity).items())).encode())
        digest.update(repr((fps, sequence.name, len(sequence), sequence.size, sequence.init_box.tolist())).encode())
        if sequence.truth is not None:
            digest.update(sequence.truth.tobytes())
        for frame in sequence.frames:
            digest.update(f"{frame.name}:{frame.stat().st_size};".encode())
        return digest.hexdigest()


def _text(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"


def _live(record: Mapping[str, Any], fps: Fraction) -> Live:
    times = zip(record["processed"], record["taken"], record["finished"], strict=True)
    steps = tuple(Step(int(frame), Fraction(taken), Fraction(finished)) for frame, taken, finished in times)
    boxes = np.array(record["boxes"], float)
    if boxes.shape != (len(steps), 4) or len(record["source"]) != record["frames"]:
        raise ValueError("incomplete")
    schedule = Schedule(fps, steps, tuple(int(frame) for frame in record["source"]))
    return Live(schedule, boxes, list(record["seconds"]), list(record["decode"]))


def table(runs: Mapping[float, Mapping[str, Live]]) -> dict[str, list[Any]]:
    """A row per rate, sequence and frame.

    ``fps, sequence, frame``; ``processed``; ``taken, finished, seconds, decode`` (seconds, NaN if the tracker did not
    see the frame; the first two on the simulated clock, from the arrival of frame 0); ``source`` (the frame whose
    result is scored for this one) and ``x, y, w, h`` (that result).
    """
    columns: dict[str, list[Any]] = {}
    for fps, lives in runs.items():
        for name, live in lives.items():
            schedule, boxes = live.schedule, live.scored(name).boxes
            seen = {
                step.frame: (float(step.taken), float(step.finished), *own)
                for step, *own in zip(schedule.steps, live.seconds, live.decode, strict=True)
            }
            for frame, source in enumerate(schedule.source):
                row = {"fps": float(fps), "sequence": name, "frame": frame, "processed": frame in seen, "source": source}
                row |= zip(("taken", "finished", "seconds", "decode"), seen.get(frame, (float("nan"),) * 4), strict=True)
                row |= zip("xywh", map(float, boxes[frame]), strict=True)
                for key, value in row.items():
                    columns.setdefault(key, []).append(value)
    return columns


def write_table(folder: Path, columns: Mapping[str, Any]) -> Path:
    """Writes ``realtime.parquet``, without pandas, whose import costs the measuring process half a second."""
    import pyarrow
    from pyarrow import parquet

    buffer = BytesIO()
    parquet.write_table(pyarrow.table(dict(columns)), buffer)
    return write_bytes(folder / TABLE, buffer.getvalue())


Times = dict[str, dict[int, float]]
"""Seconds by sequence and frame."""


@dataclass
class Recorded:
    """Uses the durations of an earlier job.

    Args:
        folder: The earlier job's folder: of task=evaluate, whose frames.parquet has every frame, or of task=realtime, whose
            realtime.parquet has the frames that its tracker saw at the same rate.
        count_decoding: Whether decoding is part of a duration.
        fps: The rate.
    """

    folder: Path
    count_decoding: bool
    fps: float
    _known: Times | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not any((self.folder / name).is_file() for name in (FRAMES_FILE, TABLE)):
            raise ConfigError(
                f"task.recording: {self.folder} holds neither {FRAMES_FILE} nor {TABLE}; give the folder of a finished job of "
                "task=evaluate or task=realtime."
            )

    def __call__(self, sequence: str, frame: int, measured: float) -> Fraction:
        del measured
        if self._known is None:
            self._known = self._of_evaluate() if (self.folder / FRAMES_FILE).is_file() else self._of_realtime()
        seconds = self._known.get(sequence, {}).get(frame)
        if seconds is None:
            raise DataError(
                f"task.recording: {self.folder} has no duration of frame {frame} of {sequence} (at {rate_name(self.fps)} fps); "
                "the clock needs one of every frame that it lets the tracker see. A job of task=evaluate has all frames."
            )
        return exact(seconds)

    def _of_evaluate(self) -> Times:
        frames = read_frames(self.folder)
        if "contended" in frames and frames["contended"].any():
            raise DataError(
                f"task.recording: {self.folder} was measured with several sequences in flight, so its times are not latencies; "
                "record with task.mode=serial."
            )
        first = (frames["repetition"] == frames["repetition"].min()) & (frames["round"] == frames["round"].min())
        return self._times(frames[first])

    def _of_realtime(self) -> Times:
        import pandas as pd

        path = self.folder / TABLE
        try:
            frames = pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read ({error}).") from error
        own = frames[(frames["fps"] == self.fps) & frames["processed"]]
        if not len(own):
            rates = ", ".join(rate_name(rate) for rate in sorted(frames["fps"].unique()))
            raise DataError(f"task.recording: {self.folder} has no frames at {rate_name(self.fps)} fps; it has {rates}.")
        return self._times(own)

    def _times(self, frames: pd.DataFrame) -> Times:
        seconds = frames["seconds"] + (frames["decode"] if self.count_decoding else 0.0)
        found: Times = {}
        for name, frame, value in zip(frames["sequence"], frames["frame"], seconds, strict=True):
            found.setdefault(str(name), {})[int(frame)] = float(value)
        return found
