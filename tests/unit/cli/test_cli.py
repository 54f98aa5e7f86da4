"""Command lines become jobs before anything runs; mistakes are one sentence and exit code 2."""

from __future__ import annotations

import io
import itertools
import zipfile
from pathlib import Path

import pytest
from fakes import tiny_dataset

from harness.cli import main as cli
from harness.cli.words import parse
from harness.core.config import conf_folder
from harness.core.errors import ConfigError
from harness.core.options import summary_of
from harness.jobs.compose import make_plan
from harness.jobs.resume import plain_value

RANDOM = ["tracker=smat", "tracker.weights=random", "dataset=folder", "dataset.split=val"]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_sweep_is_expanded_in_the_order_of_the_command_line() -> None:
    plan = make_plan(["backend=torch,onnx", "seed=1,2"], True, None, [])
    assert [config["backend"]["name"] for _, config in plan.jobs] == ["torch", "torch", "onnx", "onnx"]
    assert [config["seed"] for _, config in plan.jobs] == [1, 2, 1, 2]
    assert plan.varied == ["backend", "seed"]


def test_values_are_shown_as_people_write_them() -> None:
    assert plain_value(r"package\:weights/smat_demo.safetensors") == "package:weights/smat_demo.safetensors"
    assert plain_value("'two words'") == "two words"
    assert plain_value("[a,b]") == "[a,b]"


def test_the_defaults_are_those_of_the_contract() -> None:
    (_, config), = make_plan([], False, None, []).jobs
    names = {group: section["name"] for group, section in config.items() if isinstance(section, dict) and "name" in section}
    assert names == {
        "backend": "openvino", "device": "cpu", "hint": "none", "quantization": "none", "tracker": "smat_demo",
        "dataset": "demo", "task": "evaluate", "mlflow": "local",
    }
    assert config["task"]["mode"] == "serial"
    assert config["resume"] == "off"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["backend=onx"], ["backend=onx is unknown", "did you mean 'onnx'", "onnx, openvino, "]),
        (["backnd=onnx"], ["no key 'backnd'", "did you mean 'backend'"]),
        (["task.mod=serial"], ["no key 'task.mod'", "did you mean 'task.mode'"]),
        (["backend.properties={X: 1}"], ["+backend.properties.NAME=VALUE"]),
        (["backend.properties.X=1"], ["+backend.properties.NAME=VALUE"]),
        (["backend=torch,onnx"], ["add -m"]),
        (["--nonsense"], ["unknown option --nonsense"]),
        (["a=[1"], ["cannot be understood"]),
        (["validat"], ["unknown command 'validat'", "did you mean 'validate'"]),
        (["dataset=folder", "dataset.root=/no/such", "tracker=smat", "tracker.weights=random"], ["/no/such", "does not exist"]),
        (["tracker=smat"], ["MobileViTv2_Track_ep0300.pth.tar", "github.com/goutamyg/SMAT", "tracker.weights="]),
        (["tracker=nanotrack"], ["github.com/HonglinChu", "tracker.weights="]),
        (["mlflow=server"], ["mlflow.uri="]),
        (["resume=last"], ["no run is recorded"]),
        (["resume=/tmp"], ["not a run's folder"]),
        (["--config-dir", "/no/such"], ["/no/such is not a folder"]),
        (["threads=0"], ["threads is 0"]),
        (["seed=-1"], ["seed is -1"]),
        (["backend=onnx", "backend.streams=2"], ["backend.streams is a key of backend=openvino and ", "leave the key out"]),
        (["mlflow=server", "mlflow.uri=notaurl"], ["mlflow.uri is 'notaurl'", "http://127.0.0.1:5000"]),
        (["task.workers=2"], ["task.workers", "task.executor=ray"]),
        (["-m", "hydra/launcher=local", "hydra.launcher.n_jobs=0"], ["hydra.launcher.n_jobs is 0", "a whole number from 1"]),
        (["hydra.run.dir=a_file/run"], ["a_file/run cannot be made", "hydra.run.dir"]),
        (["-m", "seed=1,2", "hydra.sweep.dir=a/${hydra.job.num}"], ["cannot be understood", "hydra.job.num"]),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(
    words: list[str], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a_file").write_text("")
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("error: ")
    for part in said:
        assert part in error


def foreign_archive() -> bytes:
    """A zip file that is no bundle."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("readme.txt", "hello")
    return data.getvalue()


@pytest.mark.parametrize("data", [b"hello", b"", b"PK\x03\x04" + bytes(40), foreign_archive(), foreign_archive()[:-9]], ids=["text", "empty", "half", "foreign", "cut"])
@pytest.mark.parametrize(
    "command", ["import x.zip --no-mlflow", "compare x.zip", "render x.zip -s worst", "export x.zip -o w", "pack x.zip", "score x.zip", "convert x.zip --to otb -o w"]
)
def test_a_wrong_archive_is_a_wrong_file_as_any_other(command: str, data: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.zip").write_bytes(data)
    assert cli.main(command.split()) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: x.zip ") and said.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["backend=torch", "hint=throughput"], "backend=torch takes hint=none"),
        (["backend=onnx", "device=npu"], "no provider for device=npu"),
        (["task.mode=serail"], "did you mean 'serial'"),
        (["task.warmup=0"], "task.warmup is 0"),
        (["prepare.exporter=other"], "accepted: dynamo, torchscript"),
        (["backend.precision=fp8"], "backend.precision is 'fp8'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tiny_dataset(tmp_path / "data", 1)
    assert cli.main([*RANDOM, f"dataset.root={root}", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_traceback_is_shown_only_when_asked_for(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_VERBOSE", "")  # so that the end of the test takes away what -v sets
    assert cli.main(["threads=0"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert cli.main(["threads=0", "-v"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_sweep_where_nothing_can_run_is_the_users_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["-m", "backend=torch,onnx", "dataset=folder", "dataset.root=/no/such"]) == 2
    assert "/no/such" in capsys.readouterr().err


def test_help_names_every_group_choice_and_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    conf = Path(conf_folder())
    for path in conf.glob("*/*.yaml"):
        if path.parent.name != "hydra":
            assert f"  {path.stem}" in text
    for word in cli.command_names():
        assert word in text


def test_every_yaml_file_says_what_it_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    shown = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    for path in Path(conf_folder()).glob("*/*.yaml"):
        said = summary_of(path)
        assert len(said) > 10 and not said.startswith("@"), path
        assert path.parent.name == "hydra" or [path.stem, said] in shown


def test_the_help_describes_an_experiment_by_its_sentence_not_by_hydras_directive(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert "@package" not in text
    assert "  drift          Which path makes boxes drift from PyTorch's" in text


def test_every_command_has_a_summary_and_an_example() -> None:
    for word, summary, example in cli.command_summaries():
        assert summary and example.startswith(f"python -m harness {word}"), word


def test_words_keep_their_order_and_unknown_options_are_refused(tmp_path: Path) -> None:
    found = parse(["-m", "a=1", "--cfg", "job", "--config-dir", str(tmp_path), "b=2"])
    assert (found.overrides, found.cfg, found.multirun) == (["a=1", "b=2"], "job", True)
    assert found.config_dir == str(tmp_path.resolve())
    with pytest.raises(ConfigError):
        parse(["--bogus"])


@pytest.mark.parametrize(
    ("words", "info", "overrides"),
    [(["--info"], "all", []), (["--info", "a=1"], "all", ["a=1"]), (["-i", "plugins"], "plugins", []), (["--info=defaults"], "defaults", [])],
)
def test_info_takes_a_word_where_there_is_one(words: list[str], info: str, overrides: list[str]) -> None:
    found = parse(words)
    assert (found.info, found.overrides) == (info, overrides)


@pytest.mark.parametrize("words", [["--cfg"], ["--cfg", "jobs"], ["--info=nothing"], ["--resolve"], ["--config-dir"]])
def test_an_option_with_a_wrong_value_is_refused(words: list[str]) -> None:
    with pytest.raises(ConfigError):
        parse(words)


def test_help_explains_a_key_once_until_its_words_change(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    told = capsys.readouterr().out
    datasets = told[told.index("\ndataset=\n") : told.index("\ntask=\n")]
    protocols = [line.rpartition("null: ")[2] for line in datasets.splitlines() if line.startswith("      dataset.protocol=")]
    assert all(one != other for one, other in itertools.pairwise(protocols))
    assert "as above: dataset.sequences=null" in datasets  # a benchmark after another with the same keys
    assert "search.branches" not in told  # a search space has no keys of its own
