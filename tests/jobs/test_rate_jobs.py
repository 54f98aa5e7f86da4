"""Jobs at a camera's rate through the command line: realtime, capacity, soak, and the verdict of target_fps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import harness, with_cache
from fakes import standing_conf, tiny_dataset

from harness.jobs.compose import make_plan


@pytest.fixture
def words(tmp_path: Path, prepared: Path) -> list[str]:
    """A job of the standing tracker on tiny frames, its models are shared."""
    with_cache(tmp_path, prepared)
    root, conf = tiny_dataset(tmp_path / "data", sequences=2), standing_conf(tmp_path / "conf")
    return ["--config-dir", str(conf), "tracker=standing", "dataset=folder", f"dataset.root={root}", "dataset.split=val", "backend=torch"]


def results_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text())


def test_zero_latency_gives_what_evaluate_gives_and_a_slow_tracker_does_not(tmp_path: Path, words: list[str]) -> None:
    assert harness(*words, "mlflow=off", "hydra.run.dir=plain", cwd=tmp_path).returncode == 0
    done = harness(
        *words, "mlflow=off", "task=realtime", "task.fps=[10,25]", "task.clock=fixed", "-m", "task.latency_ms=0,250",
        "hydra.sweep.dir=live", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    plain = results_of(tmp_path / "plain")
    at_once, slow = (results_of(tmp_path / "live" / name) for name in "01")
    for key in ("ao", "sr50", "sr75"):
        assert at_once["metrics"][f"realtime/25/{key}"] == plain["metrics"][key]
    assert slow["metrics"]["realtime/10/dropped"] > 0.5
    assert "Accuracy at the camera's rate" in done.stdout
    assert "every update took 250 ms by assumption" in done.stdout
    assert harness("compare", "live", "--fail-if", "realtime/10/ao < -0.001", cwd=tmp_path).returncode == 0
    judged = harness("compare", "live", "--fail-if", "realtime/10/dropped > +0.1", cwd=tmp_path)
    assert judged.returncode == 1 and "which meets" in judged.stdout + judged.stderr
    assert "Accuracy at the camera" in (tmp_path / "live" / "report.html").read_text()
    assert len(pd.read_parquet(tmp_path / "live/0/realtime.parquet")) == 2 * 2 * 8


def test_a_resumed_job_tracks_what_is_missing(tmp_path: Path, words: list[str]) -> None:
    job = [*words, "mlflow=off", "task=realtime", "task.fps=[10,25]", "task.clock=fixed", "task.latency_ms=150"]
    assert harness(*job, "hydra.run.dir=job", cwd=tmp_path).returncode == 0
    before = results_of(tmp_path / "job")
    (tmp_path / "job/results.json").unlink()
    (tmp_path / "job/sequences/25/seq_2.json").unlink()
    done = harness(*job, "resume=job", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    after = results_of(tmp_path / "job")
    assert after["details"]["resumed_runs"] == 3
    accurate = {name: value for name, value in before["metrics"].items() if name.startswith("realtime/")}
    assert accurate == {name: value for name, value in after["metrics"].items() if name.startswith("realtime/")}


def test_an_evaluation_drives_the_clock_of_a_later_job(tmp_path: Path, words: list[str]) -> None:
    assert harness(*words, "mlflow=off", "hydra.run.dir=plain", cwd=tmp_path).returncode == 0
    live = [*words, "mlflow=off", "task=realtime", "task.fps=[5000]", "task.clock=recorded", "task.recording=plain"]
    for name in ("first", "second"):
        done = harness(*live, f"hydra.run.dir={name}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    columns = ["source", "processed", "taken", "finished", *"xywh"]
    first, second = (pd.read_parquet(tmp_path / name / "realtime.parquet")[columns] for name in ("first", "second"))
    pd.testing.assert_frame_equal(first, second)


def test_a_target_adds_a_share_and_a_verdict(tmp_path: Path, words: list[str]) -> None:
    done = harness(*words, "mlflow=off", "target_fps=0.01", "hydra.run.dir=job", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert results_of(tmp_path / "job")["metrics"]["budget/over"] == 0.0
    assert "keeps up with 0.01 fps: p99" in done.stdout


def test_a_target_that_is_not_a_rate_is_the_users_mistake(tmp_path: Path, words: list[str]) -> None:
    done = harness(*words, "target_fps=-3", cwd=tmp_path)
    assert done.returncode == 2
    assert "target_fps is -3" in done.stderr


def test_capacity_and_soak_are_logged_with_their_metrics_and_files(tmp_path: Path, words: list[str]) -> None:
    done = harness(
        *words, "task=capacity", "task.fps=5", "task.deadline_ms=10000", "task.most=2", "task.least_s=0.3", "task.most_s=0.5",
        "hydra.run.dir=capacity", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "How many cameras fit" in done.stdout
    assert results_of(tmp_path / "capacity")["metrics"]["capacity/streams"] >= 0
    assert (tmp_path / "capacity/capacity.json").is_file() and (tmp_path / "capacity/plots/capacity.png").is_file()
    done = harness(*words, "task=soak", "task.minutes=0.08", "hydra.run.dir=soak", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = results_of(tmp_path / "soak")
    assert found["metrics"]["soak/fps_first"] > 0 and (tmp_path / "soak/soak.csv").is_file()
    assert "Whether the speed lasts" in done.stdout
    assert ("energy/watts" in found["metrics"]) == bool(found["details"]["soak"]["counters"])


def test_the_recipe_compares_the_formats_at_five_rates() -> None:
    plan = make_plan(["experiment=realtime", "mlflow=off"], False, None, [])
    chosen = [(config["backend"]["name"], config["quantization"]["name"]) for _, config in plan.jobs]
    assert {("torch", "none"), ("onnx", "none"), ("openvino", "none"), ("openvino", "int8")} <= set(chosen)
    assert all(list(config["task"]["fps"]) == [15, 30, 60, 120, 240] for _, config in plan.jobs)
