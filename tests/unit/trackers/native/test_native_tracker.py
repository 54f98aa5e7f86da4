"""tracker=native: which settings are accepted, what the key depends on, and which pairs make no sense."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import pytest
from foreign_trackers import FOREIGN, PROGRAM, copy_of_repo, native
from small_jobs import small_config

from harness.backends.native import Native as Backend
from harness.core.errors import ConfigError, SkipJob, WeightsError
from harness.jobs.compose import make_plan
from harness.jobs.experiment import build_experiment
from harness.prepare.plan import Settings, plan
from harness.trackers.native import Native
from harness.trackers.native.sources import digest, module_file


def key(spec: Native) -> str:
    return plan(spec, Backend(), Settings(), 0).key


# --------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"path": ["."]}, r"tracker.factory is missing, and tracker.path is given"),
        ({"factory": "matching.Echo"}, r"tracker.factory is 'matching.Echo'; accepted: package.module:name"),
        ({"factory": "nowhere_to_be_found:Tracker"}, "module 'nowhere_to_be_found' is not found; add its folder"),
        ({"factory": "cv2:TrackerMil"}, r"this OpenCV \(.*\) has no TrackerMil; it has .*cv2:TrackerMIL"),
        ({"factory": "cv2:TrackerMIL", "path": ["/nowhere"]}, "tracker.path names /nowhere, which is not a folder"),
        ({"factory": "cv2:TrackerMIL", "cwd": "/nowhere"}, "tracker.cwd is /nowhere, which is not a folder"),
        ({"factory": "cv2:TrackerMIL", "python": "/nowhere/python"}, "tracker.python is /nowhere/python"),
        ({"style": "trax"}, r"tracker.style=trax runs a program: tracker.command=\[PROGRAM,ARGUMENT,...\]"),
        ({"command": ["ls"], "style": "got10k"}, "tracker.command is for tracker.style=trax"),
        ({"command": ["ls"], "factory": "cv2:TrackerMIL"}, "tracker.factory has no meaning for a program"),
        ({"timeout": 0.0}, "tracker.timeout is 0.0"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_runs(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Native(**settings)  # type: ignore[arg-type]


def test_a_program_that_is_not_there_is_reported() -> None:
    pytest.importorskip("trax", reason="the extra [trax] is not installed")
    with pytest.raises(ConfigError, match="there is no program '/nowhere/tracker'"):
        Native(command=["/nowhere/tracker"])


def test_weights_that_are_not_there_are_reported() -> None:
    with pytest.raises(WeightsError, match=r"tracker.weights is nowhere.pth, but there is no file"):
        native("matching:Echo", weights="nowhere.pth").source()


def test_without_a_factory_opencvs_own_tracker_runs_and_is_given_blue_first() -> None:
    spec = Native()
    assert (spec.factory, spec.color) == ("cv2:TrackerMIL", "bgr")
    assert hasattr(cv2, "TrackerMIL")


# --------------------------------------------------------------------------------------------- the key


def test_the_key_changes_with_the_code_the_settings_the_weights_and_the_python(tmp_path: Path) -> None:
    repo = copy_of_repo(tmp_path)
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"one")

    def spec(**settings: object) -> Native:
        return native("lib.test.tracker.follow:Follow", path=[str(repo)], weights=str(weights), **settings)

    first = key(spec())
    assert key(spec()) == first
    assert key(spec(options={"dataset_name": "other"})) != first
    assert key(spec(style="pytracking")) != first
    assert key(spec(python=sys.executable)) != first
    (repo / "README.txt").write_text("no code")
    assert key(spec()) == first
    (repo / "experiments" / "small.json").write_text('{"reach": 3}')
    second = key(spec())
    assert second != first
    with (repo / "lib" / "test" / "parameter" / "follow.py").open("a") as file:
        file.write("# another line\n")
    third = key(spec())
    assert third != second
    weights.write_bytes(b"two!")
    assert key(spec()) != third


def test_a_programs_own_file_enters_the_key(tmp_path: Path) -> None:
    pytest.importorskip("trax", reason="the extra [trax] is not installed")
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.read_text())
    spec = Native(command=[sys.executable, str(script)])
    before = key(spec)
    script.write_text(PROGRAM.read_text() + "# more\n")
    assert key(spec) != before


def test_a_folder_full_of_frames_is_not_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.trackers.native.sources.MOST_ENTRIES", 5)
    for number in range(6):
        (tmp_path / f"{number:08d}.jpg").touch()
    with pytest.raises(ConfigError, match=r"holds more than 5 files.*tracker\.code=\[PATH,\.\.\.\]"):
        digest([tmp_path])


def test_a_module_is_found_without_running_its_package(tmp_path: Path) -> None:
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    (tmp_path / "outer" / "__init__.py").write_text("raise RuntimeError('run')\n")
    (tmp_path / "outer" / "inner" / "leaf.py").write_text("")
    assert module_file("outer.inner.leaf", [tmp_path]) == tmp_path / "outer" / "inner" / "leaf.py"
    assert module_file("outer.gone", [tmp_path]) is None


# --------------------------------------------------------------------------------------------- pairs


def words(tmp_path: Path, *extra: str) -> list[str]:
    return [f"tracker.path=[{FOREIGN}]", "tracker.factory=matching:Matching", f"prepare.cache={tmp_path}", "mlflow=off", *extra]


def test_naming_the_tracker_chooses_the_backend_unless_one_is_named(tmp_path: Path) -> None:
    own = make_plan(["tracker=native", *words(tmp_path)], False, None, []).jobs[0][1]
    assert own["backend"]["name"] == "native"
    build_experiment(own)
    named = make_plan(["tracker=native", "backend=openvino", *words(tmp_path)], False, None, []).jobs[0][1]
    with pytest.raises(SkipJob, match="its own code, to run as it is, which backend=openvino cannot run; choose backend=native"):
        build_experiment(named)


def test_graphs_on_the_native_backend_are_skipped(tmp_path: Path) -> None:
    with pytest.raises(SkipJob, match="backend=native runs trackers as they are, and this one is graphs, loaded from a checkpoint of torch"):
        build_experiment(small_config(tmp_path, "backend=native"))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("task=benchmark_app", "benchmark_app is OpenVINO's"),
        ("task=explain_gap", "choose backend=openvino"),
        ("task=profile", "native"),
        ("quantization=int8", "quantization=int8 with backend=native"),
        ("hint=latency", "hint=latency is OpenVINO's"),
        ("tracker.weights=random", "cannot draw weights"),
        ("task.feedback=truth", "cannot be put anywhere"),
    ],
)
def test_what_needs_graphs_is_skipped_with_the_reason(tmp_path: Path, word: str, said: str) -> None:
    config = make_plan(["tracker=native", *words(tmp_path, word)], False, None, []).jobs[0][1]
    with pytest.raises(SkipJob, match=said):
        build_experiment(config)
