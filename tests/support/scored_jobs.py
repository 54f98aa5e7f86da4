"""Jobs with true scores and nothing else that costs time: drawn boxes over a tiny data set, scored by the harness."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fakes import tiny_dataset

from harness.core.files import write_json
from harness.core.interfaces import Track
from harness.core.results import Results, read_numbers, write_tracks
from harness.publish.submission.reference import Wanted
from harness.publish.submission.scoring import score_all, write_job


def drawn_results(folder: Path, data: Path, noise: float, seed: int) -> Path:
    """Result files whose boxes are the truth plus ``noise`` pixels."""
    rng = np.random.default_rng(seed)
    for sequence in sorted(path for path in (data / "val").iterdir() if path.is_dir()):
        truth = read_numbers(sequence / "groundtruth.txt")
        boxes = truth + rng.normal(0, noise, truth.shape) * [1, 1, 0.2, 0.2]
        boxes[0] = truth[0]
        write_tracks(folder, [Track(sequence.name, boxes, rng.uniform(0.01, 0.02, len(truth)))])
    return folder


def scored_sweep(folder: Path, jobs: int = 3, sequences: int = 4, frames: int = 20) -> Path:
    """A sweep's folder of ``jobs`` scored jobs at ``folder/sweep``; the data set at ``folder/data``."""
    data = tiny_dataset(folder / "data", sequences=sequences, frames=frames)
    paths = [drawn_results(folder / f"made_{number}", data, 1.0 + number, number) for number in range(jobs)]
    scored, references = score_all(paths, Wanted(data, "val"))
    sweep = folder / "sweep"
    for number, (item, against) in enumerate(zip(scored, references, strict=True)):
        write_job(item, against, sweep / str(number), False, ["score", f"made_{number}"])
        results = Results.load(sweep / str(number))
        results.config["mlflow"] = {"name": "local", "root": str(folder / "mlruns"), "experiment": "harness", "uri": None}
        chosen = {"backend": "onnx", "device": "cpu", "hint": "latency", "quantization": "none"}
        results.config |= {"threads": 1, **{group: {"name": name} for group, name in chosen.items()}}
        results.environment["processor"] = "Drawn"
        results.save(sweep / str(number))
    names = [str(number) for number in range(jobs)]
    record = {"id": f"{abs(hash(str(folder))):032x}"[:32], "created": "2026-01-01T10:00:00+00:00", "name": "drawn runs",
              "words": ["-m"], "varied": ["tracker"], "count": jobs, "jobs": names}  # fmt: skip
    write_json(sweep / "sweep.json", record)
    return sweep


def give_model(folder: Path, cache: Path, key: str = "a" * 64, size: int = 2000) -> None:
    """Gives the job in ``folder`` a prepared model of two graphs in ``cache``."""
    place = cache / key[:20]
    place.mkdir(parents=True, exist_ok=True)
    for name in ("template", "search"):
        (place / f"{name}.onnx").write_bytes(np.random.default_rng(len(name)).bytes(size))
    results = Results.load(folder)
    files = {name: str(place / f"{name}.onnx") for name in ("template", "search")}
    results.artifact = {"key": key, "format": "onnx", "precision": "fp32", "files": files, "opset": 18}
    results.metrics |= {"model_mb": 2 * size / 2**20, "parity/max_abs_diff": 1e-5}
    results.save(folder)
