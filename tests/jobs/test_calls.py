"""Jobs without a command line, twice in one process; and what of Hydra a person may use beside ours."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from fakes import standing_conf, tiny_dataset

from harness.core.errors import ConfigError, DataError, SkipJob
from harness.core.files import read_json
from harness.jobs import calls
from harness.jobs.compose import make_plan
from harness.jobs.task import objective_of

pytestmark = pytest.mark.usefixtures("without_pictures")
OFF = ["dataset=folder", "dataset.split=val", "task.warmup=1", "mlflow=off", "tracker=standing", "turns.seconds=0"]


@pytest.fixture(scope="module")
def cache(prepared: Path) -> Path:
    return prepared


@pytest.fixture
def place(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own folder with data and the tracker's YAML; prepared models are shared."""
    tiny_dataset(tmp_path / "data", sequences=1, frames=5)
    standing_conf(tmp_path / "conf")
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs/cache").symlink_to(cache)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_run_and_sweep_work_twice_in_one_process_and_leave_its_state_alone(place: Path) -> None:
    words = list(sys.argv)
    records = [calls.run([*OFF, "dataset.root=data", "backend=torch", f"seed={seed}"], "conf") for seed in (1, 2)]
    assert [record.results.config["seed"] for record in records] == [1, 2]
    assert records[0].folder != records[1].folder and all(record.exit_code == 0 for record in records)
    sweep = calls.sweep([*OFF, "dataset.root=data", "backend=torch", "seed=1,2", "objective=ao"], place / "conf")
    assert [job.results.name for job in sweep.jobs] == ["seed=1", "seed=2"]
    assert (sweep.exit_code, sweep.error) == (0, None)
    assert "seed" in sweep.summary.table and (sweep.folder / "summary.csv").is_file()
    assert sys.argv == words and Path.cwd() == place
    assert read_json(Path("outputs/last.json"))["folder"] == str(sweep.folder.resolve())


def test_a_call_that_is_wrong_raises_our_errors(place: Path) -> None:
    with pytest.raises(ConfigError, match="backend=onx is unknown"):
        calls.run(["backend=onx"])
    with pytest.raises(DataError, match="does not exist"):
        calls.run(["dataset=folder", "dataset.root=/no/such"])
    with pytest.raises(SkipJob, match="hint=throughput"):
        calls.run([*OFF, "dataset.root=data", "backend=torch", "hint=throughput"], "conf")
    with pytest.raises(ConfigError, match="not a folder"):
        calls.run([], "no-such-folder")
    with pytest.raises(ConfigError, match="objective is 3"):
        calls.run([*OFF, "dataset.root=data", "objective=3"], "conf")
    assert not list(Path("outputs").glob("20*"))


def test_a_job_that_fails_is_a_record_with_its_reason(place: Path) -> None:
    record = calls.run([*OFF, "dataset.root=data", "backend=openvino", "device=gpu"], "conf")
    assert record.exit_code == 2 and "OpenVINO sees no GPU here" in str(record.error)
    assert record.results.status == "failed" and record.summary is None


def test_a_sweep_in_folders_below_folders_with_chdir_keeps_one_cache_and_ends_whole(place: Path) -> None:
    (place / "conf/tracker/standing.yaml").write_text(
        "# Its seed is the job's number.\nname: standing\ntarget: standing_tracker.Standing\ntremble: false\n"
    )
    (place / "conf/mine").mkdir()
    (place / "conf/mine/numbered.yaml").write_text("# @package _global_\nseed: ${hydra:job.num}\n")
    record = calls.sweep(
        [
            *OFF, "dataset.root=data", "+mine=numbered", "backend=torch,onnx", "hydra.job.chdir=true",
            "hydra.sweep.subdir=${backend.name}/n${hydra.job.num}", "hydra.sweep.dir=outputs/it",
        ],
        "conf",
    )  # fmt: skip
    assert [str(job.folder) for job in record.jobs] == ["outputs/it/torch/n0", "outputs/it/onnx/n1"]
    assert [job.results.status for job in record.jobs] == ["ok", "ok"]
    assert [job.results.config["seed"] for job in record.jobs] == [0, 1]
    assert read_json(place / "outputs/it/sweep.json")["jobs"] == ["torch/n0", "onnx/n1"]
    assert (place / "outputs/it/summary.csv").read_text().count("\n") == 3
    assert not [path for path in record.folder.rglob("*") if path.name in ("cache", "outputs", "mlruns", "data")]
    assert read_json(record.folder / "onnx/n1/job.json")["config"]["dataset"]["root"] == str(place / "data")


def test_all_choices_of_a_group_are_swept_by_glob() -> None:
    plan = make_plan(["backend=glob(*,exclude=openvino*)"], True, None, [])
    names = [config["backend"]["name"] for _, config in plan.jobs]
    assert {"onnx", "torch"} <= set(names) and "openvino" not in names and names == sorted(names)


def test_each_job_is_composed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.jobs.compose import OnceLoader

    composed = []
    usual = OnceLoader.load_configuration

    def counted(self: OnceLoader, *arguments: object, **named: object) -> object:
        composed.append(arguments)
        return usual(self, *arguments, **named)

    monkeypatch.setattr(OnceLoader, "load_configuration", counted)
    plan = make_plan(["seed=1,2,3"], True, None, [])
    assert len(composed) == 4  # the call, and its three jobs
    assert plan.composed is not None
    loaded = plan.composed.loader.load_sweep_config(plan.composed.root, ["seed=2"])
    assert (loaded.seed, len(composed)) == (2, 4)
    loaded.seed = 9  # a launcher may change what it got
    assert plan.composed.loader.load_sweep_config(plan.composed.root, ["seed=2"]).seed == 2


def test_a_job_is_built_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.jobs import runner

    built = []
    usual = calls.build_experiment

    def counted(config: dict) -> object:
        built.append(config["seed"])
        return usual(config)

    monkeypatch.setattr(calls, "build_experiment", counted)
    monkeypatch.setattr(runner, "build_experiment", counted)
    calls.sweep([*OFF, "dataset.root=data", "backend=torch", "seed=1,2"], "conf")
    assert built == [1, 2]


@pytest.mark.parametrize("command", [["backend=torch", "experiment=formats"], ["experiment=formats", "backend=torch"]])
def test_the_command_line_outweighs_a_recipes_sweep(command: list[str]) -> None:
    plan = make_plan(command, False, None, [])
    assert plan.multirun and [config["backend"]["name"] for _, config in plan.jobs] == ["torch"]


def test_two_jobs_in_one_folder_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"hydra\.sweep\.subdir names the folder 'same' for several jobs"):
        make_plan(["seed=1,2", "hydra.sweep.subdir=same"], True, None, [])


def test_the_objective_is_a_number_a_tuple_or_not_a_number(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from harness.core.results import Results

    results = Results("a" * 32, "x", "ok", {}, metrics={"fps": 12.5, "ao": 0.5})
    assert objective_of(results, {"objective": "fps"}) == 12.5
    assert objective_of(results, {"objective": ["fps", "ao"]}) == (12.5, 0.5)
    assert objective_of(results, {}) is None
    missing = objective_of(results, {"objective": "sr50"})
    assert isinstance(missing, float) and missing != missing
    assert "no such metric" in capsys.readouterr().err
    results.status = "failed"
    failed = objective_of(results, {"objective": ["fps", "ao"]})
    assert isinstance(failed, tuple) and all(value != value for value in failed)


def test_a_path_with_signs_of_hydras_grammar_is_resumed(place: Path) -> None:
    first = calls.run([*OFF, "dataset.root=data", "backend=torch", "hydra.run.dir=\"outputs/it's\""], "conf")
    again = calls.run(["resume=last"])
    assert again.folder == first.folder and again.results.id == first.results.id
    assert json.loads((first.folder / "results.json").read_text())["ended"] == again.results.ended
