"""Result files of OTB's toolkits, PySOT, PyTracking and the GOT-10k toolkit over a benchmark's own annotations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from benchmark_folders import boxes, text, write
from scipy.io import savemat

from harness.core.errors import DataError
from harness.publish.submission.reference import Wanted
from harness.publish.submission.scoring import Scored, score_all

DEER, FOOTBALL = boxes(71, 3), boxes(74, 4)


@pytest.fixture
def otb(tmp_path: Path) -> Path:
    """Annotations of two sequences, as the official toolkit keeps them."""
    write(tmp_path / "otb" / "anno" / "deer.txt", text(DEER, "\t", "\r\n"))
    write(tmp_path / "otb" / "anno" / "football1.txt", text(FOOTBALL))
    return tmp_path / "otb"


def shifted(truth: np.ndarray) -> np.ndarray:
    moved = truth.copy()
    moved[1:, 0] += 2
    return moved


def score(path: Path, root: Path, *protocols: str) -> Scored:
    return score_all([path], Wanted(root, protocols=protocols or None))[0][0]


def flat(folder: Path, deer: str, football: str, between: str) -> Path:
    write(folder / deer, text(shifted(DEER), between))
    write(folder / football, text(shifted(FOOTBALL), between))
    return folder


def as_json(folder: Path, deer: str, football: str) -> Path:
    for name, truth in ((deer, DEER), (football, FOOTBALL)):
        run = {"seqName": name, "evalType": "OPE", "resType": "rect", "res": shifted(truth).tolist()}
        write(folder / f"{name}.json", json.dumps([run]))
    return folder


def as_mat(folder: Path) -> Path:
    folder.mkdir()
    for name, truth in (("deer", DEER), ("football1", FOOTBALL)):
        run = {"res": shifted(truth), "type": "rect", "len": float(len(truth))}
        cell = np.empty((1, 1), object)
        cell[0, 0] = run
        savemat(folder / f"{name}_Mine.mat", {"results": cell})
    return folder


MAKERS = {
    "OTB's JSON": lambda root: as_json(root, "Deer", "Football1"),
    "OTB's JSON with other names": lambda root: as_json(root, "deer", "FOOTBALL1"),
    "OTB's MAT": as_mat,
    "PySOT": lambda root: flat(root, "Deer.txt", "Football1.txt", ","),
    "PySOT in small letters": lambda root: flat(root, "deer.txt", "football1.txt", ","),
    "PyTracking": lambda root: flat(root, "Deer.txt", "Football1.txt", "\t"),
}


@pytest.mark.parametrize("tool", MAKERS)
def test_results_of_every_tool_score_the_same(tool: str, otb: Path, tmp_path: Path) -> None:
    found = score(MAKERS[tool](tmp_path / "results"), otb)
    assert found.scores.protocols == ("ope",)
    assert found.scores.metrics["precision20"] == 1.0
    assert 0.7 < found.scores.metrics["auc"] < 0.95
    width = (DEER[1:, 2] - 2) * DEER[1:, 3]
    expected = np.append(width / (2 * DEER[1:, 2] * DEER[1:, 3] - width), 1.0).mean()
    assert found.scores.sequences["Deer"]["mean_overlap"] == pytest.approx(expected)


def test_both_protocols_may_be_asked_for(otb: Path, tmp_path: Path) -> None:
    found = score(MAKERS["PySOT"](tmp_path / "results"), otb, "ope", "got10k")
    assert {"auc", "precision20", "ao", "sr50"} <= found.scores.metrics.keys()


def test_the_got10k_toolkits_times_folder_is_read(otb: Path, tmp_path: Path) -> None:
    folder = MAKERS["PySOT"](tmp_path / "results")
    for name, frames in (("Deer", 71), ("Football1", 74)):
        write(folder / "times" / f"{name}_time.txt", "0.5\n" * frames)
    assert score(folder, otb).scores.metrics["fps"] == pytest.approx(2.0)


def test_json_that_is_shorter_is_compared_from_the_first_line_on(otb: Path, tmp_path: Path) -> None:
    folder = as_json(tmp_path / "results", "Deer", "Football1")
    run = {"resType": "rect", "res": DEER[:40].tolist()}
    write(folder / "Deer.json", json.dumps([run]))
    found = score(folder, otb)
    assert found.scores.sequences["Deer"]["frames"] == 40
    assert found.scores.sequences["Deer"]["mean_overlap"] == pytest.approx(1.0)
    assert any("Deer" in note and "differ in length" in note for note in found.warnings)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not JSON"),
        ('[{"res": [[1,2,3,4]]}, {"res": []}]', "holds 2 runs"),
        ('[{"res": [[1,2,3]]}]', "row of four numbers"),
        ('[{"res": "x"}]', "holds no boxes"),
        ('[{"resType": "ivtAff", "res": [[1,2,3,4]]}]', "of type 'ivtAff'"),
        ('[{"evalType": "TRE", "res": [[1,2,3,4]]}]', "results of TRE"),
    ],
)
def test_json_that_is_not_a_one_pass_result_is_refused(content: str, complaint: str, otb: Path, tmp_path: Path) -> None:
    folder = as_json(tmp_path / "results", "Deer", "Football1")
    padded = content if content != "{" else '{"res": '
    path = write(folder / "Deer.json", padded)
    with pytest.raises(DataError, match=complaint) as caught:
        score(folder, otb)
    assert str(path) in str(caught.value)


def test_text_of_another_length_is_refused(otb: Path, tmp_path: Path) -> None:
    folder = MAKERS["PySOT"](tmp_path / "results")
    write(folder / "Deer.txt", text(DEER[:-1]))
    with pytest.raises(DataError, match="Deer has 70 boxes for 71 frames"):
        score(folder, otb)


def test_tiger1_is_read_with_and_without_the_frames_that_the_benchmark_leaves_out(tmp_path: Path) -> None:
    truth = boxes(354, 5)
    write(tmp_path / "otb" / "anno" / "tiger1.txt", text(truth))
    for name, rows, frames in (("from 6", truth[5:], 349), ("from 1", truth, 354)):
        write(tmp_path / name / "Tiger1.txt", text(rows))
        found = score(tmp_path / name, tmp_path / "otb")
        assert found.scores.sequences["Tiger1"]["frames"] == frames
        assert found.scores.sequences["Tiger1"]["mean_overlap"] == pytest.approx(1.0)


def test_names_with_a_benchmarks_prefix_are_understood(tmp_path: Path) -> None:
    truth = boxes(45)
    write(tmp_path / "anno" / "UAV123_10fps" / "uav2.txt", text(truth))
    write(tmp_path / "results" / "uav_uav2.txt", text(truth, "\t"))
    found = score(tmp_path / "results", tmp_path)
    assert list(found.scores.sequences) == ["uav2"]
    assert found.scores.metrics["auc"] == pytest.approx(20 / 21)


def test_two_files_of_one_sequence_are_refused(otb: Path, tmp_path: Path) -> None:
    folder = MAKERS["PySOT"](tmp_path / "results")
    write(folder / "deer.txt", text(DEER))
    with pytest.raises(DataError, match="are both Deer"):
        score(folder, otb)
