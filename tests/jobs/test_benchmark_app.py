"""benchmark_app, the ladder, the profile and the recipes by the command line, on a small network and tiny frames."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from command_line import PATH, harness, with_cache
from fakes import tiny_dataset
from small_jobs import SMALL

from harness.core.results import Results

OFF = "mlflow=off"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Path:
    folder = tmp_path_factory.mktemp("app")
    tiny_dataset(folder / "data", sequences=2, frames=8, size=(160, 120))
    return with_cache(folder, prepared)


def data(workplace: Path) -> list[str]:
    return ["dataset=folder", f"dataset.root={workplace / 'data'}", "dataset.split=val", "threads=1"]


def check_job(job: Results, hint: str) -> None:
    assert job.metrics["benchmark_app/throughput_fps"] > 1
    assert job.effective["hint"] == hint.upper()
    assert job.effective["precision"] == "float32"
    assert job.effective["api"] == ("sync" if hint == "latency" else "async")
    assert job.effective["threads"] == "1"


def test_sweep_over_formats(workplace):
    done = harness(
        "-m", "task=benchmark_app", "backend=torch,openvino", "hint=latency", "task.seconds=1", "task.percentiles=[]",
        "hydra.sweep.dir=sweep", OFF, *SMALL, *data(workplace), cwd=workplace, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    skipped, job = (Results.load(workplace / f"sweep/{number}") for number in range(2))
    assert skipped.status == "skipped"
    check_job(job, "latency")
    report = json.loads((workplace / "sweep/1/benchmark_app/benchmark_report.json").read_text())
    assert float(report["execution_results"]["throughput"]) == job.metrics["benchmark_app/throughput_fps"]


def report_model(job: Path) -> str:
    report = json.loads((job / "benchmark_app/benchmark_report.json").read_text())
    return str(report["cmd_options"]["-m"])


def test_recipe_prints_the_published_table(workplace):
    done = harness(
        "experiment=benchmark_app", "task.seconds=1", "task.percentiles=[]", "hydra.sweep.dir=recipe", OFF, *SMALL,
        *data(workplace), cwd=workplace, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Table 3: OpenVINO's benchmark_app" in done.stdout
    assert "26.35     89.33       75.76" in done.stdout
    assert (workplace / "recipe/plots/published_benchmark_app.png").is_file()
    for number, file in enumerate(("search.onnx", "search.xml")):
        check_job(Results.load(workplace / f"recipe/{number}"), "throughput")
        assert report_model(workplace / f"recipe/{number}").endswith(file)


def test_its_own_error_comes_back_as_a_sentence(workplace):
    done = harness(
        "task=benchmark_app", "+backend.properties.NO_SUCH_PROPERTY=1", "task.seconds=1", "hydra.run.dir=wrong", OFF,
        *SMALL, *data(workplace), cwd=workplace, timeout=900,
    )  # fmt: skip
    assert done.returncode == 1
    assert "benchmark_app failed" in done.stderr
    assert "NO_SUCH_PROPERTY" in done.stderr
    assert "Traceback" not in done.stderr
    assert Results.load(workplace / "wrong").status == "failed"


def test_interrupt_ends_the_app(workplace):
    words = ["task=benchmark_app", "task.seconds=60", "hydra.run.dir=stopped", OFF, *SMALL, *data(workplace)]
    found = {**os.environ, "PYTHONPATH": PATH}
    job = subprocess.Popen(
        [sys.executable, "-m", "harness", *words], cwd=workplace, env=found, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    app = None
    until = time.monotonic() + 120
    while app is None and time.monotonic() < until and job.poll() is None:
        time.sleep(0.2)
        for child in psutil.Process(job.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):  # a child may end while it is looked at
                if any("benchmark_app" in word for word in child.cmdline()[:2]):
                    app = child
    assert app is not None, job.communicate(timeout=10)
    job.send_signal(signal.SIGINT)
    assert job.wait(30) == 130
    app.wait(10)
    assert not app.is_running()


def test_gap_is_accounted_for(workplace):
    done = harness(
        "task=explain_gap", "task.frames=6", "task.seconds=1", "hydra.run.dir=gap", OFF, *SMALL, *data(workplace),
        cwd=workplace, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "+ decoding" in done.stdout
    results = Results.load(workplace / "gap")
    steps = [value for name, value in results.metrics.items() if name.startswith("gap/step_ms/")]
    whole = results.metrics["gap/ms/pipeline"] - results.metrics["gap/ms/benchmark_app"]
    assert sum(steps) == pytest.approx(whole)
    ladder = results.details["ladder"]
    assert all(len(row["rounds_ms"]) == 5 for row in ladder["rows"])
    assert ladder["counted"]["throughput_is_the_loop"] is True
    assert list((workplace / "gap/plots").glob("gap_*.png"))


def test_profile_names_the_slowest_layers(workplace):
    done = harness(
        "task=profile", "backend=openvino", "task.runs=3", "hydra.run.dir=profile", OFF, *SMALL, *data(workplace),
        cwd=workplace, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Convolution" in done.stdout
    assert list((workplace / "profile/plots").glob("profile_*.png"))


def test_values_on_the_command_line_replace_a_recipes_own(workplace):
    done = harness(
        "experiment=formats", "backend=onnx,openvino", "hydra.sweep.dir=two", OFF, *SMALL, *data(workplace),
        cwd=workplace, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (workplace / "two").iterdir() if path.name.isdigit()) == ["0", "1"]
    assert "Table 1" in done.stdout


@pytest.mark.shared
def test_drift_names_fp16_weights(shared, tmp_path, prepared):
    done = harness(
        "experiment=drift", "backend=onnx,openvino,openvino_fp16", "tracker=nanotrack", "tracker.version=v3",
        f"tracker.weights=[{shared}/nanotrack/v3/nanotrack_backbone.onnx,{shared}/nanotrack/v3/nanotrack_head.onnx]",
        "dataset=folder", f"dataset.root={shared}/real", "dataset.split=val", "dataset.limit=1", OFF, cwd=with_cache(tmp_path, prepared), timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "openvino_fp16" in done.stdout
    assert "drifts" in done.stdout
