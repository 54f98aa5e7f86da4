"""The files of a job: results.json, track files in GOT-10k's layout, frames.parquet; all written atomically."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from harness.core.catalog import GROUP_NAMES
from harness.core.errors import DataError, StoreError, in_words
from harness.core.files import open_regular, put_in_place, read_json, read_record, read_regular, write_json, write_text
from harness.core.interfaces import Array, Boxes, Track
from harness.core.schema import checked
from harness.core.words import shown

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
RESULTS_FILE = "results.json"
SWEEP_FILE = "sweep.json"
TURNS_FILE = "turns.json"
VERDICT_FILE = "verdict.json"
"""Results of a comparison for a job (and, in a sweep's folder, which job leads); known when the report is made."""
FRAMES_FILE = "frames.parquet"
STAGES = ("decode", "preprocess", "inference", "postprocess")
"""The parts of a frame's time, in order; columns of frames.parquet."""
OWN_STAGE = "tracker"
"""The only stage, apart from decoding, of a native tracker that times itself; an additional column in that case."""


# ------------------------------------------------------------------------------------- results.json


POSITIVE = ("fps", "fps_got10k", "pipeline_fps", "benchmark_app/throughput_fps")

def _checked(raw: dict[str, Any], path: Path) -> dict[str, Any]:
    """Returns the values of a results.json with their types checked.

    Raises DataError with the path of the wrong key.
    """
    found = checked("results", raw, path)
    for group in GROUP_NAMES:
        if not isinstance(given := found["config"].get(group), (dict, str, type(None))):
            raise DataError(f"{path}: config.{group} is {given!r:.80}; a choice's name or its settings are expected; restore the file.")
    return found


def read_sweep(folder: Path) -> dict[str, Any]:
    """Reads a sweep's ``sweep.json`` and checks its types. Raises DataError if it is missing or damaged."""
    path = folder / SWEEP_FILE
    found = checked("sweep", read_record(path), path)
    return {key: value for key, value in found.items() if value is not None}


@dataclass
class Results:
    """A job's results.json (docs/architecture.md lists the keys). ``status`` is ok, failed or skipped."""

    id: str
    name: str
    status: str
    config: dict[str, Any]
    schema: int = SCHEMA
    error: dict[str, Any] | None = None
    overrides: list[str] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    sequences: dict[str, dict[str, float]] = field(default_factory=dict)
    dataset: dict[str, Any] = field(default_factory=dict)
    scoring: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    effective: dict[str, str] = field(default_factory=dict)
    artifact: dict[str, Any] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    started: str = ""
    ended: str = ""

    def save(self, folder: Path) -> Path:
        """Writes ``folder/results.json`` atomically."""
        return write_json(folder / RESULTS_FILE, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Results:
        """Reads ``folder/results.json``. Raises DataError if it is missing, damaged or of a newer schema."""
        path = folder / RESULTS_FILE
        raw = read_json(path)
        if not isinstance(raw, dict) or not isinstance(raw.get("id"), str):
            raise DataError(f"{folder / RESULTS_FILE} is not a results file of this harness; give the folder of a job.")
        if raw.get("schema") != SCHEMA:
            raise DataError(
                f"{folder / RESULTS_FILE} has schema {shown(raw.get('schema'))}, this version reads {SCHEMA}; "
                "use the version of the harness that wrote it."
            )
        known = {item.name for item in fields(cls)}
        missing = {"id", "name", "status", "config"} - raw.keys()
        if missing:
            raise DataError(f"{folder / RESULTS_FILE} lacks {', '.join(sorted(missing))}; restore the file, or run the job again.")
        found = cls(**_checked({key: value for key, value in raw.items() if key in known}, path))
        found.metrics = {key: value for key, value in found.metrics.items() if value is not None}  # what was not finite
        for name in POSITIVE:
            if name in found.metrics and not found.metrics[name] > 0:
                raise DataError(f"{path}: metrics.{name} is {found.metrics[name]}; a speed is above 0; restore the file.")
        return found

    def choice(self, group: str) -> str:
        """The name chosen in a config group: ``choice("backend")`` is ``"onnx"``. Empty if absent."""
        value = self.config.get(group)
        return str(value.get("name", "")) if isinstance(value, Mapping) else str(value or "")


# -------------------------------------------------------------------------------------- track files


def boxes_text(boxes: Boxes) -> str:
    """Returns GOT-10k's box file: a line per frame, ``x,y,w,h`` with three decimals."""
    return "".join(",".join(f"{value:.3f}" for value in box) + "\n" for box in np.asarray(boxes, float))


def shipped(boxes: Boxes) -> Boxes:
    """Returns the boxes as a reader of the box file gets them: the boxes scored are those that would be uploaded."""
    return np.array([[float(f"{value:.3f}") for value in box] for box in np.asarray(boxes, float)]).reshape(-1, 4)


def times_text(seconds: Iterable[npt.NDArray[np.float64]]) -> str:
    """Returns GOT-10k's time file: a line per frame, a column per repetition, seconds with eight decimals."""
    columns = [np.asarray(column, float) for column in seconds]
    return "".join(",".join(f"{value:.8f}" for value in row) + "\n" for row in zip(*columns, strict=True))


def track_paths(folder: Path, sequence: str, repetition: int = 1) -> tuple[Path, Path]:
    """(box file, time file) of a sequence in GOT-10k's layout under ``folder``."""
    base = folder / sequence
    return base / f"{sequence}_{repetition:03d}.txt", base / f"{sequence}_time.txt"


def confidence_path(boxes: Path) -> Path:
    """The file of confidences beside a box file: ``NAME_001_confidence.value``, as in VOT's long-term format."""
    return boxes.with_name(f"{boxes.stem}_confidence.value")


def values_text(values: npt.NDArray[np.float64]) -> str:
    """Returns one number per line; ``nan`` for a missing number."""
    return "".join(f"{value:.8g}\n" for value in np.asarray(values, float))


def write_tracks(folder: Path, tracks: list[Track]) -> None:
    """Writes all repetitions of one sequence: a box file for each, and one time file with a column for each."""
    ordered = sorted(tracks, key=lambda track: track.repetition)
    for track in ordered:
        path = write_text(track_paths(folder, track.sequence, track.repetition)[0], boxes_text(track.boxes))
        if track.confidence is not None:
            write_text(confidence_path(path), values_text(track.confidence))
    write_text(track_paths(folder, ordered[0].sequence)[1], times_text(track.seconds for track in ordered))


def read_numbers(path: Path) -> npt.NDArray[np.float64]:
    """Reads a text file of numbers ``[lines, columns]``, separated by commas, tabs or spaces.

    Raises DataError with the line.
    """
    try:
        lines = read_regular(path).decode("utf-8-sig").split("\n")  # editors on Windows write a byte order mark
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text (byte {error.start}); numbers are expected; restore the file.") from error
    while lines and not lines[-1].strip():
        lines.pop()
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append([float(word) for word in line.replace(",", " ").split()])
        except ValueError as error:
            raise DataError(f"{path}, line {number}: {line.strip()[:40]!r} was found but numbers are expected; restore the file.") from error
        if len(rows[-1]) != len(rows[0]) or not rows[-1]:
            raise DataError(f"{path}, line {number}: {len(rows[-1])} numbers where line 1 has {len(rows[0])}; restore the file.")
    return np.array(rows, float)


# ----------------------------------------------------------------------------------- frames.parquet


def write_frames(folder: Path, frames: pd.DataFrame | Mapping[str, Array]) -> Path:
    """Writes ``folder/frames.parquet`` atomically (columns: docs/architecture.md).

    A mapping of columns is written without pandas, whose import would cost the measuring process half a second.
    """
    path = folder / FRAMES_FILE
    temporary = folder / f".{FRAMES_FILE}.{os.getpid()}"
    try:
        if isinstance(frames, Mapping):
            _write_columns(temporary, frames)
        else:
            with temporary.open("wb") as file:
                frames.to_parquet(file, index=False)
        put_in_place(temporary, path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {in_words(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _write_columns(path: Path, columns: Mapping[str, Array]) -> None:
    import pyarrow
    from pyarrow import parquet

    with path.open("wb") as file:  # pyarrow takes no path that is not UTF-8
        parquet.write_table(pyarrow.table({name: _column(np.asarray(values)) for name, values in columns.items()}), file)


def _column(values: npt.NDArray[Any]) -> Any:
    """Makes a pyarrow column from its bytes: ``pyarrow.array`` would load pandas without using it."""
    import pyarrow

    if values.dtype.kind == "U":
        texts = [text.encode() for text in values.tolist()]
        ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
        return pyarrow.Array.from_buffers(pyarrow.string(), len(texts), [None, pyarrow.py_buffer(ends), pyarrow.py_buffer(b"".join(texts))])
    if values.dtype.kind == "b":
        return pyarrow.Array.from_buffers(pyarrow.bool_(), len(values), [None, pyarrow.py_buffer(np.packbits(values, bitorder="little"))])
    whole = np.ascontiguousarray(values)
    return pyarrow.Array.from_buffers(pyarrow.from_numpy_dtype(whole.dtype), len(whole), [None, pyarrow.py_buffer(whole)])


def read_frames(folder: Path) -> pd.DataFrame:
    """Reads ``folder/frames.parquet``. Raises DataError if it is missing or damaged."""
    import pandas as pd

    path = folder / FRAMES_FILE
    try:
        with open_regular(path) as file:
            frames = pd.read_parquet(file)
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; it holds the samples of each frame, so restore it, or run the job again.") from error
    except Exception as error:  # pyarrow's errors share no base class
        raise DataError(f"{path} cannot be read ({' '.join(str(error).split())[:200]}); restore it, or run the job again.") from error
    _check_frames(frames, path)
    return frames


TEXT_COLUMNS = ("sequence",)


def _check_frames(frames: pd.DataFrame, path: Path) -> None:
    """Raises DataError if a column is missing or holds what it cannot."""
    from pandas.api import types

    for column in ("sequence", "frame"):
        if column not in frames:
            raise DataError(f"{path} has no column {column!r}; it is not the frames of a job, so restore the file.")
    for column in map(str, frames.columns):
        text = column in TEXT_COLUMNS
        if not text and not (types.is_numeric_dtype(frames[column]) or types.is_bool_dtype(frames[column])):
            raise DataError(f"{path}: column {column!r} holds {frames[column].dtype}; numbers are expected; restore the file.")
        if text and not frames[column].map(lambda value: isinstance(value, str)).all():
            raise DataError(f"{path}: column {column!r} holds something that is not a name; restore the file.")
    if len(frames) and (frames["frame"].isna().any() or (frames["frame"] < 0).any()):
        raise DataError(f"{path}: column 'frame' holds a negative number or none; restore the file.")
