"""A job's tracks as other tools' files, and as what servers and toolkits take."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from benchmark_folders import boxes, text, trackingnet, vot, write
from got10k.experiments import ExperimentOTB

from harness.cli.main import main
from harness.core.errors import DataError, StoreError
from harness.core.interfaces import Track
from harness.core.results import Results, write_tracks
from harness.publish.submission.converting import WRITERS, convert
from harness.publish.submission.reference import Wanted
from harness.publish.submission.scoring import score_all

TRUTH = {"Deer": boxes(71, 3), "Jogging-1": boxes(307, 4)}


def job(folder: Path, dataset: str, tracks: dict[str, np.ndarray]) -> Path:
    """A finished job's folder; ``tracks`` count from 0."""
    for name, track in tracks.items():
        write_tracks(folder / "tracks", [Track(name, track, np.full(len(track), 0.25))])
    Results("0" * 32, "mine", "ok", {"tracker": {"name": "mine"}}, dataset={"name": dataset}).save(folder)
    return folder


def moved(truth: np.ndarray) -> np.ndarray:
    found = truth.copy()
    found[:, :2] -= 1
    found[1:, 0] += 2
    return found


@pytest.fixture
def otb_job(tmp_path: Path) -> Path:
    for name, truth in TRUTH.items():
        write(tmp_path / "otb" / "anno" / f"{name.lower()}.txt", text(truth))
    return job(tmp_path / "job", "otb", {name: moved(truth) for name, truth in TRUTH.items()})


@pytest.mark.parametrize("tool", WRITERS)
def test_converted_results_score_as_the_jobs_own(tool: str, otb_job: Path, tmp_path: Path) -> None:
    convert(otb_job, tool, tmp_path / "as" / tool)
    wanted = Wanted(tmp_path / "otb", protocols=("ope", "got10k"))
    own, other = score_all([otb_job, tmp_path / "as" / tool], wanted)[0]
    for name in ("auc", "precision20", "norm_precision20", "ao"):
        assert other.scores.metrics[name] == pytest.approx(own.scores.metrics[name], abs=1e-12), name
    assert other.agreement is not None
    assert other.agreement["agreement/identical_boxes"] == 1.0


def test_boxes_count_from_1_again_and_names_are_the_tools_own(otb_job: Path, tmp_path: Path) -> None:
    assert {path.name for path in convert(otb_job, "pysot", tmp_path / "pysot")} == {"Deer.txt", "Jogging-1.txt"}
    first = (tmp_path / "pysot" / "Deer.txt").read_text().splitlines()[0]
    assert [float(word) for word in first.split(",")] == TRUTH["Deer"][0].tolist()
    assert (tmp_path / "pysot" / "Deer.txt").read_text().count(",") == 3 * 71
    convert(otb_job, "pytracking", tmp_path / "pytracking")
    assert "\t" in (tmp_path / "pytracking" / "Jogging_1.txt").read_text()
    assert (tmp_path / "pytracking" / "Jogging_1_time.txt").is_file()
    convert(otb_job, "got10k", tmp_path / "got10k")
    assert (tmp_path / "got10k" / "times" / "Jogging.1_time.txt").is_file()
    convert(otb_job, "otb", tmp_path / "as_otb", "Mine")
    [run] = json.loads((tmp_path / "as_otb" / "Deer.json").read_text())
    assert (run["tracker"], run["resType"], run["endFrame"], run["fps"]) == ("Mine", "rect", 71, 4.0)


def test_the_got10k_toolkit_finds_the_same_scores(otb_job: Path, tmp_path: Path) -> None:
    convert(otb_job, "got10k", tmp_path / "results" / "mine")
    found = score_all([otb_job], Wanted(tmp_path / "otb"))[0][0]
    official = ExperimentOTB.__new__(ExperimentOTB)
    official.nbins_iou, official.nbins_ce = 21, 51
    for name, truth in TRUTH.items():
        written = np.loadtxt(tmp_path / "results" / "mine" / f"{name.replace('-', '.')}.txt", delimiter=",")
        written[0] = truth[0]
        success, precision = official._calc_curves(*official._calc_metrics(written, truth))
        assert found.scores.sequences[name]["auc"] == pytest.approx(success.mean(), abs=1e-9)
        assert found.scores.sequences[name]["precision20"] == pytest.approx(precision[20], abs=1e-9)


def test_a_folder_that_is_not_empty_is_left_alone(otb_job: Path, tmp_path: Path) -> None:
    write(tmp_path / "full" / "x.txt", "x")
    with pytest.raises(StoreError, match="is not empty"):
        convert(otb_job, "pysot", tmp_path / "full")


def test_trackingnets_archive_has_every_sequence_in_the_servers_form(tmp_path: Path) -> None:
    trackingnet(tmp_path / "data")
    names = ("-A0bcd_0", "zZ9_x_1")
    path = job(tmp_path / "job", "trackingnet", {name: boxes(12, index) for index, name in enumerate(names)})
    archive = tmp_path / "up.zip"
    assert main(["pack", str(path), "--dataset", str(tmp_path / "data"), "-o", str(archive)]) == 0
    with zipfile.ZipFile(archive) as packed:
        assert packed.namelist() == [f"{name}.txt" for name in names]
        lines = packed.read("-A0bcd_0.txt").decode().splitlines()
    assert len(lines) == 12
    assert lines[0] == ",".join(f"{value:.2f}" for value in boxes(12)[0])


def test_trackingnets_archive_is_refused_without_a_sequence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trackingnet(tmp_path / "data")
    path = job(tmp_path / "job", "trackingnet", {"-A0bcd_0": boxes(12)})
    assert main(["pack", str(path), "--dataset", str(tmp_path / "data"), "-o", str(tmp_path / "up.zip")]) == 2
    assert "lacks 1 of 2 sequences" in capsys.readouterr().err
    assert not (tmp_path / "up.zip").exists()


def test_vots_archive_has_the_toolkits_layout(tmp_path: Path) -> None:
    vot(tmp_path / "data")
    path = job(tmp_path / "job", "vot", {name: boxes(6, index) for index, name in enumerate(("ball", "fish", "hand"))})
    archive = tmp_path / "vot.zip"
    assert main(["pack", str(path), "--dataset", str(tmp_path / "data"), "-o", str(archive)]) == 0
    with zipfile.ZipFile(archive) as packed:
        names = packed.namelist()
        assert "unsupervised/ball/ball_001.txt" in names
        assert "unsupervised/ball/ball_001_time.value" in names
        lines = packed.read("unsupervised/ball/ball_001.txt").decode().splitlines()
    assert lines[0] == "1"
    assert [float(word) for word in lines[1].split(",")] == boxes(6)[1].tolist()


def test_a_data_set_without_a_server_says_so(otb_job: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pack", str(otb_job), "--dataset", str(tmp_path / "otb"), "-o", str(tmp_path / "x.zip")]) == 2
    assert "has no server or toolkit to pack results for" in capsys.readouterr().err


def test_an_unknown_tool_is_named(otb_job: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="accepted: pysot, pytracking, otb, got10k"):
        convert(otb_job, "mine", tmp_path / "x")
