"""From folders to a local store: exactly once, by many processes at once, bounded waits, models once, a moved store."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import time
from pathlib import Path

import pytest
from scored_jobs import give_model, scored_sweep
from store_records import records

from harness.core.errors import StoreError
from harness.core.results import Results
from harness.publish import mlflow as mlflow_log
from harness.publish.mlflow import LoggingFailed, Target, content, log_folder, log_sweep, pending, reach, target_of
from harness.publish.mlflow.target import State


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep, and a store that has its tables: making them takes MLflow several seconds."""
    folder = tmp_path_factory.mktemp("made")
    sweep = scored_sweep(folder)
    for number in range(3):
        give_model(sweep / str(number), folder / "cache")
    mlflow_log.client(Target(root=str(folder / "mlruns")))
    return folder


@pytest.fixture
def sweep(made: Path, tmp_path: Path) -> Path:
    """A copy of the sweep and of the empty store."""
    shutil.copytree(made / "sweep", tmp_path / "sweep")
    shutil.copytree(made / "mlruns", tmp_path / "mlruns")
    return tmp_path / "sweep"


def target(sweep: Path) -> Target:
    return Target(root=str(sweep.parent / "mlruns"))


def log_all(sweep: Path, where: Target) -> None:
    for number in range(3):
        log_folder(sweep / str(number), parent=sweep, target=where)
    log_sweep(sweep, where, "ok")


def test_a_run_holds_what_its_folder_holds(sweep: Path) -> None:
    log_all(sweep, target(sweep))
    found = records(target(sweep))
    results = Results.load(sweep / "1")
    run = found[results.id]
    assert len(found) == 4
    assert run["status"] == "FINISHED"
    assert run["parent"] == json.loads((sweep / "sweep.json").read_text())["id"]
    assert {key: points[-1][2] for key, points in run["metrics"].items() if key in results.metrics} == results.metrics
    agreement = json.loads((sweep / "1/agreement.json").read_text())
    assert run["metrics"]["agreement/mean_iou"][0][2] == agreement["agreement/mean_iou"]
    assert len(run["metrics"]["success_curve"]) == 101
    assert run["params"]["tracker"] == "made_1"
    assert run["tags"]["task"] == "score"
    assert run["datasets"] == [("data-val", results.dataset["digest"][:36])]
    assert {"results.json", "config.yaml", "environment.json", "frames.parquet", "tracks.zip"} <= run["artifacts"].keys()
    assert {f"tables/{name}.json" for name in ("sequences", "success_curve")} <= run["artifacts"].keys()
    assert not any(name.startswith(("mlflow.json", ".", "model/")) for name in run["artifacts"])


def test_a_data_set_that_another_job_enters_at_the_same_moment_is_logged(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    usual, refused = mlflow.MlflowClient.log_inputs, []

    def first_refused(*arguments: object, **named: object) -> None:
        if not refused:
            refused.append(arguments)
            raise RuntimeError('(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint "dataset_pk"')
        usual(*arguments, **named)

    monkeypatch.setattr(mlflow.MlflowClient, "log_inputs", first_refused)
    log_folder(sweep / "1", parent=sweep, target=target(sweep))
    results = Results.load(sweep / "1")
    assert refused and records(target(sweep))[results.id]["datasets"] == [("data-val", results.dataset["digest"][:36])]


def test_logging_again_changes_nothing(sweep: Path) -> None:
    log_all(sweep, target(sweep))
    before = records(target(sweep))
    (sweep / "1/mlflow.json").unlink()
    log_all(sweep, target(sweep))
    for item in pending([sweep], target(sweep), again=True):
        item.send()
    assert records(target(sweep)) == before
    assert pending([sweep]) == []


def test_what_is_added_later_is_sent_and_nothing_twice(sweep: Path) -> None:
    log_all(sweep, target(sweep))
    before = records(target(sweep))
    (sweep / "0/agreement.json").write_text('{"agreement/mean_iou": 0.5}')
    todo = pending([sweep])
    assert [item.folder for item in todo] == [sweep / "0"]
    todo[0].send()
    after = records(target(sweep))
    identity = Results.load(sweep / "0").id
    assert after[identity]["metrics"].pop("agreement/mean_iou")[0][2] == 0.5
    assert after[identity]["metrics"] == before[identity]["metrics"]
    assert after[identity]["artifacts"].keys() - before[identity]["artifacts"].keys() == {"agreement.json"}


def test_a_model_is_logged_once_per_key_and_found_from_each_run(sweep: Path, made: Path) -> None:
    give_model(sweep / "2", made / "cache", key="b" * 64)
    log_all(sweep, target(sweep))
    store = mlflow_log.client(target(sweep))
    models = store.search_logged_models(["1"])
    assert sorted(model.tags["harness.artifact_key"] for model in models) == ["a" * 64, "b" * 64]
    assert all(str(model.status).endswith("READY") and model.params["parity/max_abs_diff"] == "1e-05" for model in models)
    runs = {run.data.tags["harness.id"]: run for run in store.search_runs(["1"])}
    linked = [runs[Results.load(sweep / str(number)).id].data.tags["harness.model_id"] for number in range(3)]
    assert linked[0] == linked[1] != linked[2]
    for model in models:
        folder = Path(model.artifact_location.removeprefix("file://"))
        assert {path.name for path in folder.iterdir()} == {"MLmodel", "search.onnx", "template.onnx"}
    shown = store.get_run(runs[Results.load(sweep / "1").id].info.run_id).inputs.model_inputs
    assert [item.model_id for item in shown] == [linked[0]]


def test_a_server_that_cannot_be_reached_is_reported_within_seconds(sweep: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    gone = Target("server", uri=f"http://127.0.0.1:{port}")
    began = time.monotonic()
    with pytest.raises(LoggingFailed, match=r"cannot reach the MLflow server.*sync"):
        log_folder(sweep / "0", parent=sweep, target=gone)
    assert time.monotonic() - began < 10
    todo = pending([sweep / "0"])
    assert [(item.folder, item.target.uri) for item in todo] == [(sweep / "0", gone.uri)]


def test_a_server_that_answers_nothing_is_given_up(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "ANSWER_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        deaf = Target("server", uri=f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(LoggingFailed, match="not logged to MLflow"):
            log_folder(sweep / "0", target=deaf)
    assert time.monotonic() - began < 40


def test_settings_that_changed_on_resume_do_not_stop_logging(sweep: Path) -> None:
    folder = sweep / "0"
    log_folder(folder, target=target(sweep))
    results = Results.load(folder)
    results.config["threads"], results.config["resume"] = 1, "somewhere"
    results.metrics["fps"], results.ended = 12.5, "2126-01-01T10:00:00+00:00"
    results.save(folder)
    log_folder(folder, target=target(sweep))
    run = records(target(sweep))[results.id]
    assert run["metrics"]["fps"][-1][2] == 12.5
    assert "resume" not in run["params"]


def test_failed_and_skipped_jobs_are_runs_too(sweep: Path) -> None:
    for number, status in ((0, "failed"), (1, "skipped")):
        results = Results.load(sweep / str(number))
        results.status, results.error = status, {"kind": "Crash", "message": f"it {status}"}
        results.save(sweep / str(number))
        log_folder(sweep / str(number), parent=sweep, target=target(sweep))
    found = records(target(sweep))
    runs = [found[Results.load(sweep / str(number)).id] for number in (0, 1)]
    assert [run["status"] for run in runs] == ["FAILED", "FINISHED"]
    assert runs[0]["tags"]["error"] == "it failed"
    assert "it skipped" in runs[1]["tags"]["mlflow.note.content"]


# ------------------------------------------------------------------------------------ the moved store


def test_a_moved_store_is_noticed_and_mended(sweep: Path) -> None:
    log_all(sweep, target(sweep))
    before = records(target(sweep))
    old = (sweep.parent / "mlruns").rename(sweep.parent / "old_name")
    new = sweep.parent / "else_where" / "100%_runs"  # with what SQL's LIKE takes for patterns
    new.parent.mkdir()
    shutil.move(old, new)
    moved = Target(root=str(new))
    assert mlflow_log.moved_from(new) == str(sweep.parent / "mlruns")
    with pytest.raises(LoggingFailed, match="repair"):
        log_folder(sweep / "0", target=moved)
    done = mlflow_log.repair(new)
    assert done.backup is not None
    assert done.backup.is_file()
    assert done.missing == []
    assert mlflow_log.moved_from(new) is None
    assert mlflow_log.repair(new).changed == 0
    assert records(moved) == before
    with sqlite3.connect(new / "mlflow.db") as database:
        dump = "\n".join(database.iterdump())
    assert str(sweep.parent / "mlruns") not in dump.replace(str(new), "").replace(f"'{sweep.parent}/mlruns'", "")
    log_folder(sweep / "0", target=moved)
    models = mlflow_log.client(moved).search_logged_models(["1"])
    assert all(Path(model.artifact_location.removeprefix("file://").replace("%25", "%")).is_dir() for model in models)


def test_repair_tells_what_is_not_there(sweep: Path) -> None:
    log_folder(sweep / "0", target=target(sweep))
    run = next((sweep.parent / "mlruns/artifacts").glob("*/artifacts/results.json")).parent
    shutil.rmtree(run)
    assert mlflow_log.repair(sweep.parent / "mlruns").missing == [str(run)]


def test_pictures_that_were_drawn_after_a_job_was_logged_are_sent_too(sweep: Path) -> None:
    shutil.rmtree(sweep / "0/plots", ignore_errors=True)
    log_folder(sweep / "0", parent=sweep, target=target(sweep))
    assert pending([sweep / "0"]) == []
    (sweep / "0/plots").mkdir()
    (sweep / "0/plots/stages.png").write_bytes(b"drawn")
    (todo,) = pending([sweep / "0"])
    todo.send()
    assert pending([sweep / "0"]) == []
    run = records(target(sweep))[Results.load(sweep / "0").id]
    assert "plots/stages.png" in run["artifacts"]


# ----------------------------------------------------------------------------------------- small parts


def test_targets_are_checked() -> None:
    with pytest.raises(StoreError, match=r"needs mlflow\.uri"):
        target_of({"mlflow": {"name": "server"}})
    with pytest.raises(StoreError, match="accepted: local, server, off"):
        target_of({"mlflow": {"name": "cloud"}})
    assert target_of({"mlflow": {"name": "off"}}).kind == "off"


def test_half_a_character_in_a_name_is_logged_as_its_escape(sweep: Path) -> None:
    results = Results.load(sweep / "0")
    results.name, results.overrides = "half \udcff", ["dataset.root=\udcff"]
    results.config["dataset"] = {"name": "folder", "root": "/data/\udcff"}
    results.dataset["name"] = "\udcff"
    results.save(sweep / "0")
    log_folder(sweep / "0", parent=sweep, target=target(sweep))
    run = records(target(sweep))[results.id]
    assert run["params"]["dataset.root"] == "/data/\\udcff"
    assert run["tags"]["overrides"] == "dataset.root=\\udcff"


def test_params_leave_out_what_is_not_set(sweep: Path) -> None:
    results = Results.load(sweep / "0")
    results.config = {"tracker": {"name": "x", "a": {"b": 1}, "c": None, "d": "y" * 900}, "seed": 0, "resume": "off"}
    found = content.params_of(results)
    assert found == {"tracker": "x", "tracker.a.b": "1", "tracker.d": "y" * content.PARAM_LIMIT, "seed": "0"}


def test_credentials_of_an_address_are_in_no_file_and_reach_the_server(
    sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_ADDRESSES", "{}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    gone = target_of({"mlflow": {"name": "server", "uri": f"http://someone:s3cret@127.0.0.1:{port}"}})
    assert gone.tracking_uri == f"http://127.0.0.1:{port}"
    assert (gone.address, gone.credentials) == (gone.tracking_uri, ("someone", "s3cret"))
    with pytest.raises(LoggingFailed) as failure:
        log_folder(sweep / "0", parent=sweep, target=gone)
    assert "s3cret" not in str(failure.value)
    assert all(b"s3cret" not in path.read_bytes() for path in sweep.rglob("*") if path.is_file())


def test_a_copy_in_another_store_leaves_the_record_of_the_first(sweep: Path) -> None:
    folder = sweep / "0"
    first = log_folder(folder, target=Target(root=str(sweep.parent / "mlruns"), experiment="nightly"))
    shutil.copytree(sweep.parent / "mlruns", sweep.parent / "elsewhere")
    mlflow_log.repair(sweep.parent / "elsewhere")
    other = mlflow_log.explicit_target(None, None, True, str(sweep.parent / "elsewhere"))
    (todo,) = pending([folder], other)
    assert todo.target.experiment == "nightly"
    second = todo.send()
    assert first is not None
    assert second is not None
    assert pending([folder]) == []
    assert pending([folder], other) == []
    assert State.load(folder).logged == first
    assert State.load(folder, todo.target).logged == second
    client = mlflow_log.client(todo.target)
    assert client.get_experiment(second.experiment_id).name == "nightly"


def test_a_run_that_is_there_is_not_reported_as_missing(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = sweep / "0"
    logged = log_folder(folder, target=target(sweep))

    def lost(*_: object) -> None:
        raise ConnectionError("the answer was lost")

    monkeypatch.setattr(mlflow_log.folders, "_log_job", lost)
    assert log_folder(folder, target=target(sweep)) == logged
    assert pending([folder]) == []


@pytest.mark.parametrize("name", ["feature%20x", "a?b", "a#b", "it's", "ünï cödé", "100%", "$HOME"])
def test_a_store_lies_in_its_own_folder_whatever_signs_the_name_has(sweep: Path, name: str) -> None:
    root = sweep.parent / name / "mlruns"
    shutil.copytree(sweep.parent / "mlruns", root)
    mlflow_log.repair(root)
    where = Target(root=str(root))
    log_folder(sweep / "0", target=where)
    assert (root / "mlflow.db").is_file()
    assert list((root / "artifacts").glob("*/artifacts/results.json"))
    assert sorted(path.name for path in sweep.parent.iterdir()) == sorted({"mlruns", "sweep", name})


def test_a_path_too_long_for_the_database_is_refused_at_once(tmp_path: Path) -> None:
    root = tmp_path.joinpath(*["d" * 100] * 6)
    began = time.monotonic()
    with pytest.raises(StoreError, match="SQLite takes at most"):
        mlflow_log.check_writable(root)
    assert time.monotonic() - began < 5


def test_the_columns_of_the_list_of_runs_are_those_that_the_catalogue_names():
    from harness.publish.mlflow.store import columns

    found = columns()
    settings = ["backend", "device", "hint", "quantization", "threads", "task", "tracker", "status"]
    assert found[:8] == [f"tags.`{name}`" for name in settings]
    assert found[8:11] == ["metrics.`ao`", "metrics.`sr50`", "metrics.`auc`"]
    assert {"metrics.`fps`", "metrics.`latency_ms/p99`", "metrics.`agreement/mean_iou`"} <= set(found)
    assert not any("*" in name for name in found)


def test_the_shared_view_puts_settings_before_metrics():
    from harness.publish.mlflow.store import columns, view

    found = view()
    assert found["columnOrder"] == found["selectedColumns"] == columns()
    assert set(found["columnWidths"]) == {name for name in columns() if name.startswith("tags.")}


def test_a_sweeps_run_has_the_winners_metrics_and_each_job_its_verdict(sweep: Path) -> None:
    for number in range(3):
        (sweep / str(number) / "verdict.json").write_text(json.dumps({"verdict": f"job {number} is fine."}))
    (sweep / "verdict.json").write_text(json.dumps({"headlines": [], "kind": "fastest", "leader": "2"}))
    (sweep / "report.html").write_text("<html></html>")
    log_all(sweep, target(sweep))
    found = records(target(sweep))
    parent = found[json.loads((sweep / "sweep.json").read_text())["id"]]
    winner = Results.load(sweep / "2")
    logged = {name: points[-1][2] for name, points in parent["metrics"].items()}
    assert {name: value for name, value in logged.items() if not name.startswith("agreement/")} == winner.metrics
    assert parent["tags"]["dataset"] == winner.choice("dataset") != ""
    note = found[winner.id]["tags"]["mlflow.note.content"]
    assert note.startswith("job 2 is fine.")
    identity = json.loads((sweep / "sweep.json").read_text())["id"]  # records write identities for the store's own ids
    assert f"[Report](#/experiments/ID/runs/{identity}/artifactPath/report.html?workflowType=machine_learning)" in note
