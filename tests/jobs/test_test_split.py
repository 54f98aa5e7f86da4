"""GOT-10k's test split from evaluation to an archive that the server would take, over a stand-in with tiny frames."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import SUPPORT, harness
from got10k_folders import stand_in_test_split

from harness.core.files import read_json
from harness.core.results import Results
from harness.publish.submission import shipped_test_facts, validate

SETTINGS = ("--config-dir", SUPPORT / "own", "tracker=standing", "backend=torch", "dataset=got10k")


def evaluate(root: Path, cwd: Path, *words: str):
    settings = [*SETTINGS, "dataset.split=test", f"dataset.root={root}", "mlflow=off", "hydra.run.dir=run", *words]
    return harness(*settings, cwd=cwd)


@pytest.mark.slow
def test_the_whole_split_becomes_an_archive(tmp_path):
    root = stand_in_test_split(tmp_path / "data", shipped_test_facts())
    done = evaluate(root, tmp_path)
    assert done.returncode == 0, done.stderr
    found = Results.load(tmp_path / "run")
    assert {"submission.zip", "submission.manifest.json"} <= set(found.files)
    assert found.dataset["truth"] is False
    assert not {"ao", "sr50", "sr75"} & found.metrics.keys()
    checked = harness("validate", "run/submission.zip", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert "180 sequences, 22834 frames" in checked.stdout
    manifest = read_json(tmp_path / "run/submission.manifest.json")
    assert manifest["sha256"] == hashlib.sha256((tmp_path / "run/submission.zip").read_bytes()).hexdigest()
    assert manifest["artifact"] == found.artifact["key"]
    assert manifest["config"]["tracker"]["name"] == "standing"
    with zipfile.ZipFile(tmp_path / "run/submission.zip") as archive:
        name = "GOT-10k_Test_000180/GOT-10k_Test_000180_001.txt"
        assert archive.read(name) == (tmp_path / "run/tracks" / name).read_bytes()


def few(tmp_path: Path) -> Path:
    """A stand-in of three sequences."""
    whole = shipped_test_facts()
    return stand_in_test_split(tmp_path / "data", replace(whole, sequences=dict(list(whole.sequences.items())[:3])))


def test_a_tracker_that_trembles_runs_three_times(tmp_path):
    root = few(tmp_path)
    done = evaluate(root, tmp_path, "tracker.tremble=true")
    assert done.returncode == 0, done.stderr
    report = validate(tmp_path / "run/submission.zip", replace(shipped_test_facts(), sequences=facts_under(root)))
    assert report.ok, report.faults
    assert report.repetitions == 3
    folder = tmp_path / "run/tracks/GOT-10k_Test_000001"
    runs = {(folder / f"GOT-10k_Test_000001_{number:03d}.txt").read_text() for number in (1, 2, 3)}
    assert len(runs) == 3
    assert all(len(line.split(",")) == 3 for line in (folder / "GOT-10k_Test_000001_time.txt").read_text().split())


def test_part_of_the_split_is_not_packed(tmp_path):
    done = evaluate(few(tmp_path), tmp_path, "dataset.limit=2")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "run/submission.zip").exists()
    packed = harness("pack", "run", cwd=tmp_path)
    assert packed.returncode == 1
    assert "178 of the 180 sequences" in packed.stderr


def facts_under(root: Path):
    names = {path.name for path in (root / "test").iterdir() if path.is_dir()}
    return {name: known for name, known in shipped_test_facts().sequences.items() if name in names}
