"""A person's tracker whose graph exists only as IR, through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import harness
from fakes import tiny_dataset
from own_tracker import save_ir

YAML = """\
name: own
target: own_tracker.Own
kind: openvino
factory: own_tracker:paths
weights: [graph.xml]
fault: ''
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ir")
    tiny_dataset(folder / "data", sequences=3, frames=12)
    save_ir(folder / "graph.xml")
    (folder / "conf" / "tracker").mkdir(parents=True)
    (folder / "conf" / "tracker" / "own.yaml").write_text(YAML)
    return folder


def words(*more: str) -> list[str]:
    return ["--config-dir", "conf", "tracker=own", "dataset=folder", "dataset.root=data", "dataset.split=val", "mlflow=off", *more]


def results(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "results.json").read_text())
    assert isinstance(found, dict)
    return found


def test_other_backends_are_skipped_with_the_reason_and_the_sweep_is_well(place: Path) -> None:
    done = harness(*words("-m", "backend=openvino,onnx,torch", "hydra.sweep.dir=outputs/sweep"), cwd=place)
    assert done.returncode == 0, done.stderr
    found = [results(place / f"outputs/sweep/{index}") for index in range(3)]
    assert [item["status"] for item in found] == ["ok", "skipped", "skipped"]
    for item, backend in zip(found[1:], ("onnx", "torch"), strict=True):
        assert f"loaded from OpenVINO's IR, which backend={backend} cannot run" in item["error"]["message"]
    assert found[0]["artifact"]["converter"] == "none (published IR)"


def test_another_backend_alone_is_the_users_mistake(place: Path) -> None:
    done = harness(*words("backend=onnx"), cwd=place)
    assert done.returncode == 2
    assert "loaded from OpenVINO's IR, which backend=onnx cannot run; choose backend=openvino" in done.stderr


@pytest.mark.slow
def test_ir_becomes_int8(place: Path) -> None:
    done = harness(
        *words("quantization=int8", "quantization.sequences=[seq_1]", "dataset.exclude=[seq_1]"),
        "quantization.subset_size=6", "quantization.compare_seconds=1", "hydra.run.dir=outputs/int8", cwd=place,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = results(place / "outputs/int8")
    assert found["artifact"]["precision"] == "int8"
    assert found["metrics"]["int8/layers_share"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "setting", "metric"),
    [("benchmark_app", "task.seconds=1", "benchmark_app/throughput_fps"), ("profile", "task.runs=3", "model_mb")],
)
def test_ir_is_measured_by_openvinos_own_tools(place: Path, task: str, setting: str, metric: str) -> None:
    done = harness(*words(f"task={task}", setting, f"hydra.run.dir=outputs/{task}"), cwd=place)
    assert done.returncode == 0, done.stderr
    assert results(place / f"outputs/{task}")["metrics"][metric] > 0
