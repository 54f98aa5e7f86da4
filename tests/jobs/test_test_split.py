"""GOT-10k's test split from evaluation to an archive that the server would take, over a stand-in with tiny frames."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import SUPPORT, harness, with_cache
from got10k_folders import stand_in_test_split

from harness.core.files import read_json
from harness.core.results import Results
from harness.publish.submission import pack_tracks, shipped_test_facts, validate

SETTINGS = ("--config-dir", SUPPORT / "own", "tracker=standing", "backend=onnx", "dataset=got10k")


@pytest.fixture
def place(tmp_path: Path, prepared: Path) -> Path:
    return with_cache(tmp_path, prepared)


def evaluate(root: Path, cwd: Path, *words: str):
    settings = [*SETTINGS, "dataset.split=test", f"dataset.root={root}", "mlflow=off", "hydra.run.dir=run", *words]
    return harness(*settings, cwd=cwd)


@pytest.mark.slow
def test_the_whole_split_becomes_an_archive(place):
    root = stand_in_test_split(place / "data", shipped_test_facts())
    done = evaluate(root, place)
    assert done.returncode == 0, done.stderr
    found = Results.load(place / "run")
    assert {"submission.zip", "submission.manifest.json"} <= set(found.files)
    assert found.dataset["truth"] is False
    assert not {"ao", "sr50", "sr75"} & found.metrics.keys()
    checked = harness("validate", "run/submission.zip", cwd=place)
    assert checked.returncode == 0, checked.stderr
    assert "180 sequences, 22834 frames" in checked.stdout
    manifest = read_json(place / "run/submission.manifest.json")
    assert manifest["sha256"] == hashlib.sha256((place / "run/submission.zip").read_bytes()).hexdigest()
    assert manifest["artifact"] == found.artifact["key"]
    assert manifest["config"]["tracker"]["name"] == "standing"
    with zipfile.ZipFile(place / "run/submission.zip") as archive:
        name = "GOT-10k_Test_000180/GOT-10k_Test_000180_001.txt"
        assert archive.read(name) == (place / "run/tracks" / name).read_bytes()


def few(place: Path) -> Path:
    """A stand-in of three sequences."""
    whole = shipped_test_facts()
    return stand_in_test_split(place / "data", replace(whole, sequences=dict(list(whole.sequences.items())[:3])))


def test_a_tracker_that_trembles_runs_three_times(place):
    root = few(place)
    done = evaluate(root, place, "tracker.tremble=true")
    assert done.returncode == 0, done.stderr
    # a copy of three sequences is not packed; as if the split had no more, its tracks are a whole submission
    assert any("lacks 177 of its 180 sequences" in warning for warning in Results.load(place / "run").warnings)
    facts = replace(shipped_test_facts(), sequences=facts_under(root))
    pack_tracks(place / "run/tracks", facts, place / "three.zip")
    report = validate(place / "three.zip", facts)
    assert report.ok, report.faults
    assert report.repetitions == 3
    folder = place / "run/tracks/GOT-10k_Test_000001"
    runs = {(folder / f"GOT-10k_Test_000001_{number:03d}.txt").read_text() for number in (1, 2, 3)}
    assert len(runs) == 3
    assert all(len(line.split(",")) == 3 for line in (folder / "GOT-10k_Test_000001_time.txt").read_text().split())


def test_part_of_the_split_is_not_packed(place):
    done = evaluate(few(place), place, "dataset.limit=2")
    assert done.returncode == 0, done.stderr
    assert not (place / "run/submission.zip").exists()
    packed = harness("pack", "run", cwd=place)
    assert packed.returncode == 2
    assert "178 of the 180 sequences" in packed.stderr


def facts_under(root: Path):
    names = {path.name for path in (root / "test").iterdir() if path.is_dir()}
    return {name: known for name, known in shipped_test_facts().sequences.items() if name in names}
