"""Writes tracks as other tools' result files: PySOT's, PyTracking's, OTB's and the GOT-10k toolkit's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from harness.core.errors import DataError, StoreError
from harness.core.files import write_text
from harness.core.interfaces import Track
from harness.core.results import RESULTS_FILE, Results
from harness.datasets.auto.dataset import layouts
from harness.datasets.layouts.benchmark import BenchmarkDataset
from harness.publish.submission.formats import ResultFolder, find_results

Naming = Callable[[str, str], str]
"""(sequence, tool) -> the tool's name of the sequence."""


def _rows(track: Track, between: str) -> str:
    return "".join(between.join(f"{value:.4f}" for value in box) + "\n" for box in track.boxes.tolist())


def _seconds(track: Track) -> str:
    return "".join(f"{value:.8f}\n" for value in track.seconds.tolist())


def _timed(track: Track) -> bool:
    return bool(np.isfinite(track.seconds).all())


def pysot(track: Track, name: str, tracker: str) -> dict[str, str]:
    """Returns ``NAME.txt`` with commas."""
    del tracker
    return {f"{name}.txt": _rows(track, ",")}


def pytracking(track: Track, name: str, tracker: str) -> dict[str, str]:
    """Returns ``NAME.txt`` and ``NAME_time.txt`` with tabs."""
    del tracker
    return {f"{name}.txt": _rows(track, "\t")} | ({f"{name}_time.txt": _seconds(track)} if _timed(track) else {})


def got10k(track: Track, name: str, tracker: str) -> dict[str, str]:
    """Returns ``NAME.txt`` and ``times/NAME_time.txt`` with commas, for the toolkit's other experiments."""
    del tracker
    times = {f"times/{name}_time.txt": _seconds(track)} if _timed(track) else {}
    return {f"{name}.txt": _rows(track, ",")} | times


def otb(track: Track, name: str, tracker: str) -> dict[str, str]:
    """Returns ``NAME.json`` with one run, as the Python toolkit writes it."""
    usable = track.seconds[1:][np.isfinite(track.seconds[1:])]
    run = {
        "tracker": tracker,
        "seqName": name,
        "startFrame": 1,
        "endFrame": len(track.boxes),
        "evalType": "OPE",
        "fps": float(len(usable) / usable.sum()) if usable.sum() > 0 else 0.0,
        "shiftType": None,
        "resType": "rect",
        "tmplsize": [],
        "res": [[round(value, 4) for value in box] for box in track.boxes.tolist()],
    }
    return {f"{name}.json": json.dumps([run]) + "\n"}


WRITERS: Mapping[str, Callable[[Track, str, str], dict[str, str]]] = {
    "pysot": pysot,
    "pytracking": pytracking,
    "otb": otb,
    "got10k": got10k,
}
"""The files of a sequence in each tool's layout: name in the folder -> text."""


def benchmark_of(results: ResultFolder) -> tuple[Results | None, type[BenchmarkDataset] | None]:
    """Returns the job of these tracks, and its data set's class if that is a published benchmark."""
    folder = results.path.parent if results.path.name == "tracks" else results.path
    if not (folder / RESULTS_FILE).is_file():
        return None, None
    job = Results.load(folder)
    cls = layouts().get(str(job.dataset.get("name", "")))
    return job, cls if cls is not None and issubclass(cls, BenchmarkDataset) else None


def convert(source: Path, tool: str, target: Path, tracker: str | None = None) -> list[Path]:
    """Writes the tracks under ``source`` to ``target`` in the form of ``tool``; returns the files.

    Boxes of a job of this harness count from 0; if its data set counts from 1, so do the written ones. Result files of
    other tools keep their coordinates. Of several repetitions the first is written. Raises DataError, StoreError.
    """
    if tool not in WRITERS:
        raise DataError(f"{tool!r} is not a layout that can be written; accepted: {', '.join(WRITERS)}.")
    if target.exists() and any(target.iterdir()):
        raise StoreError(f"{target} is not empty; choose another folder by -o.")
    results = find_results(source)
    job, cls = benchmark_of(results)
    shift = cls.first_pixel if cls is not None else 0
    named: Naming = cls.tool_name if cls is not None else lambda name, tool: name
    shown = tracker or (job.name if job is not None else results.name)
    written = []
    for track in results.tracks():
        if track.repetition != 1:
            continue
        boxes = np.array(track.boxes, float)
        boxes[:, :2] += shift
        moved = Track(track.sequence, boxes, track.seconds)
        for name, text in WRITERS[tool](moved, named(track.sequence, tool), shown).items():
            written.append(write_text(target / name, text))
    return written
