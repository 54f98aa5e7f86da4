"""Files of a run are input too: whatever is edited in them ends in one sentence of ours, or in a comparison."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import make_runs
import pandas as pd
import pytest

from harness.cli.main import main
from harness.core.errors import DataError
from harness.core.results import Results, read_frames

Edit = Callable[[dict[str, Any]], Any]


def setting(path: str, value: Any) -> Edit:
    """Sets ``a.b.c`` to ``value``."""

    def edit(raw: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        node = raw
        for name in parents:
            node = node[name]
        node[last] = value

    return edit


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


WRONG: dict[str, tuple[Edit, str]] = {
    "metrics as a list": (setting("metrics", [1, 2]), "metrics is"),
    "a metric that is a word": (setting("metrics.ao", "abc"), "metrics.ao is 'abc'"),
    "a metric that is a list": (setting("metrics.fps", [1.0]), "metrics.fps"),
    "no speed at all": (setting("metrics.fps", 0), "metrics.fps is 0"),
    "a negative speed": (setting("metrics.fps", -3.5), "metrics.fps is -3.5"),
    "no configuration": (setting("config", None), "config is null"),
    "a configuration that is a word": (setting("config", "torch"), "config is 'torch'"),
    "a task that is a list": (setting("config.task", [1]), "config.task is [1]"),
    "a backend that is a number": (setting("config.backend", 3), "config.backend is 3"),
    "an unknown status": (setting("status", "great"), "status is 'great'"),
    "warnings that are no list": (setting("warnings", "none"), "warnings is 'none'"),
    "a warning that is no sentence": (setting("warnings", [1]), "warnings.0 is 1"),
    "sequences as a list": (setting("sequences", []), "sequences is"),
    "a sequence that is a number": (setting("sequences.seq_000", 3), "sequences.seq_000"),
    "an environment that is a list": (setting("environment", ["x"]), "environment is"),
    "an artifact that is null": (setting("artifact", None), "artifact is null"),
    "a name that is a number": (setting("name", 7), "name is 7"),
    "an end that is a number": (setting("ended", 7), "ended is 7"),
    "deep nesting": (setting("details", {"x": nested(200)}), "nested more than 40 levels"),
    "an identity that is null": (setting("id", None), "is not a results file"),
    "another schema": (setting("schema", 99), "schema 99"),
}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return make_runs.make_sweep(tmp_path / "s", [{"backend": "torch"}, {"backend": "onnx", "latency_ms": 50}])


def edited(sweep: Path, edit: Edit) -> Path:
    path = sweep / "1" / "results.json"
    raw = json.loads(path.read_text())
    edit(raw)
    path.write_text(json.dumps(raw))
    return path.parent


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_named_by_its_path(sweep: Path, name: str) -> None:
    edit, words = WRONG[name]
    with pytest.raises(DataError) as told:
        Results.load(edited(sweep, edit))
    assert words in str(told.value)
    assert "results.json" in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["metrics as a list", "no speed at all", "deep nesting", "no configuration"])
def test_compare_ends_with_one_sentence_and_exit_code_2(
    sweep: Path, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sweep.parent)
    edited(sweep, WRONG[name][0])
    assert main(["compare", str(sweep)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("error: ")


@pytest.mark.parametrize("group", ["task", "backend", "tracker", "dataset", "hint", "quantization", "mlflow"])
@pytest.mark.usefixtures("without_pictures")
def test_a_group_that_is_a_word_is_its_choice(sweep: Path, group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sweep.parent)
    edited(sweep, setting(f"config.{group}", "odd"))
    assert main(["compare", str(sweep), "--out", "report"]) == 0


@pytest.mark.parametrize("text", ["", "[", "[]", "null", "3", '"x"', "[" * 100_000, "\x00", '{"id": "x"}'])
def test_a_file_that_is_not_a_results_file_is_a_sentence(sweep: Path, text: str) -> None:
    (sweep / "1" / "results.json").write_text(text)
    with pytest.raises(DataError, match=r"results\.json"):
        Results.load(sweep / "1")


def test_what_was_not_finite_is_absent(sweep: Path) -> None:
    folder = edited(sweep, setting("metrics.mao", None))
    assert "mao" not in Results.load(folder).metrics


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda frames: frames.drop(columns="frame"), "no column 'frame'"),
        (lambda frames: frames.drop(columns="sequence"), "no column 'sequence'"),
        (lambda frames: frames.assign(seconds="fast"), "column 'seconds' holds"),
        (lambda frames: frames.assign(frame=-1), "negative"),
        (lambda frames: frames.assign(sequence=3), "column 'sequence'"),
    ],
)
def test_frames_that_are_not_a_jobs_are_a_sentence(sweep: Path, change: Callable[[pd.DataFrame], pd.DataFrame], words: str) -> None:
    path = sweep / "1" / "frames.parquet"
    change(pd.read_parquet(path)).to_parquet(path)
    with pytest.raises(DataError, match=words):
        read_frames(sweep / "1")


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"{}"])
def test_a_damaged_parquet_file_is_a_sentence(sweep: Path, data: bytes) -> None:
    (sweep / "1" / "frames.parquet").write_bytes(data)
    with pytest.raises(DataError, match=r"frames\.parquet"):
        read_frames(sweep / "1")
