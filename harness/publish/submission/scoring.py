"""Scores result folders of any tool and keeps them as jobs, so that published results join the same comparison."""

from __future__ import annotations

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
from harness.core.interfaces import Boxes, Metrics, Track
from harness.core.results import RESULTS_FILE, Results, track_paths, write_frames
from harness.core.words import listed
from harness.machine import environment
from harness.publish.submission.aligning import align
from harness.publish.submission.formats import ResultFolder, find_results
from harness.publish.submission.reference import Reference, Wanted, reference
from harness.scoring.agreement import agreement
from harness.scoring.frames import frames_table
from harness.scoring.ope import mean_curves
from harness.scoring.protocols import Accuracy, score_by
from harness.scoring.speed import latency_summary

AGREEMENT_FILE = "agreement.json"
"""File of metrics that need other jobs, beside a job's results; they are added to the run in MLflow."""
AGREEMENT = tuple(f"agreement/{key}" for key in ("mean_iou", "identical_boxes", "first_divergent_frame"))
TARGET_LOST = 0.5
"""Overlap with the baseline's box below which two runs count as following different objects."""


@dataclass
class Scored:
    """One result folder with its tracks and scores."""

    results: ResultFolder
    tracks: list[Track]
    scores: Accuracy
    warnings: list[str]
    own: Results | None = None
    agreement: dict[str, Any] | None = None
    folder: Path = Path()
    benchmark: bool = False
    lists: dict[str, Metrics] = field(default_factory=dict)
    """OPE scores of the benchmark's lists that the sequences cover, by the list's name."""

    @property
    def name(self) -> str:
        """The name of the results: the run's own, or that of the folder of files."""
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


# ----------------------------------------------------------------------------------------- scoring


def score_folder(results: ResultFolder, against: Reference, drop_first_time: bool, seed: int = 0) -> Scored:
    """Scores one result folder. Raises DataError if sequences are missing or lengths differ."""
    own = _own_results(results)
    aligned = align(results, against.sequences.values(), against.benchmark, own is not None)
    tracks, sequences = aligned.tracks, aligned.sequences
    notes = [*against.notes, *aligned.notes]
    if own is not None and own.scoring.get("random_weights"):
        sequences = [replace(sequence, truth=None) for sequence in sequences]
        notes.append(f"{own.name}: random weights; speed alone is meant, so no accuracy is reported.")
    # unrounded: files of other tools may have more decimals than a submission, and the toolkit uses them all
    scores = score_by(
        against.protocols,
        against.truth_rule,
        tracks,
        sequences,
        as_shipped=False,
        drop_first_time=drop_first_time,
        seed=seed,
    )
    notes += [*scores.warnings, *_file_warnings(results, tracks, against)]
    return Scored(results, tracks, scores, notes, own, benchmark=against.benchmark is not None, lists=_lists(scores, against))


def _lists(scores: Accuracy, against: Reference) -> dict[str, Metrics]:
    """Returns the scores of the benchmark's lists that are fully scored, if there is more than one."""
    if against.benchmark is None or scores.ope is None:
        return {}
    curves = scores.ope.sequence_curves
    members = against.benchmark.list_members()
    whole = {name: names for name, names in members.items() if all(item in curves for item in names)}
    return {name: mean_curves([curves[item] for item in names]).scores() for name, names in whole.items()}


def _file_warnings(results: ResultFolder, tracks: list[Track], against: Reference) -> list[str]:
    found = []
    benchmark = against.benchmark
    extra = {
        name
        for name in results.sequences
        if (name if benchmark is None else benchmark.resolve(name)) not in against.sequences
    }
    if extra:
        found.append(f"{len(extra)} sequences are not among those to score and are left out ({min(extra)}, ...).")
    timed: dict[str, list[bool]] = {}
    for track in tracks:
        timed.setdefault(track.sequence, []).append(bool(np.isfinite(track.seconds).any()))
    untimed = sorted(name for name, there in timed.items() if not any(there))
    if untimed:
        found.append(f"{len(untimed)} sequences have no times ({untimed[0]}, ...); speed is that of the others.")
    partly = [f"{name}: {sum(there)} of {len(there)} repetitions has times" for name, there in timed.items() if any(there) and not all(there)]
    if partly:
        found.append(f"{listed(partly)}; speed is that of these.")
    return found


def _own_results(results: ResultFolder) -> Results | None:
    """Returns the results.json of the job of this harness that made these tracks, else None."""
    folder = results.path.parent if results.path.name == "tracks" else results.path
    return Results.load(folder) if (folder / RESULTS_FILE).is_file() else None


# --------------------------------------------------------------------------------------- agreement


def agree(scored: Scored, baseline: Scored) -> dict[str, Any]:
    """Returns the agreement of two runs' boxes: ``agreement/*`` and, per sequence, where they diverge.

    ``sequences`` maps a name to ``mean_iou``, ``first_divergent_frame`` (0-based; None if all boxes are equal) and
    ``first_below_0.5`` (the first frame whose boxes overlap less), worst mean first.
    """
    mine, theirs = scored.boxes(), baseline.boxes()
    if scored.benchmark:  # published results of a sequence may differ in length
        mine = {name: boxes for name, boxes in mine.items() if name in theirs and len(boxes) == len(theirs[name])}
    try:
        agreed = agreement(mine, theirs)
    except DataError as error:
        raise DataError(f"{scored.results.path} against {baseline.results.path}: {error}") from error
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
    write_frames(folder, frames_table(scored.tracks, scored.scores.got10k))
    if scored.agreement is not None:
        write_json(folder / AGREEMENT_FILE, {key: scored.agreement.get(key) for key in AGREEMENT})
    scored.folder = folder
    _results(scored, against, drop_first_time, words).save(folder)
    return folder


def _write_exact(folder: Path, tracks: list[Track]) -> None:
    """Writes track files with all digits that were read, so that scoring them again gives the same result."""
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
        **scores.details(),
    }
    if scored.lists:
        details["lists"] = scored.lists
    if scored.agreement is not None:
        details["agreement"] = scored.agreement
    scoring = {**scores.scoring(), "feedback": "self"}
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
    """Returns the configuration of the job if there is one, else the known values: the folder's name as the tracker."""
    known: Mapping[str, Any] = scored.own.config if scored.own is not None else {"tracker": {"name": scored.name}}
    dataset = {key: against.dataset[key] for key in ("name", "split", "root") if key in against.dataset}
    task = {"name": "score", "drop_first_time": drop_first_time}
    kept = {key: value for key, value in known.items() if key != "mlflow"}  # mlflow: where the job was logged
    return {**kept, "dataset": dataset, "task": task}


def _environment(scored: Scored) -> dict[str, Any]:
    """Returns the environment of the measurement if known, else versions and commit of the scoring, no machine."""
    if scored.own is not None:
        return scored.own.environment
    return {"machine": "", "versions": environment.versions(), **environment.git_state()}


def score_all(
    paths: list[Path], wanted: Wanted, drop_first_time: bool = False
) -> tuple[list[Scored], list[Reference]]:
    """Scores every folder with the same data; the first is the baseline of the others' agreement."""
    scored: list[Scored] = []
    references: list[Reference] = []
    for path in paths:
        results = find_results(path)
        # without a data set, the first folder's sequences are used for all
        again = references and (wanted.root is None or references[0].benchmark is None)
        against = references[0] if again else reference(wanted, results)
        wanted = replace(wanted, split=str(against.dataset["split"])) if wanted.root is not None else wanted
        references.append(against)
        scored.append(score_folder(results, against, drop_first_time))
        if len(scored) > 1:
            scored[-1].agreement = agree(scored[-1], scored[0])
    return scored, references
