"""Benchmarks are read and scored as package got10k reads and scores them, over the same copies and the same boxes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmark_folders import dtb70, nfs, otb, tcolor128, uav123, write
from got10k.datasets import DTB70 as Dtb70OfTheirs, OTB, UAV123, NfS, TColor128 as TColor128OfTheirs
from got10k.experiments import ExperimentNfS, ExperimentOTB, ExperimentUAV123

from harness.core.interfaces import Track
from harness.core.results import Results, write_tracks
from harness.datasets.dtb70.dataset import Dtb70
from harness.datasets.layouts.benchmark import BenchmarkDataset
from harness.datasets.nfs.dataset import Nfs
from harness.datasets.otb.dataset import Otb
from harness.datasets.tcolor128.dataset import TColor128
from harness.datasets.uav123.dataset import Uav123
from harness.publish.submission.converting import convert
from harness.publish.submission.reference import Wanted
from harness.publish.submission.scoring import score_all

Pair = tuple[BenchmarkDataset, Any]


def _uav(root: Path) -> Pair:
    uav123(root)
    for name in ("a", "b"):
        (root / name).mkdir()  # the package takes a folder with fewer than four entries for an empty one
    return Uav123(root=str(root)), UAV123(str(root), "UAV123")


COPIES: dict[str, Callable[[Path], Pair]] = {
    "otb": lambda root: (Otb(root=str(otb(root))), OTB(str(root), 2015, download=False)),
    "uav123": _uav,
    "nfs": lambda root: (Nfs(root=str(nfs(root))), NfS(str(root), 30)),
    "dtb70": lambda root: (Dtb70(root=str(dtb70(root))), Dtb70OfTheirs(str(root))),
    "tcolor128": lambda root: (TColor128(root=str(tcolor128(root))), TColor128OfTheirs(str(root), download=False)),
}


@pytest.mark.parametrize("name", COPIES)
def test_frames_and_boxes_are_the_packages(name: str, tmp_path: Path) -> None:
    own, theirs = COPIES[name](tmp_path)
    assert len(own) == len(theirs.seq_names)
    for sequence in own:
        files, boxes = theirs[sequence.name]
        assert [Path(file) for file in files] == list(sequence.frames)
        assert sequence.truth is not None
        np.testing.assert_array_equal(boxes - [own.first_pixel, own.first_pixel, 0, 0], sequence.truth)


@pytest.mark.parametrize(
    ("name", "experiment"), [("otb", ExperimentOTB), ("uav123", ExperimentUAV123), ("nfs", ExperimentNfS)]
)
def test_a_jobs_scores_are_the_packages_of_its_converted_files(name: str, experiment: type, tmp_path: Path) -> None:
    own, theirs = COPIES[name](tmp_path / "data")
    if name == "uav123":  # the package leaves out frames without a truth
        path = tmp_path / "data" / "anno" / "UAV123" / "uav2.txt"
        lines = path.read_text().splitlines()
        write(path, "\n".join([*lines[:20], *["NaN,NaN,NaN,NaN"] * 7, *lines[27:]]) + "\n")
        own, theirs = Uav123(root=str(tmp_path / "data")), UAV123(str(tmp_path / "data"), "UAV123")
    job, rng = tmp_path / "job", np.random.default_rng(3)
    for sequence in own:
        assert sequence.truth is not None
        boxes = (sequence.truth + rng.normal(0, 4, sequence.truth.shape)).round(3)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], 1.0)
        boxes[0] = sequence.truth[0]
        write_tracks(job / "tracks", [Track(sequence.name, boxes, np.full(len(boxes), 0.1))])
    Results("0" * 32, "mine", "ok", {"tracker": {"name": "mine"}}, dataset={"name": name}).save(job)
    convert(job, "got10k", tmp_path / "results" / "mine")

    official = experiment.__new__(experiment)
    official.dataset, official.nbins_iou, official.nbins_ce = theirs, 21, 51
    official.result_dir, official.report_dir = str(tmp_path / "results"), str(tmp_path / "reports")
    official.plot_curves = lambda names: None
    performance = official.report(["mine"])["mine"]["overall"]

    [found] = score_all([job], Wanted(tmp_path / "data", layout=name, invalid_truth="exclude"))[0]
    assert found.scores.ope is not None
    assert found.scores.ope.invalid_truth == (7 if name == "uav123" else 0)
    curves = found.scores.ope.curves
    assert curves is not None
    np.testing.assert_allclose(curves.success, performance["success_curve"], atol=1e-9)
    np.testing.assert_allclose(curves.precision, performance["precision_curve"], atol=1e-9)
    assert curves.scores()["auc"] == pytest.approx(performance["success_score"], abs=1e-9)
