"""Random weights amplify rounding as no trained network does; every conversion of NanoTrack holds all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import tiny_dataset

PREPARE = """
import json, sys
from pathlib import Path
from harness.jobs.compose import make_plan
from harness.jobs.experiment import build_experiment
from harness.machine.progress import Silent
from harness.prepare.steps import realise

cache, root, exporter = Path(sys.argv[1]), *sys.argv[2:]
found = {}
for version in ("v1", "v2", "v3"):
    for backend in ("torch", "onnx", "openvino"):
        words = ["tracker=nanotrack", f"tracker.version={version}", "tracker.weights=random", f"backend={backend}", "mlflow=off"]
        words += ["dataset=folder", f"dataset.root={root}", "dataset.split=val", f"prepare.cache={cache}", "threads=1", f"prepare.exporter={exporter}"]
        experiment = build_experiment(make_plan(words, False, None, []).jobs[0][1])
        artifact = realise(experiment.step(), cache, Silent(), 1)
        experiment.backend.open(artifact)
        found[f"{version} {backend}"] = artifact.info.get("parity", {})
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("isa", "exporter"), [("", "dynamo"), ("AVX2", "torchscript")])
def test_nanotrack_is_prepared_for_every_backend_whatever_the_instructions(isa: str, exporter: str, tmp_path: Path) -> None:
    root = tiny_dataset(tmp_path / "data")
    variables = dict(os.environ) | ({"ONEDNN_MAX_CPU_ISA": isa} if isa else {})
    words = [sys.executable, "-c", PREPARE, str(tmp_path / "cache"), str(root), exporter]
    done = subprocess.run(words, capture_output=True, text=True, env=variables, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert len(found) == 9
    rows = [row for key, graphs in found.items() if "torch" not in key for outputs in graphs.values() for row in outputs.values()]
    assert len(rows) == 3 * 2 * 3
    for row in rows:
        assert 0 < row["torch_error"] < row["range"]
        assert row["max_abs_diff"] <= row["allowed"]
        assert row["allowed"] >= 1e-4 * row["range"]
