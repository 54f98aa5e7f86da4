"""``python -m harness pack``, ``validate`` and ``check-dataset``, by the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import harness
from damaged_archives import DAMAGES, damaged, truncated
from got10k_folders import stand_in_test_split, standing_tracks

from harness.core.files import read_json
from harness.core.results import Results
from harness.publish.submission import pack_tracks, shipped_test_facts, validate


@pytest.fixture(scope="module")
def tracks(tmp_path_factory) -> Path:
    """Result files for all 180 sequences of the test split."""
    return standing_tracks(tmp_path_factory.mktemp("results") / "standing", shipped_test_facts())


def test_pack_then_validate(tracks, tmp_path):
    done = harness("pack", tracks, "-o", "mine.zip", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "180 sequences, 22834 frames, 1 repetition(s)" in done.stdout
    manifest = read_json(tmp_path / "mine.manifest.json")
    assert len(manifest["sha256"]) == 64
    assert manifest["packed_with"]["versions"]["numpy"]
    checked = harness("validate", "mine.zip", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert "accepted (180 sequences" in checked.stdout
    spoilt = damaged(tmp_path / "mine.zip", DAMAGES["NaN"], tmp_path / "spoilt.zip")
    rejected = harness("validate", "spoilt.zip", cwd=tmp_path)
    assert rejected.returncode == 1
    assert f"{spoilt}, line 7: holds a number that is not finite" in rejected.stderr
    assert "rejected, 1 faults" in rejected.stderr


def test_a_folder_and_a_cut_archive(tracks, tmp_path):
    assert harness("validate", tracks, cwd=tmp_path).returncode == 0
    (tmp_path / "cut.zip").write_bytes(truncated(b"PK" * 999))
    done = harness("validate", "cut.zip", cwd=tmp_path)
    assert done.returncode == 1
    assert "cut.zip: is not a whole zip archive" in done.stderr


def test_incomplete_and_failed_runs_are_not_packed(tracks, tmp_path):
    shutil.copytree(tracks, tmp_path / "job/tracks")
    Results(id="0", name="x", status="failed", config={}).save(tmp_path / "job")
    done = harness("pack", "job", cwd=tmp_path)
    assert done.returncode == 2
    assert "its job is marked failed" in done.stderr
    (tmp_path / "job/results.json").unlink()
    shutil.rmtree(tmp_path / "job/tracks/GOT-10k_Test_000180")
    done = harness("pack", "job", cwd=tmp_path)
    assert done.returncode == 2
    assert "1 of the 180 sequences of the shipped list of GOT-10k test are missing (GOT-10k_Test_000180)" in done.stderr
    assert not (tmp_path / "job.zip").exists()


def test_the_users_mistakes(tmp_path):
    for words in (("validate", "none.zip"), ("pack", "none"), ("check-dataset", "none"), ("validate",)):
        done = harness(*words, cwd=tmp_path)
        assert done.returncode == 2, (words, done.stderr)
        assert "Traceback" not in done.stderr


def test_check_dataset(tmp_path):
    root = stand_in_test_split(tmp_path / "data", shipped_test_facts())
    done = harness("check-dataset", root, "--no-decode", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "180 sequences, 22834 frames, images not decoded: no fault" in done.stdout
    (root / "test/GOT-10k_Test_000007/00000003.jpg").unlink()
    shutil.rmtree(root / "test/GOT-10k_Test_000009")
    done = harness("check-dataset", "--split", "test", "--no-decode", cwd=tmp_path, GOT10K_ROOT=str(root))
    assert done.returncode == 1
    assert "GOT-10k_Test_000007 lacks 00000003.jpg" in done.stderr
    assert "GOT-10k_Test_000009 does not exist" in done.stderr
    assert "registration at http" in done.stdout
    absent = harness("check-dataset", root, "--split", "val", cwd=tmp_path)
    assert absent.returncode == 2
    assert "data/val does not exist; --split names a folder in" in absent.stderr


@pytest.mark.shared
@pytest.mark.parametrize("name", ["pytorch", "onnx", "openvino"])
def test_published_folders_are_packed_and_accepted(shared, tmp_path, name):
    done = harness("pack", shared / "results/smat_got10k_test" / name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    accepted = harness("validate", f"{name}.zip", cwd=tmp_path)
    assert accepted.returncode == 0, accepted.stderr


@pytest.mark.slow
@pytest.mark.shared
def test_damaged_copies_of_a_published_run_are_rejected(shared, tmp_path):
    name, facts = "pytorch", shipped_test_facts()
    pack_tracks(shared / "results/smat_got10k_test" / name, facts, tmp_path / f"{name}.zip")
    for damage in DAMAGES.values():
        file = damaged(tmp_path / f"{name}.zip", damage, tmp_path / "damaged.zip")
        report = validate(tmp_path / "damaged.zip", facts)
        assert any(fault.file == file and damage.says in fault.message for fault in report.faults), damage
