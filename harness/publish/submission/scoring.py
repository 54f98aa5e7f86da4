"""Scores result folders of any tool and keeps them as jobs, so that published results stand in the same comparison."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import DataError, StoreError
from harness.core.files import write_json, write_text
from harness.core.interfaces import Boxes, Sequence, Track
from harness.core.results import RESULTS_FILE, Results, track_paths, write_frames
from harness.datasets.layouts.got10k import (
    LIST_FILE,
    FolderDataset,
    TruthKind,
    frame_count,
    read_names,
    read_sequence,
    select_names,
)
from harness.machine import environment
from harness.publish.submission.formats import ResultFolder, find_results
from harness.scoring.agreement import agreement
from harness.scoring.frames import frames_table
from harness.scoring.got10k import Scores, score_tracks
from harness.scoring.speed import latency_summary

AGREEMENT_FILE = "agreement.json"
"""Metrics that one job alone cannot know, beside its results; the MLflow logger adds them to the run's."""
AGREEMENT = tuple(f"agreement/{key}" for key in ("mean_iou", "identical_boxes", "first_divergent_frame"))
TARGET_LOST = 0.5
"""Overlap with the baseline's box below which two runs are said to follow different things."""


@dataclass
class Reference:
    """What results are scored against. ``dataset`` is the description for results.json; ``notes`` say what lacks."""

    sequences: dict[str, Sequence]
    dataset: dict[str, Any]
    notes: list[str] = field(default_factory=list)


@dataclass
class Scored:
    """One result folder with its tracks and scores."""

    results: ResultFolder
    tracks: list[Track]
    scores: Scores
    warnings: list[str]
    own: Results | None = None
    agreement: dict[str, Any] | None = None
    folder: Path = Path()

    @property
    def name(self) -> str:
        return self.own.name if self.own is not None else self.results.name

    def repetitions(self, sequence: str) -> list[Track]:
        """The tracks of one sequence."""
        return self._grouped[sequence]

    @cached_property
    def _grouped(self) -> dict[str, list[Track]]:
        grouped: dict[str, list[Track]] = {}
        for track in self.tracks:
            grouped.setdefault(track.sequence, []).append(track)
        return grouped

    def boxes(self) -> dict[str, Boxes]:
        """The first repetition's boxes by sequence."""
        return {name: tracks[0].boxes for name, tracks in self._grouped.items()}


# --------------------------------------------------------------------------------------- reference


@dataclass
class TruthFolder(FolderDataset):
    """A data set's folder of which only the truth need be there: no images, labels or ``meta_info.ini``."""

    def truth_kind(self) -> TruthKind:
        return "any"

    def read(self, name: str) -> Sequence:
        return read_sequence(self.folder / name, truth="any", images=False)

    def missing(self) -> str:
        return "give --dataset a folder with a groundtruth.txt per sequence"


def reference(root: Path | None, split: str | None, wanted: list[str] | None, results: ResultFolder) -> Reference:
    """The sequences to score against: those under ``root``, or without one those of ``results``, without truth."""
    if root is None:
        return _results_alone(results, wanted)
    chosen = _find_split(root, results) if split is None else split
    dataset = TruthFolder(root=str(root), split=chosen, sequences=wanted)
    sequences = {sequence.name: sequence for sequence in dataset}
    found = Reference(
        sequences,
        {
            "name": root.resolve().name,
            "root": str(root),
            "split": chosen,
            "digest": dataset.digest(),
            "sequences": len(sequences),
            "frames": sum(frame_count(sequence) for sequence in sequences.values()),
            "truth": dataset.has_truth,
        },
    )
    found.notes += _what_lacks(found)
    return found


def _find_split(root: Path, results: ResultFolder) -> str:
    """The split under ``root`` whose list names the results' sequences; empty where ``root`` is no set of splits."""
    splits = sorted(path.parent for path in root.glob(f"*/{LIST_FILE}"))
    if (root / LIST_FILE).is_file() or not splits:
        return ""
    fitting = [split.name for split in splits if results.sequences.keys() & set(read_names(split / LIST_FILE))]
    if len(fitting) != 1:
        names = ", ".join(split.name for split in splits)
        raise DataError(f"{root} has the splits {names}; say by --split which of them {results.path} is of.")
    return fitting[0]


def _what_lacks(found: Reference) -> list[str]:
    """Sentences about truth, mask and bounds that are not there."""
    if not found.dataset["truth"]:
        return ["The data set has first boxes alone (a test split): speed and agreement are reported, no accuracy."]
    notes = []
    unmasked = sum(sequence.visible is None for sequence in found.sequences.values())
    unbounded = sum(sequence.size is None for sequence in found.sequences.values())
    if unmasked:
        notes.append(f"No mask is applied to {unmasked} sequences: they have no cover.label, so covered frames count.")
    if unbounded:
        notes.append(
            f"No bounds are applied to {unbounded} sequences: they have neither meta_info.ini nor images, so boxes are "
            "not clipped to the image."
        )
    return notes


def _results_alone(results: ResultFolder, wanted: list[str] | None) -> Reference:
    names = select_names(list(results.sequences), wanted, None, results.path)
    boxes = {track.sequence: track.boxes for track in results.tracks(names)}
    sequences = {name: Sequence(name, (), found[0]) for name, found in boxes.items()}
    facts = "".join(f"{name}:{len(found)}:{found[0].tolist()}\n" for name, found in boxes.items())
    kind = "got10k test" if all(name.startswith("GOT-10k_Test_") for name in names) else "results alone"
    dataset = {
        "name": kind,
        "split": "",
        "digest": hashlib.sha256(facts.encode()).hexdigest(),
        "sequences": len(sequences),
        "frames": sum(map(len, boxes.values())),
        "truth": False,
    }
    return Reference(sequences, dataset, ["No truth is given: speed and agreement are reported, no accuracy."])


# ----------------------------------------------------------------------------------------- scoring


def score_folder(results: ResultFolder, against: Reference, drop_first_time: bool, seed: int = 0) -> Scored:
    """Scores one result folder. Raises DataError where sequences are missing or lengths differ."""
    missing = [name for name in against.sequences if name not in results.sequences]
    if missing:
        raise DataError(
            f"{results.path} lacks {len(missing)} of {len(against.sequences)} sequences ({', '.join(missing[:3])}"
            f"{', ...' if len(missing) > 3 else ''}); complete it, or name those to score by --sequences."
        )
    tracks = results.tracks(against.sequences)
    _check_lengths(results, tracks, against)
    own = _own_results(results)
    sequences = list(against.sequences.values())
    notes = list(against.notes)
    if own is not None and own.scoring.get("random_weights"):
        sequences = [replace(sequence, truth=None) for sequence in sequences]
        notes.append(f"{own.name}: random weights; speed alone is meant, so no accuracy is reported.")
    # as read: files of other tools may have more decimals than a submission, and the toolkit uses them all
    scores = score_tracks(tracks, sequences, as_shipped=False, drop_first_time=drop_first_time, seed=seed)
    notes += [*scores.warnings, *_file_warnings(results, tracks, against)]
    return Scored(results, tracks, scores, notes, own)


def _check_lengths(results: ResultFolder, tracks: list[Track], against: Reference) -> None:
    for track in tracks:
        frames = frame_count(against.sequences[track.sequence])
        if frames and frames != len(track.boxes):
            raise DataError(
                f"{results.path}: {track.sequence} has {len(track.boxes)} boxes for {frames} frames; they must be equal."
            )


def _file_warnings(results: ResultFolder, tracks: list[Track], against: Reference) -> list[str]:
    found = []
    extra = results.sequences.keys() - against.sequences.keys()
    if extra:
        found.append(f"{len(extra)} sequences are not among those to score and are left out ({min(extra)}, ...).")
    untimed = {track.sequence for track in tracks if not np.isfinite(track.seconds).any()}
    if untimed:
        found.append(f"{len(untimed)} sequences have no times ({min(untimed)}, ...); speed is that of the others.")
    return found


def _own_results(results: ResultFolder) -> Results | None:
    """The results.json of a job of this harness whose tracks these are, else None."""
    folder = results.path.parent if results.path.name == "tracks" else results.path
    return Results.load(folder) if (folder / RESULTS_FILE).is_file() else None


# --------------------------------------------------------------------------------------- agreement


def agree(scored: Scored, baseline: Scored) -> dict[str, Any]:
    """How ``scored``'s boxes agree with ``baseline``'s: ``agreement/*`` and, per sequence, where they part.

    ``sequences`` maps a name to ``mean_iou``, ``first_divergent_frame`` (0-based; None if all boxes are equal) and
    ``first_below_0.5`` (the first frame whose boxes overlap less), worst mean first.
    """
    agreed = agreement(scored.boxes(), baseline.boxes())
    rows = {
        item.sequence: {
            "mean_iou": item.mean_iou if item.frames else None,
            "first_divergent_frame": item.first_different,
            "first_below_0.5": item.first_below(TARGET_LOST),
        }
        for item in agreed.sequences
    }
    return {"baseline": baseline.name, **agreed.metrics(), "sequences": rows}


# -------------------------------------------------------------------------------------------- jobs


def write_job(scored: Scored, against: Reference, folder: Path, drop_first_time: bool, words: list[str]) -> Path:
    """Writes a job's folder (tracks, frames.parquet, results.json last) and returns it."""
    if (folder / RESULTS_FILE).exists():
        raise StoreError(f"{folder} already holds a job; choose another folder by --out.")
    for name in against.sequences:
        _write_exact(folder / "tracks", scored.repetitions(name))
    write_frames(folder, frames_table(scored.tracks, scored.scores))
    if scored.agreement is not None:
        write_json(folder / AGREEMENT_FILE, {key: scored.agreement.get(key) for key in AGREEMENT})
    scored.folder = folder
    _results(scored, against, drop_first_time, words).save(folder)
    return folder


def _write_exact(folder: Path, tracks: list[Track]) -> None:
    """Track files with every digit that was read, so that scoring them again gives the same."""
    for track in tracks:
        lines = "".join(",".join(map(repr, box)) + "\n" for box in track.boxes.tolist())
        write_text(track_paths(folder, track.sequence, track.repetition)[0], lines)
    if np.isfinite(tracks[0].seconds).any():
        rows = zip(*(track.seconds.tolist() for track in tracks), strict=True)
        write_text(track_paths(folder, tracks[0].sequence)[1], "".join(",".join(map(repr, row)) + "\n" for row in rows))


def _results(scored: Scored, against: Reference, drop_first_time: bool, words: list[str]) -> Results:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    scores = scored.scores
    updates = np.concatenate([track.seconds[1:] for track in scored.tracks])
    first = float(scored.tracks[0].seconds[0])
    details: dict[str, Any] = {
        "scored_from": str(scored.results.path),
        "drop_first_time": drop_first_time,
        "intervals": {key: list(value) for key, value in scores.intervals.items()},
        "success_curve": None if scores.curve is None else scores.curve.tolist(),
    }
    if scored.agreement is not None:
        details["agreement"] = scored.agreement
    scoring = {"protocol": "got10k", "feedback": "self", "mask": scores.mask, "bounds": scores.bounds}
    scoring["random_weights"] = bool(scored.own and scored.own.scoring.get("random_weights"))
    return Results(
        id=uuid.uuid4().hex,
        name=scored.name,
        status="ok",
        config=_config(scored, against, drop_first_time),
        overrides=words,
        metrics={**scores.metrics, **latency_summary(updates, first if np.isfinite(first) else None)},
        sequences=scores.sequences,
        dataset={**against.dataset, "scored_frames": scores.scored_frames},
        scoring=scoring,
        environment=_environment(scored),
        files=[f"tracks/{name}" for name in against.sequences] + ["frames.parquet"],
        details=details,
        warnings=scored.warnings,
        started=now,
        ended=now,
    )


def _config(scored: Scored, against: Reference, drop_first_time: bool) -> dict[str, Any]:
    """The own job's configuration where there is one, else what is known: the folder's name as the tracker's."""
    known: Mapping[str, Any] = scored.own.config if scored.own is not None else {"tracker": {"name": scored.name}}
    dataset = {key: against.dataset[key] for key in ("name", "split", "root") if key in against.dataset}
    task = {"name": "score", "drop_first_time": drop_first_time}
    kept = {key: value for key, value in known.items() if key != "mlflow"}  # where the job itself was logged
    return {**kept, "dataset": dataset, "task": task}


def _environment(scored: Scored) -> dict[str, Any]:
    """Where it was measured if that is known; the versions and commit of what scored it otherwise, and no machine."""
    if scored.own is not None:
        return scored.own.environment
    return {"machine": "", "versions": environment.versions(), **environment.git_state()}


def score_all(
    paths: list[Path], root: Path | None, split: str | None, wanted: list[str] | None, drop_first_time: bool
) -> tuple[list[Scored], list[Reference]]:
    """Scores every folder against the same data; the first is the baseline of the others' agreement."""
    scored: list[Scored] = []
    references: list[Reference] = []
    for path in paths:
        results = find_results(path)
        # without a data set the first folder's sequences are everyone's
        against = references[0] if references else reference(root, split, wanted, results)
        references.append(against)
        scored.append(score_folder(results, against, drop_first_time))
        if len(scored) > 1:
            scored[-1].agreement = agree(scored[-1], scored[0])
    return scored, references
