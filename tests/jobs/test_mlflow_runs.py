"""A store's runs come back as folders: what ended well, once, with the intervals of samples that are not kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import harness
from scored_jobs import scored_sweep

from harness.core.errors import DataError, StoreError
from harness.core.files import read_record
from harness.core.results import Results
from harness.publish.mlflow import Target, client, fetched, log_folder, log_sweep
from harness.report.history import reading
from harness.report.history.values import interval_of
from harness.report.sources import load


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of four jobs in a store: the third failed, the fourth is in an experiment of its own."""
    folder = tmp_path_factory.mktemp("logged")
    sweep = scored_sweep(folder, jobs=4, sequences=6)  # an accuracy has an interval from five on
    failed = Results.load(sweep / "2")
    failed.status, failed.error = "failed", {"kind": "OSError", "message": "no space is left", "tail": []}
    failed.save(sweep / "2")
    here = Target(root=str(folder / "mlruns"))
    for number in range(3):
        log_folder(sweep / str(number), parent=sweep, target=here)
    log_sweep(sweep, here, "failed")
    log_folder(sweep / "3", target=Target(root=here.root, experiment="nightly"))
    return folder


@pytest.fixture
def store(logged: Path, tmp_path: Path) -> Path:
    """A copy of the store's database, which names the artifacts of the first one."""
    (tmp_path / "mlruns").mkdir()
    shutil.copy(logged / "mlruns/mlflow.db", tmp_path / "mlruns/mlflow.db")
    return tmp_path / "mlruns"


def address(store: Path, experiment: str = "") -> Target:
    return Target("server", uri=f"sqlite:///{store}/mlflow.db", experiment=experiment)


def test_runs_that_ended_well_come_with_results_and_intervals_and_without_samples(logged: Path, store: Path, tmp_path: Path) -> None:
    said: list[str] = []
    folders = fetched(address(store), tmp_path / "kept", said.append)
    found = {item.id: item for item in reading.runs(folders, said.append)}
    assert said == [] and len(folders) == 3
    for number in (0, 1, 3):
        own = load(logged / f"sweep/{number}")
        back = found[own.id]
        assert back.results == own.results and not (back.folder / "frames.parquet").exists()
        for name in ("ao", "fps"):
            assert interval_of(back, name) == interval_of(own, name)
        assert interval_of(back, "ao").known


def test_an_experiment_chooses_its_runs(logged: Path, store: Path, tmp_path: Path) -> None:
    (folder,) = fetched(address(store, "nightly"), tmp_path / "kept", print)
    assert Results.load(folder).id == Results.load(logged / "sweep/3").id
    with pytest.raises(DataError, match=r"has no experiment 'nightlie'; it has: .*harness, nightly"):
        fetched(address(store, "nightlie"), tmp_path / "kept", print)


def test_files_are_fetched_once_and_again_where_a_run_was_changed(store: Path, tmp_path: Path) -> None:
    before = fetched(address(store), tmp_path / "kept", print)
    marks = {folder: (folder / "results.json").stat().st_mtime_ns for folder in before}
    changed, *others = before
    run_id = changed.name.rpartition("-")[0]
    client(address(store)).set_tag(run_id, "harness.complete", "anotherstate")
    after = fetched(address(store), tmp_path / "kept", print)
    assert sorted(after) == sorted([*others, tmp_path / "kept" / f"{run_id}-anotherstate"])
    assert all((folder / "results.json").stat().st_mtime_ns == marks[folder] for folder in others)


def test_a_run_that_was_deleted_in_the_store_is_left_out_though_it_was_fetched(store: Path, tmp_path: Path) -> None:
    first, *others = fetched(address(store), tmp_path / "kept", print)
    client(address(store)).delete_run(first.name.rpartition("-")[0])
    assert sorted(fetched(address(store), tmp_path / "kept", print)) == sorted(others)


def test_a_run_whose_files_are_gone_is_told_and_the_others_are_read(logged: Path, store: Path, tmp_path: Path) -> None:
    run_id = read_record(logged / "sweep/0/mlflow.json")["run_id"]
    place = logged / f"mlruns/artifacts/{run_id}/artifacts/results.json"
    place.rename(place.with_suffix(".away"))
    said: list[str] = []
    try:
        folders = fetched(address(store), tmp_path / "kept", said.append)
    finally:
        place.with_suffix(".away").rename(place)
    assert said == [f"left out: run {run_id} (no results.json among its files)."]
    ids = {Results.load(folder).id for folder in folders}
    assert ids == {Results.load(logged / f"sweep/{number}").id for number in (1, 3)}


@pytest.mark.parametrize("name", ["../../x", "a/b", ""])
def test_a_name_that_leads_elsewhere_makes_no_folder(store: Path, tmp_path: Path, name: str) -> None:
    there = client(address(store))
    for run in there.search_runs([item.experiment_id for item in there.search_experiments()], "tags.`status` = 'ok'"):
        there.set_tag(run.info.run_id, "harness.complete", name)
    assert fetched(address(store), tmp_path / "kept", print) == []
    assert not (tmp_path / "kept").exists()


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.db does not exist"):
        fetched(Target("server", uri=f"sqlite:///{tmp_path}/none.db", experiment=""), tmp_path / "kept", print)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match="cannot reach the MLflow server"):
        fetched(Target("server", uri="http://127.0.0.1:9", experiment=""), tmp_path / "kept", print)


def test_the_command_tells_of_a_stores_runs(store: Path, tmp_path: Path) -> None:
    done = harness("history", "--metric", "ao", "--uri", address(store).tracking_uri, "--experiment", "harness", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert done.stdout.count("One run: nothing to compare it with.") + done.stdout.count("in 2 runs") >= 1
    assert (tmp_path / "outputs/history/ao/history.csv").read_text().count("\n") == 3
    alone = harness("history", "--experiment", "harness", cwd=tmp_path)
    assert alone.returncode == 2 and "give its address by --uri" in alone.stderr
    nothing = harness("history", "--uri", address(store).tracking_uri, "commit=beef", cwd=tmp_path)
    assert nothing.returncode == 2 and f"no finished run in {address(store).tracking_uri} fits" in nothing.stderr
