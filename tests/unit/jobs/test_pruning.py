"""Pruning removes heavy files of old runs, keeps their numbers, and touches nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from make_runs import make_job, make_sweep

from harness.core.errors import ConfigError
from harness.core.files import read_json, write_json
from harness.core.results import Results
from harness.jobs import pruning
from harness.jobs.ages import seconds_of
from harness.report.history.values import interval_of
from harness.report.sources import load

BEFORE = "2026-01-02T00:00:00.000+00:00"
"""Runs of make_job ended on 2026-01-01."""


def heavy(folder: Path) -> Path:
    """Adds what a job leaves besides its frames."""
    for name in ("plots/a.png", "tracks/s/s_001.txt", "sequences/s.json", "film.mp4", "model/x.onnx", "rounds/1.json", "submission.zip"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * 1000)
    return folder


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    make_job(tmp_path / "outputs/2026-01-01/old")
    heavy(tmp_path / "outputs/2026-01-01/old")
    young = make_job(tmp_path / "outputs/young")
    young.ended = "2026-02-01T00:00:00.000+00:00"
    young.save(heavy(tmp_path / "outputs/young"))
    return tmp_path / "outputs"


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_looking_changes_nothing_and_tells_what_would_go_by_kind(outputs: Path) -> None:
    before = listing(outputs)
    found = pruning.look(outputs, None, BEFORE)
    assert listing(outputs) == before and found.younger == 1
    assert [run.folder.name for run in found.runs] == ["old"]
    kinds = found.by_kind()
    assert kinds["tracks"] == (3, 3000) and kinds["videos"] == (1, 1000) and kinds["pictures"] == (1, 1000) and kinds["models"] == (1, 1000)
    assert kinds["frames"] == (1, (outputs / "2026-01-01/old/frames.parquet").stat().st_size)


def test_numbers_and_intervals_outlive_the_samples(outputs: Path) -> None:
    folder = outputs / "2026-01-01/old"
    results, fps = (folder / "results.json").read_bytes(), interval_of(load(folder), "fps")
    done = pruning.remove(pruning.look(outputs, None, BEFORE))
    assert len(done.runs) == 1
    assert listing(folder) == ["intervals.json", "pruned.json", "results.json", "rounds/1.json"]
    assert (folder / "results.json").read_bytes() == results
    after = interval_of(load(folder), "fps")
    assert fps.known and (after.value, after.low, after.high, after.basis) == (fps.value, fps.low, fps.high, fps.basis)
    assert {item["kind"] for item in read_json(folder / "pruned.json")["removed"]} == {"frames", "tracks", "pictures", "videos", "models"}
    assert len(listing(outputs / "young")) > 6
    assert pruning.look(outputs, None, BEFORE).items == []  # a second time there is nothing


def test_kinds_that_are_kept_stay(outputs: Path) -> None:
    pruning.remove(pruning.look(outputs, None, BEFORE, ("videos",)))
    assert "film.mp4" not in listing(outputs / "2026-01-01/old") and "frames.parquet" in listing(outputs / "2026-01-01/old")


def test_no_link_is_followed_or_removed(outputs: Path, tmp_path: Path) -> None:
    elsewhere = heavy(tmp_path / "elsewhere")
    make_job(elsewhere)
    folder = outputs / "2026-01-01/old"
    shutil.rmtree(folder / "plots")
    (folder / "plots").symlink_to(elsewhere / "plots")
    (folder / "film.mp4").unlink()
    (folder / "film.mp4").symlink_to(elsewhere / "film.mp4")
    (folder / "tracks/out").symlink_to(elsewhere)
    (outputs / "linked").symlink_to(elsewhere)
    before = listing(elsewhere)
    pruning.remove(pruning.look(outputs, None, BEFORE))
    assert listing(elsewhere) == before
    assert (folder / "plots").is_symlink() and (folder / "film.mp4").is_symlink() and not (folder / "tracks").exists()


@pytest.mark.parametrize("lock", [".run.lock", ".job.lock"])
def test_a_run_that_is_held_is_left_alone(outputs: Path, lock: str) -> None:
    folder = outputs / "2026-01-01/old"
    with FileLock(folder / lock):
        found = pruning.look(outputs, None, BEFORE)
        assert found.runs == [] and found.left == [(folder.resolve(), "it is being made or measured")]
    found = pruning.look(outputs, None, BEFORE)
    assert len(found.runs) == 1
    with FileLock(folder / lock):  # it became busy between looking and removing
        done = pruning.remove(found)
    assert done.runs == [] and "frames.parquet" in listing(folder)


def test_a_sweep_that_is_running_keeps_its_finished_jobs(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "outputs/sweep", [{"backend": "torch"}, {"backend": "onnx"}])
    with FileLock(sweep / ".run.lock"):
        assert pruning.look(tmp_path / "outputs", None, BEFORE).runs == []
    assert len(pruning.look(tmp_path / "outputs", None, BEFORE).runs) == 2


def test_the_pictures_of_a_sweep_go_and_its_page_stays(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "outputs/sweep", [{"backend": "torch"}])
    heavy(sweep)
    (sweep / "report.html").write_text("page")
    pruning.remove(pruning.look(tmp_path / "outputs", None, BEFORE))
    left = listing(sweep)
    assert "plots/a.png" not in left and "report.html" in left and "sweep.json" in left and "film.mp4" in left


def test_a_run_that_its_store_lacks_is_left_alone(outputs: Path) -> None:
    write_json(outputs / "2026-01-01/old/mlflow.json", {"pending": True, "stores": {"sqlite": {"pending": True}}})
    found = pruning.look(outputs, None, BEFORE)
    assert found.runs == [] and "run sync first" in found.left[0][1]


def test_a_run_that_did_not_end_and_a_damaged_one_stay(outputs: Path) -> None:
    (outputs / "unfinished/tracks").mkdir(parents=True)
    (outputs / "unfinished/tracks/a.txt").write_text("1")
    (outputs / "young/results.json").write_text("{")
    found = pruning.look(outputs, None, BEFORE)
    assert [run.folder.name for run in found.runs] == ["old"] and "cannot be read" in found.left[0][1]


def test_copies_in_a_local_store_are_pruned_too(outputs: Path, tmp_path: Path) -> None:
    copy = tmp_path / "mlruns/artifacts/0123/artifacts"
    shutil.copytree(outputs / "2026-01-01/old", copy)
    (copy / "tables").mkdir()
    (copy / "tables/frames.json").write_text("{}")
    (copy / "tracks.zip").write_bytes(b"x")
    pruning.remove(pruning.look(outputs, tmp_path / "mlruns", BEFORE))
    assert listing(copy) == ["intervals.json", "pruned.json", "results.json", "rounds/1.json"]


def cached(outputs: Path, key: str, days: float) -> Path:
    """A prepared model of an age, counted from BEFORE."""
    from datetime import datetime

    folder = outputs / "cache/artifacts" / key[:20]
    folder.mkdir(parents=True)
    when = datetime.fromisoformat(BEFORE).timestamp() - days * 86400
    for name in ("artifact.json", "model.onnx"):
        (folder / name).write_text("{}")
        os.utime(folder / name, (when, when))
    os.utime(folder, (when, when))
    return folder


def test_prepared_models_go_if_no_younger_run_used_them(outputs: Path) -> None:
    old, young = (Results.load(outputs / name) for name in ("2026-01-01/old", "young"))
    gone, used, fresh = cached(outputs, old.artifact["key"], 5), cached(outputs, young.artifact["key"], 5), cached(outputs, "f" * 64, -1)
    with FileLock(outputs / ".run.lock"):
        assert pruning.look(outputs, None, BEFORE).cached == []  # a run that is under way may be opening one
    pruning.remove(pruning.look(outputs, None, BEFORE))
    assert not gone.exists() and used.exists() and fresh.exists()


@pytest.mark.parametrize("text", ["30", "d", "-3d", "3m", "1e3d", "", "99999999999w"])
def test_an_age_that_cannot_be_read_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--older-than is .*; accepted: a number with h"):
        seconds_of(text, "--older-than")
