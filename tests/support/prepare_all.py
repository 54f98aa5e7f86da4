"""``python -m prepare_all CACHE DATA EXPORTER``: prepares NanoTrack with random weights for every backend, opens it, and prints its parity as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import ready_export

from harness.jobs.compose import make_plan
from harness.jobs.experiment import build_experiment
from harness.machine.progress import Silent
from harness.prepare.steps import realise


def main(cache: Path, root: str, exporter: str) -> None:
    if exporter == "dynamo":
        ready_export.hasten()
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


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
