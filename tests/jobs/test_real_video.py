"""NanoTrack's real weights on real video: the known accuracy on every backend, and the reference's boxes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import harness, with_cache

from harness.core.results import read_numbers, track_paths
from harness.scoring.agreement import agreement

KNOWN = {"v1": 0.6365, "v2": 0.7066, "v3": 0.7013}
WEIGHTS = {"v1": "nanotrackv1.pth", "v2": "nanotrackv2.pth", "v3": "nanotrackv3.pth"}
ONNX = {
    "v1": ("nanotrack_backbone_sim.onnx", "nanotrack_head_sim.onnx"),
    "v3": ("nanotrack_backbone.onnx", "nanotrack_head.onnx"),
}


def words(shared: Path, version: str, weights: str) -> list[str]:
    return [
        "tracker=nanotrack", f"tracker.version={version}", f"tracker.weights={weights}", "dataset=folder",
        f"dataset.root={shared / 'real'}", "dataset.split=val", "mlflow=off",
    ]


def boxes(tracks: Path) -> dict[str, np.ndarray]:
    return {place.name: read_numbers(track_paths(tracks, place.name)[0]) for place in sorted(tracks.iterdir())}


def assert_near_reference(shared: Path, version: str, job: Path) -> None:
    """The first 20 frames of every sequence agree to 0.05 px; later frames feed rounding back."""
    reference = boxes(shared / "nanotrack/reference" / version)
    found = boxes(job / "tracks")
    assert found.keys() == reference.keys()
    assert len(found) == 12
    for name, expected in reference.items():
        assert np.abs(found[name][:20] - expected[:20]).max() < 0.05, name


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_every_backend_reaches_the_known_accuracy(shared: Path, tmp_path: Path, prepared: Path, version: str) -> None:
    weights = shared / "nanotrack" / version / WEIGHTS[version]
    backends = "torch,onnx,openvino" if version == "v3" else "onnx,openvino"
    done = harness(
        *words(shared, version, str(weights)), "-m", f"backend={backends}", "task.mode=parallel", "hydra.sweep.dir=out",
        cwd=with_cache(tmp_path, prepared), timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "out/summary.csv")
    assert len(table) == len(backends.split(","))
    first = boxes(tmp_path / "out/0/tracks")
    for index, backend in enumerate(backends.split(",")):
        job = tmp_path / "out" / str(index)
        results = json.loads((job / "results.json").read_text())
        assert abs(results["metrics"]["ao"] - KNOWN[version]) < 0.01, backend
        assert results["dataset"]["scored_frames"] == 1384
        assert agreement(boxes(job / "tracks"), first).mean_iou >= 0.97, backend
        if backend == "onnx":
            assert_near_reference(shared, version, job)


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("version", ["v1", "v3"])
def test_the_authors_onnx_files_are_the_same_tracker(shared: Path, tmp_path: Path, prepared: Path, version: str) -> None:
    files = ",".join(str(shared / "nanotrack" / version / name) for name in ONNX[version])
    done = harness(
        *words(shared, version, f"[{files}]"), "backend=onnx", "task.mode=parallel", "hydra.run.dir=out",
        cwd=with_cache(tmp_path, prepared), timeout=900,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert abs(results["metrics"]["ao"] - KNOWN[version]) < 0.01
    assert_near_reference(shared, version, tmp_path / "out")


@pytest.mark.shared
def test_torch_refuses_onnx_files_with_a_reason(shared: Path, tmp_path: Path) -> None:
    files = ",".join(str(shared / "nanotrack/v3" / name) for name in ONNX["v3"])
    done = harness(*words(shared, "v3", f"[{files}]"), "backend=torch", cwd=tmp_path)
    assert done.returncode == 2
    assert "loaded from ONNX files, which backend=torch cannot run; choose backend=onnx" in done.stderr
