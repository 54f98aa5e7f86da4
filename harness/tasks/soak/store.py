"""The samples of a soak on disk, a line for each, so that an interrupted soak continues with the remaining seconds."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.core.errors import DataError
from harness.core.files import plain, read_record, write_json, write_text
from harness.tasks.soak.sampler import Keep, Sample

SAMPLES = "soak.csv"
RECORD = "soak.json"
"""The file with the samples' identity and the energy counters of each part.

Samples with another identity are not used.
"""
COLUMNS = tuple(item.name for item in fields(Sample))
WHOLE = ("frames", "thermal", "part")
OPTIONAL = ("fps", "mhz", "celsius", "thermal", "quota_s", "joules")
"""Columns that may be empty because the machine does not report the value."""


@dataclass(frozen=True)
class Gap:
    """An interruption: ``index`` is the first sample after it, ``second`` the seconds of tracking before it.

    ``away_s``: seconds from the last sample before it to the first update after it, by the time of day.
    """

    index: int
    second: float
    away_s: float

    @property
    def sentence(self) -> str:
        """Returns a sentence on the interruption for readers."""
        return (
            f"The soak was interrupted after {self.second:.0f} s of tracking and went on {self.away_s:.0f} s later, in a new process "
            "and on a machine that had rested: what comes after is not the continuation of one run."
        )


def gaps(samples: list[Sample]) -> list[Gap]:
    """The interruptions between ``samples``, in order."""
    return [
        Gap(index, old.seconds, max(0.0, new.clock - (new.seconds - old.seconds) - old.clock))
        for index, (old, new) in enumerate(pairwise(samples), 1)
        if new.part != old.part
    ]


@dataclass(frozen=True)
class SampleStore:
    """``soak.csv`` and ``soak.json`` in the job's folder. ``identity`` is everything that the samples depend on."""

    folder: Path
    identity: Mapping[str, Any]

    def load(self) -> list[Sample]:
        """Reads the samples of earlier starts of this soak; a line cut off when the process died is ignored."""
        try:
            record = read_record(self.folder / RECORD)
            if record["key"] != plain(self.identity):
                return []
            return read_samples(self.folder / SAMPLES)
        except (DataError, KeyError):
            return []

    def begin(self, samples: list[Sample], counters: list[str]) -> None:
        """Begins a part after ``samples`` of earlier parts; the files then hold only these and their identity."""
        known = self.counters() if samples else []
        write_text(self.folder / SAMPLES, as_csv(samples))
        write_json(self.folder / RECORD, {"key": self.identity, "counters": [*known[: parts(samples)], counters]})

    def counters(self) -> list[list[str]]:
        """The names of the energy counters of each part."""
        with contextlib.suppress(DataError, KeyError, TypeError):
            return [[str(name) for name in part] for part in read_record(self.folder / RECORD)["counters"]]
        return []

    @contextlib.contextmanager
    def appending(self) -> Iterator[Keep]:
        """Gives a function that appends a sample in one write, so that a kill can damage only the last sample."""
        # the kernel keeps written data if this process dies; flushing every second would disturb the measurement
        handle = os.open(self.folder / SAMPLES, os.O_WRONLY | os.O_APPEND)
        try:
            yield lambda sample: _write(handle, lines([sample]).encode())
        finally:
            os.close(handle)


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]


def parts(samples: list[Sample]) -> int:
    """Returns the number of starts that have samples."""
    return samples[-1].part if samples else 0


def as_csv(samples: Iterable[Sample]) -> str:
    """Returns a header and a line per sample; missing values are empty."""
    return ",".join(COLUMNS) + "\n" + lines(samples)


def lines(samples: Iterable[Sample]) -> str:
    """The samples' lines."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for sample in samples:
        writer.writerow(["" if value is None else value for value in asdict(sample).values()])
    return buffer.getvalue()


def read_samples(path: Path) -> list[Sample]:
    """Reads the samples of a file up to the first line that is cut off or does not continue the one before.

    Raises:
        DataError: There is no such file, or it has other columns.
    """
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    head, *rows = text.split("\n")[:-1] or [""]  # text after the last line break is incomplete
    if head != ",".join(COLUMNS):
        raise DataError(f"{path} has not the columns of a soak's samples ({', '.join(COLUMNS)}).")
    samples: list[Sample] = []
    for row in rows:
        sample = _sample(row.split(","))
        if sample is None or (samples and not (sample.seconds > samples[-1].seconds and sample.part >= samples[-1].part)):
            break
        samples.append(sample)
    return samples


def read_csv(path: Path) -> list[dict[str, float | None]]:
    """Reads the samples of a file with any columns, because records of older runs have fewer."""
    with path.open(encoding="utf-8", newline="") as file:
        return [{key: float(value) if value else None for key, value in row.items()} for row in csv.DictReader(file)]


def _sample(cells: list[str]) -> Sample | None:
    if len(cells) != len(COLUMNS) or not all(cell or name in OPTIONAL for name, cell in zip(COLUMNS, cells, strict=True)):
        return None
    try:
        values: dict[str, Any] = {
            name: None if not cell else int(cell) if name in WHOLE else float(cell)
            for name, cell in zip(COLUMNS, cells, strict=True)
        }
    except ValueError:
        return None
    return Sample(**values)
