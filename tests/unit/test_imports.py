"""The parent loads no runtime, the child neither hydra nor mlflow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fakes import tiny_dataset

RUNTIMES = {"torch", "onnx", "onnxruntime", "openvino", "nncf"}


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("harness.cli.main", RUNTIMES | {"mlflow"}),
        ("harness.jobs.runner", RUNTIMES | {"mlflow", "hydra"}),
        ("harness.jobs.worker", RUNTIMES | {"mlflow", "hydra", "matplotlib"}),
        ("harness.trackers.smat.tracker", RUNTIMES),
        ("harness.datasets.demo.dataset", RUNTIMES),
    ],
)
def test_importing_stays_light(module: str, unwanted: set[str]) -> None:
    code = f"import sys, {module}; print(*sorted(set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert unwanted & set(done.stdout.split()) == set()


def test_building_a_job_in_the_parent_loads_no_runtime(tmp_path: Path) -> None:
    root = tiny_dataset(tmp_path / "data")
    code = f"""
import sys
from harness.jobs.compose import make_plan
from harness.jobs.experiment import build_experiment
plan = make_plan(["tracker=smat", "tracker.weights=random", "dataset=folder", "dataset.root={root}", "dataset.split=val"], False, None, [])
build_experiment(plan.jobs[0][1]).step().key
print(*sorted(set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert RUNTIMES & set(done.stdout.split()) == set()
