"""Folders with odd names keep their own store; what a user gets wrong is said with the place and what to do."""

from __future__ import annotations

import sqlite3
import warnings
from pathlib import Path

import pytest
from command_line import SUPPORT, harness, process, with_cache
from patch_sequences import patch_clip, patch_split

from harness.core.results import Results

OWN = ("--config-dir", SUPPORT / "own", "tracker=standing", "backend=onnx")
FAILING = """\
import numpy as np
from standing_tracker import Standing, StandingTracker


class Failing(Standing):
    def start(self, sessions):
        return Fails(sessions["search"], False)


class Fails(StandingTracker):
    count = 0

    def update(self, image):
        self.count += 1
        if self.count == {frame}:
            {fault}
        return super().update(image)
"""


def logged(root: Path) -> list[str]:
    with sqlite3.connect(root / "mlruns/mlflow.db") as store:
        return [name for (name,) in store.execute("select name from runs")]


# --------------------------------------------------------------------------------- folders' names


@pytest.mark.parametrize("name", ["feature%20x", "main%2Fbranch", "a?b", "50% off", "it's here", "#1", "a&b=c", "日本"])
def test_a_run_in_a_folder_of_any_name_is_logged_there(tmp_path: Path, prepared: Path, name: str) -> None:
    patch_split(tmp_path / "base", ["alpha"])
    place = with_cache(tmp_path / name, prepared)
    done = harness(*OWN, "dataset=folder", f"dataset.root={tmp_path / 'base'}", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "not logged" not in done.stderr
    assert logged(place) == ["onnx standing"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["base", name])


def test_a_folder_named_like_a_variable_is_refused_at_once(tmp_path: Path) -> None:
    """Hydra keeps the current folder in its configuration, where ${...} is a variable."""
    place = tmp_path / "d${HOME}"
    place.mkdir()
    done = process(cwd=place)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "d${HOME}) contains ${, which settings take for a reference; change to another folder." in done.stderr
    assert list(place.iterdir()) == []


# -------------------------------------------------------------------------- a tracker of one's own


@pytest.mark.parametrize(
    ("frame", "fault", "told"),
    [
        (3, "raise KeyError('boom')", "KeyError: 'boom'"),
        (5, "assert False", "AssertionError"),
        (1, "{}['score']", "KeyError: 'score'"),
        (2, "raise ValueError('shapes (3,) and (4,)\\nsecond line')", "ValueError: shapes (3,) and (4,)"),
    ],
)
def test_an_exception_in_a_tracker_is_reported_with_sequence_frame_and_line(
    tmp_path: Path, prepared: Path, frame: int, fault: str, told: str
) -> None:
    patch_split(tmp_path / "base", ["alpha"])
    text = FAILING.replace("{frame}", str(frame)).replace("{fault}", fault)
    (tmp_path / "mytracker.py").write_text(text)
    line = next(number for number, row in enumerate(text.splitlines(), 1) if fault.splitlines()[0] in row)
    (tmp_path / "myconf/tracker").mkdir(parents=True)
    (tmp_path / "myconf/tracker/mine.yaml").write_text("name: mine\ntarget: mytracker.Failing\n")
    with_cache(tmp_path, prepared)
    done = harness(
        "--config-dir", "myconf", "tracker=mine", "backend=onnx", "dataset=folder", "dataset.root=base", "mlflow=off",
        "hydra.run.dir=it", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"alpha, frame {frame + 1}: the tracker failed with {told}" in done.stderr
    assert f"(mytracker.py, line {line})" in done.stderr
    assert "it/worker.log" in done.stderr
    assert "Traceback" not in done.stderr and "Traceback" in (tmp_path / "it/worker.log").read_text()


def test_a_box_that_is_not_finite_is_reported_once(tmp_path: Path, prepared: Path) -> None:
    patch_split(tmp_path / "base", ["alpha"])
    (tmp_path / "mytracker.py").write_text(FAILING.replace("{frame}", "3").replace("{fault}", "return np.full(4, np.nan)"))
    (tmp_path / "myconf/tracker").mkdir(parents=True)
    (tmp_path / "myconf/tracker/mine.yaml").write_text("name: mine\ntarget: mytracker.Failing\n")
    with_cache(tmp_path, prepared)
    words = ["--config-dir", "myconf", "tracker=mine", "backend=onnx", "dataset=folder", "dataset.root=base", "mlflow=off"]
    done = harness(*words, cwd=tmp_path)
    assert done.returncode == 1
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert error.count("alpha, frame 4") == 1 and "not finite" in error


# ------------------------------------------------------------------------------- the command line


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("dataset.path=clip#1.mp4", "'dataset.path=\"clip#1.mp4\"'"),
        ("tracker.weights=epoch=3.pth", "'tracker.weights=\"epoch=3.pth\"'"),
        ("dataset.sequences=[a[1]]", "'dataset.sequences=[\"a[1]\"]'"),
        ("dataset.sequences=[walk(2),run]", "'dataset.sequences=[\"walk(2)\",\"run\"]'"),
        ("dataset.path=my clip (1).mp4", "'dataset.path=\"my clip (1).mp4\"'"),
        ("dataset.root=a&b!", "'dataset.root=\"a&b!\"'"),
        ("hydra.run.dir=it's", "'hydra.run.dir=\"it'\"'\"'s\"'"),
    ],
)
def test_a_value_with_signs_of_the_grammar_is_answered_with_the_quotes_to_put(tmp_path: Path, word: str, quoted: str) -> None:
    done = harness(word, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "put the value in quotes" in done.stderr
    assert quoted in done.stderr
    assert "http" not in done.stderr and "Exception" not in done.stderr


def test_a_clip_with_a_comma_in_its_name_is_answered_with_the_quotes_too(tmp_path: Path) -> None:
    done = harness("dataset=video", "dataset.path=one,two.mp4", cwd=tmp_path)
    assert done.returncode == 2
    assert "add -m" in done.stderr and "'dataset.path=\"one,two.mp4\"'" in done.stderr


@pytest.mark.parametrize("name", ["it's here", "a=b", "run [1]", "50% #2", "comma, here"])
def test_a_run_in_a_quoted_folder_is_resumed(tmp_path: Path, prepared: Path, name: str) -> None:
    patch_split(tmp_path / "base", ["alpha"])
    with_cache(tmp_path, prepared)
    first = harness(*OWN, "dataset=folder", "dataset.root=base", "mlflow=off", f'hydra.run.dir="{name}"', cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    before = Results.load(tmp_path / name)
    for word in ("resume=last", f'resume="{name}"'):
        again = harness(word, cwd=tmp_path)
        assert again.returncode == 0, again.stderr
        assert Results.load(tmp_path / name).ended == before.ended


def test_a_folder_given_as_a_clip_is_answered_with_what_to_use(tmp_path: Path) -> None:
    patch_split(tmp_path / "frames", ["alpha"])
    done = harness("dataset=video", "dataset.path=frames", "dataset.init_box=[1,2,3,4]", cwd=tmp_path)
    assert done.returncode == 2
    assert "frames is a folder" in done.stderr and "dataset=folder dataset.root=frames" in done.stderr


def test_jobs_of_a_sweep_over_numbers_are_named_with_their_keys(tmp_path: Path, prepared: Path) -> None:
    patch_split(tmp_path / "base", ["alpha"])
    with_cache(tmp_path, prepared)
    words = [*OWN, "dataset=folder", "dataset.root=base", "mlflow=off", "-m", "seed=0,1", "task.warmup=1,2", "hydra.sweep.dir=sw"]
    done = harness(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = [Results.load(tmp_path / f"sw/{number}").name for number in range(4)]
    assert names == ["seed=0 warmup=1", "seed=0 warmup=2", "seed=1 warmup=1", "seed=1 warmup=2"]


# -------------------------------------------------------------------------------- names in pictures


def test_sequences_with_names_of_any_script_are_drawn_without_font_warnings(tmp_path: Path, prepared: Path) -> None:
    patch_split(tmp_path / "base", ["歩く人", "걷기", "行走的人", "run🏃", "Ünïcode"])
    with_cache(tmp_path, prepared)
    words = [*OWN, "dataset=folder", "dataset.root=base", "mlflow=off", "-m", "seed=0,1", "hydra.sweep.dir=sw"]
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        done = harness(*words, cwd=tmp_path, pictures=True)
    assert done.returncode == 0, done.stderr
    told = [str(item.message) for item in heard] + done.stderr.splitlines()
    assert not [line for line in told if "lyph" in line or "findfont" in line]
    assert list(Results.load(tmp_path / "sw/0").sequences) == ["歩く人", "걷기", "行走的人", "run🏃", "Ünïcode"]


def test_a_clip_with_a_name_of_another_script_is_tracked(tmp_path: Path, prepared: Path) -> None:
    patch_clip(tmp_path / "散歩 #1.avi", "MJPG", 6)
    with_cache(tmp_path, prepared)
    done = harness(
        *OWN, "dataset=video", 'dataset.path="散歩 #1.avi"', "dataset.init_box=[20,30,30,30]", "mlflow=off", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
