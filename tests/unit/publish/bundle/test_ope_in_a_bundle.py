"""OPE's scores of a benchmark are computed again from a bundle's boxes and truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmark_folders import boxes, otb, text, write

from harness.core.files import write_json
from harness.core.interfaces import Track
from harness.core.results import Results, write_frames
from harness.datasets.otb.dataset import Otb
from harness.publish.bundle.check import check_scores
from harness.publish.bundle.truth import read_truth, truth_of
from harness.scoring.frames import frames_table
from harness.scoring.protocols import score_by


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job over two sequences, one frame of which has no valid truth."""
    otb(tmp_path / "data")
    truth = boxes(71)
    truth[9] = 0
    write(tmp_path / "data" / "Deer" / "groundtruth_rect.txt", text(truth))
    dataset = Otb(root=str(tmp_path / "data"))
    tracks = []
    for sequence in dataset:
        assert sequence.truth is not None
        track = sequence.truth + np.array([2.0, 0, 0, 0])
        track[0], track[9] = sequence.truth[0], [5, 5, 10, 10]
        tracks.append(Track(sequence.name, track, np.full(len(track), 0.1)))
    scores = score_by(("ope", "got10k"), dataset.truth_rule, tracks, dataset)
    folder = tmp_path / "job"
    folder.mkdir()
    write_frames(folder, frames_table(tracks, scores.got10k))
    config = {"dataset": {"target": "harness.datasets.otb.dataset.Otb", "name": "otb", "root": str(tmp_path / "data")}}
    about = {"name": "otb", "digest": dataset.digest(), "truth": True}
    Results("0" * 32, "mine", "ok", config, metrics=scores.metrics, sequences=scores.sequences, dataset=about,
            scoring={"protocol": "ope, got10k", "truth_rule": "otb", "invalid_truth": 1}).save(folder)  # fmt: skip
    return folder


def test_scores_are_the_same_again_by_the_benchmarks_own_rule(job: Path, tmp_path: Path) -> None:
    truth = truth_of(Results.load(job))
    assert isinstance(truth, dict)
    write_json(tmp_path / "truth.json", truth)
    sequences = read_truth(tmp_path / "truth.json")
    assert sequences[0].attributes == ("MB", "FM", "IPR", "BC", "LR")
    assert check_scores(job, sequences).outcome == "same"


def test_a_score_that_was_changed_is_found(job: Path, tmp_path: Path) -> None:
    truth = truth_of(Results.load(job))
    write_json(tmp_path / "truth.json", truth)
    results = Results.load(job)
    results.metrics["precision20"] -= 0.01
    results.save(job)
    found = check_scores(job, read_truth(tmp_path / "truth.json"))
    assert found.outcome == "differs"
    assert found.notes[0].startswith("precision20 is stated as")
