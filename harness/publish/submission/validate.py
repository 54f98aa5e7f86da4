"""Checks a GOT-10k submission at least as strictly as the evaluation server: every fault with file and line.

An archive (or folder) holds, at its root, a folder per sequence and nothing else; in it ``NAME_001.txt`` (lines
``x,y,w,h``; also ``_002``, ``_003`` for trackers that are not deterministic) and ``NAME_time.txt`` (seconds, a column
per repetition). Lines are as many as the sequence's frames, the first box is the given one.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from harness.core.archives import Unreadable
from harness.core.errors import DataError
from harness.core.interfaces import Boxes
from harness.publish.submission.entries import Entries, Fault, archive_entries, folder_entries
from harness.publish.submission.facts import SequenceFacts, SplitFacts

TOLERANCE = 1.0
"""Pixels by which the first box may differ from the given one, because the shipped list has integers."""
MOST_REPETITIONS = 3
"""GOT-10k requires three runs of a tracker that is not deterministic."""

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_NUMBER_ONLY = re.compile(_NUMBER)
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)


@dataclass
class Report:
    """The result of a check: all faults (none means accepted), and how much was checked."""

    faults: list[Fault] = field(default_factory=list)
    sequences: int = 0
    frames: int = 0
    repetitions: int = 0

    @property
    def ok(self) -> bool:
        """Whether no fault was found."""
        return not self.faults


def validate(path: Path, facts: SplitFacts) -> Report:
    """Checks the archive or folder at ``path`` against ``facts``. Raises DataError only if it does not exist."""
    if path.is_dir():
        root = path / "tracks" if (path / "tracks").is_dir() else path
        return _check(folder_entries(root), facts)
    if not path.is_file():
        raise DataError(f"{path} does not exist; give a submission archive (.zip) or a folder of results.")
    try:
        with zipfile.ZipFile(path) as archive:
            return _check(archive_entries(path, archive), facts)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        return Report([Fault(path.name, f"is not a whole zip archive ({error}); write it again")])


def _check(entries: Entries, facts: SplitFacts) -> Report:
    report = Report(faults=list(entries.faults))
    entries = _unwrapped(entries, facts, report)
    expected: set[str] = set()
    for name, known in facts.sequences.items():
        expected |= _check_sequence(name, known, entries, report)
    for file in sorted(entries.files.keys() - expected):
        report.faults.append(Fault(file, _why_extra(file, facts)))
    for folder in sorted(entries.folders - facts.sequences.keys()):
        if not any(file.startswith(f"{folder}/") for file in entries.files):
            report.faults.append(Fault(folder, "does not belong here; only the sequences' folders do"))
    return report


def _unwrapped(entries: Entries, facts: SplitFacts, report: Report) -> Entries:
    """Removes a folder around everything, which is one fault and must not hide others."""
    tops = {file.split("/", 1)[0] for file in entries.files}
    if len(tops) != 1 or tops & facts.sequences.keys() or not all("/" in file for file in entries.files):
        return entries
    top = tops.pop()
    if not any(file.split("/")[1] in facts.sequences for file in entries.files):
        return entries
    report.faults.append(Fault(f"{top}/", "lies around the sequences' folders; these must be at the archive's root"))
    cut = len(top) + 1
    return Entries(
        {file[cut:]: read for file, read in entries.files.items()},
        {folder[cut:] for folder in entries.folders if folder != top},
    )


def _why_extra(file: str, facts: SplitFacts) -> str:
    parts = file.split("/")
    if len(parts) == 1:
        return "does not belong here; at the root are the sequences' folders alone"
    if parts[0] not in facts.sequences:
        return f"{parts[0]} is not a sequence of the split"
    if len(parts) > 2:
        return "lies too deep; a sequence's folder holds its box files and times alone"
    return f"does not belong here; expected {parts[0]}_001.txt and {parts[0]}_time.txt"


# -------------------------------------------------------------------------------------- one sequence


def _check_sequence(name: str, known: SequenceFacts, entries: Entries, report: Report) -> set[str]:
    """Checks the files of one sequence; returns the names of those that belong to it."""
    boxes = [f"{name}/{name}_{number:03d}.txt" for number in range(1, MOST_REPETITIONS + 1)]
    times = f"{name}/{name}_time.txt"
    present = [file for file in boxes if file in entries.files]
    if name not in entries.folders:
        report.faults.append(Fault(f"{name}/", "is missing; every sequence of the split has a folder"))
        return set()
    for file in boxes[: max(1, boxes.index(present[-1]) + 1 if present else 1)]:
        if file not in entries.files:
            report.faults.append(Fault(file, "is missing"))
    for file in present:
        _check_file(file, entries, report, known, _box_problems, 4)
    if times in entries.files:
        _check_file(times, entries, report, known, _time_problems, max(1, len(present)))
    else:
        report.faults.append(Fault(times, "is missing; without times the server gives no speed"))
    report.sequences += 1
    report.frames += known.frames
    report.repetitions = max(report.repetitions, len(present))
    return {*present, times}


Problems = Callable[[list[float]], Iterator[str]]


def _check_file(
    file: str, entries: Entries, report: Report, known: SequenceFacts, problems: Problems, columns: int
) -> None:
    """Checks one text file's form, numbers and length, and the first box of a box file."""
    try:
        text = entries.files[file]().decode("ascii")
    except Unreadable as error:
        report.faults.append(Fault(file, str(error)))
        return
    except UnicodeDecodeError as error:
        at_line = error.object[: error.start].count(b"\n") + 1
        byte = error.object[error.start]
        report.faults.append(Fault(file, f"holds byte 0x{byte:02x}, which is not ASCII", (at_line,)))
        return
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if len(lines) != known.frames:
        report.faults.append(Fault(file, f"has {len(lines)} lines for {known.frames} frames"))
    found: dict[str, list[int]] = {}
    sound = _sound(lines, columns, 2 if problems is _box_problems else 0)
    values: list[float] | None = None if sound is None else sound[0].tolist()
    for number, line in enumerate(lines if sound is None else (), 1):
        numbers, why = _numbers(line, columns)
        if numbers is not None:
            why = list(problems(numbers))
            values = numbers if number == 1 else values
        for message in why:
            found.setdefault(message, []).append(number)
    report.faults += [Fault(file, message, tuple(at)) for message, at in found.items()]
    if problems is _box_problems and values is not None:
        report.faults += _first_box(file, np.array(values), known.first_box)


def _sound(lines: list[str], columns: int, sizes: int) -> Boxes | None:
    """Returns the numbers ``[n, columns]`` of lines of which none has a fault, or None: then each is looked at, to say what is wrong.

    Those from column ``sizes`` on must be positive.
    """
    if not lines or not all(map(_sound_line(columns).fullmatch, lines)):
        return None
    numbers = np.array([float(word) for line in lines for word in line.split(",")]).reshape(len(lines), columns)
    return numbers if np.isfinite(numbers).all() and (numbers[:, sizes:] > 0).all() else None


@lru_cache
def _sound_line(columns: int) -> re.Pattern[str]:
    return re.compile(",".join([f"(?>{_NUMBER})"] * columns))  # a number that was matched is not taken apart again where the rest fails


def _numbers(line: str, columns: int) -> tuple[list[float] | None, list[str]]:
    """Returns the numbers of a line ``a,b,...``, or None and what is wrong with its form."""
    words = line.split(",")
    if len(words) == columns and all(_NUMBER_ONLY.fullmatch(word) for word in words):
        return [float(word) for word in words], []
    return None, _form_faults(line, words, columns)


def _form_faults(line: str, words: list[str], columns: int) -> list[str]:
    if line.endswith("\r"):
        return ["ends in CR LF; lines end in LF"]
    if not line.strip():
        return ["is empty"]
    if "\t" in line:
        return ["holds tabs; numbers are separated by commas alone"]
    if " " in line:
        return ["holds spaces; numbers are separated by commas alone"]
    faults = []
    if len(words) != columns:
        faults.append(f"has {len(words)} numbers, {columns} are expected")
    if any(_NOT_FINITE.fullmatch(word) for word in words):
        faults.append("holds a number that is not finite")
    elif not all(_NUMBER_ONLY.fullmatch(word) for word in words):
        faults.append("holds something that is not a number")
    return faults


def _box_problems(box: list[float]) -> Iterator[str]:
    if not all(map(math.isfinite, box)):
        yield "holds a number that is not finite"
    if box[2] <= 0 or box[3] <= 0:
        yield "width and height must be positive"


def _time_problems(seconds: list[float]) -> Iterator[str]:
    if not all(map(math.isfinite, seconds)):
        yield "holds a number that is not finite"
    if min(seconds) <= 0:
        yield "times must be positive"


def _first_box(file: str, box: Boxes, given: Boxes) -> list[Fault]:
    if (np.abs(box - given) <= TOLERANCE + 1e-9).all():
        return []
    words = ",".join(f"{value:g}" for value in given)
    return [Fault(file, f"the first box must be the given one, {words}, within {TOLERANCE:g} px", (1,))]
