"""Packing: complete, checked, atomic, reproducible, with a manifest."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from got10k_folders import standing_tracks

from harness.core.errors import ArchiveError, StoreError
from harness.core.interfaces import Track
from harness.core.results import write_tracks
from harness.publish.submission import SplitFacts, manifest_path, pack_tracks, shipped_test_facts, validate


@pytest.fixture(scope="session")
def facts() -> SplitFacts:
    whole = shipped_test_facts()
    return replace(whole, sequences=dict(list(whole.sequences.items())[:3]))


@pytest.fixture
def tracks(facts, tmp_path) -> Path:
    return standing_tracks(tmp_path / "tracks", facts)


def test_text_is_the_protocols(facts, tracks, tmp_path):
    name, known = next(iter(facts.sequences.items()))
    boxes = np.tile(known.first_box, (known.frames, 1)) + np.array([0.12345, 0, 0, 0])
    write_tracks(tracks, [Track(name, boxes, np.full(known.frames, 1 / 3))])
    pack_tracks(tracks, facts, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == [f"{n}/{n}_{end}.txt" for n in facts.sequences for end in ("001", "time")]
        first = archive.read(f"{name}/{name}_001.txt").decode().split("\n")[0]
        assert first == ",".join(f"{value:.3f}" for value in boxes[0])
        assert archive.read(f"{name}/{name}_time.txt").decode().split("\n")[0] == "0.33333333"


def test_manifest(facts, tracks, tmp_path):
    pack_tracks(tracks, facts, tmp_path / "a.zip", {"artifact": "abc", "commit": "def"})
    manifest = json.loads(manifest_path(tmp_path / "a.zip").read_text())
    assert manifest["sha256"] == hashlib.sha256((tmp_path / "a.zip").read_bytes()).hexdigest()
    assert (manifest["artifact"], manifest["commit"]) == ("abc", "def")
    assert (manifest["sequences"], manifest["frames"], manifest["repetitions"]) == (3, facts.frames, 1)


def test_the_same_results_give_the_same_archive(facts, tracks, tmp_path):
    first = pack_tracks(tracks, facts, tmp_path / "a.zip")
    second = pack_tracks(tracks, facts, tmp_path / "b.zip")
    assert first["sha256"] == second["sha256"]


def test_an_incomplete_run_is_not_packed(facts, tracks, tmp_path):
    name = list(facts.sequences)[1]
    (tracks / name / f"{name}_001.txt").unlink()
    with pytest.raises(ArchiveError, match=f"1 of the 3 sequences of .* are missing \\({name}\\)"):
        pack_tracks(tracks, facts, tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == [tracks]  # nothing half done is left


def test_faults_are_found_before_the_archive_has_its_name(facts, tracks, tmp_path):
    (tmp_path / "a.zip").write_bytes(b"the last good one")
    name, known = next(iter(facts.sequences.items()))
    boxes = np.tile(known.first_box, (known.frames, 1))
    boxes[4, 2] = 0.0001  # ships as 0.000
    write_tracks(tracks, [Track(name, boxes, np.full(known.frames, 0.1))])
    with pytest.raises(ArchiveError, match=f"{name}_001.txt, line 5: width and height must be positive"):
        pack_tracks(tracks, facts, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == b"the last good one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "tracks"]


def test_results_without_times_are_not_packed(facts, tracks, tmp_path):
    name = list(facts.sequences)[2]
    (tracks / name / f"{name}_time.txt").unlink()
    with pytest.raises(ArchiveError, match=f"1 sequences have no times \\({name}_time.txt is missing\\)"):
        pack_tracks(tracks, facts, tmp_path / "a.zip")


def test_repetitions_are_columns(facts, tmp_path):
    pack_tracks(standing_tracks(tmp_path / "three", facts, repetitions=3), facts, tmp_path / "a.zip")
    name = next(iter(facts.sequences))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read(f"{name}/{name}_time.txt").startswith(b"0.02000000,0.02000000,0.02000000\n")
    assert validate(tmp_path / "a.zip", facts).repetitions == 3


def test_a_folder_that_cannot_be_written(facts, tracks, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"a\.zip cannot be written"):
        pack_tracks(tracks, facts, tmp_path / "file/a.zip")
