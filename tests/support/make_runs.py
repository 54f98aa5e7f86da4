"""Makes job folders and sweeps as the harness writes them, from drawn numbers: for tests of the report alone.

Nothing here was measured. Boxes are the truth plus noise, times are drawn around a given latency, and the metrics are
computed from both by harness.scoring, so that a report's figures can be checked against its input.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.core.files import write_json
from harness.core.results import FRAMES_FILE, Results, shipped, write_frames
from harness.scoring.overlap import ao, iou, sr
from harness.scoring.speed import fps, latency_summary

VERSIONS = {"torch": "2.13.0", "onnxruntime": "1.31.1", "openvino": "2026.4.1", "numpy": "2.4.6"}
ENVIRONMENT: dict[str, Any] = {
    "processor": "Made Up CPU @ 2.0 GHz",
    "architecture": "x86_64",
    "features": ["avx2", "fma"],
    "cores": 2,
    "logical_cores": 4,
    "memory_mb": 16000,
    "virtual": False,
    "system": "Linux",
    "hostname": "bench",
    "machine": "aaaabbbbcccc",
    "kernel": "6.1",
    "python": "3.11.9",
    "governor": "performance",
    "threads_allowed": 4,
    "memory_available_mb": 9000,
    "load_1min": 0.2,
    "versions": VERSIONS,
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "dirty": False,
}


def truth_of(index: int, frames: int) -> np.ndarray:
    """A smooth path of boxes ``[frames, 4]``."""
    t = np.arange(frames)
    x = 200 + 120 * np.sin(t / 17 + index) + 2 * index
    y = 120 + 60 * np.cos(t / 23 + index)
    size = 60 + 10 * np.sin(t / 31)
    return np.stack([x, y, size, size * 0.8], axis=1)


def make_job(
    folder: Path,
    backend: str = "torch",
    *,
    latency_ms: float = 100.0,
    noise_px: float = 3.0,
    seed: int = 1,
    drift: tuple[int, int] | None = None,
    sequences: int = 8,
    frames: int = 60,
    rounds: int = 1,
    status: str = "ok",
    message: str = "the runtime refused the model",
    random_weights: bool = False,
    truth: bool = True,
    parallel: bool = False,
    name: str | None = None,
    config: dict[str, Any] | None = None,
    environment: dict[str, Any] | None = None,
    overrides: list[str] | None = None,
    warnings: list[str] | None = None,
) -> Results:
    """Writes a job's folder. ``drift`` is (sequence, frame): from there on the boxes stand still elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {
        "tracker": {"name": "smat_demo", "weights": "demo"},
        "backend": {"name": backend},
        "device": {"name": "cpu"},
        "hint": {"name": "none"},
        "quantization": {"name": "none"},
        "dataset": {"name": "demo", "target": "harness.datasets.demo.dataset.Demo"},
        "task": {"name": "evaluate", "mode": "parallel" if parallel else "serial", "repeats": rounds},
        "threads": 2,
        "seed": 0,
    } | (config or {})
    words = overrides if overrides is not None else [f"backend={backend}"]
    identity = hashlib.sha256(f"{folder}{settings}{words}".encode()).hexdigest()[:32]
    results = Results(
        id=identity,
        name=name if name is not None else backend,
        status=status,
        config=settings,
        overrides=words,
        environment=ENVIRONMENT | (environment or {}),
        effective={"threads": "2", "version": VERSIONS.get(backend, "1.0"), "device": "CPU"},
        artifact={"key": identity * 2, "format": backend, "precision": "fp32"},
        started="2026-01-01T10:00:00+00:00",
        ended="2026-01-01T10:05:00+00:00",
        warnings=warnings or [],
    )
    if status != "ok":
        results.error = {"kind": "BackendError", "message": message, "tail": "last line"}
    else:
        shape = (sequences, frames, rounds)
        drawn = _drawn(latency_ms, noise_px, seed, drift, shape, random_weights, truth, parallel)
        _measure(results, folder, drawn, shape, random_weights, truth)
    results.save(folder)
    return results


@dataclass(frozen=True)
class Drawn:
    """What was drawn of a job: the bytes of its frames, its metrics, and those of its sequences."""

    frames: bytes
    metrics: dict[str, Any]
    sequences: dict[str, dict[str, float]]


@functools.lru_cache(maxsize=256)
def _drawn(
    latency_ms: float, noise_px: float, seed: int, drift: tuple[int, int] | None, shape: tuple[int, int, int], random_weights: bool,
    truth: bool, parallel: bool,
) -> Drawn:  # fmt: skip
    """The same for the same arguments, so it is drawn once: many tests ask for the same few jobs."""
    generator = np.random.default_rng(seed)
    sequences, frames, rounds = shape
    tables, scored_iou, rows = [], [], {}
    for index in range(sequences):
        name, real = f"seq_{index:03d}", truth_of(index, frames)
        steps = generator.normal(0, noise_px * (1 + index / sequences), real.shape) * [1, 1, 0.3, 0.3]
        boxes = real + steps
        boxes[0] = real[0]
        if drift and drift[0] == index:
            boxes[drift[1] :] = [5.0, 5.0, 20.0, 20.0]
        boxes = shipped(boxes)
        ious = np.full(frames, np.nan)
        rows[name] = {"frames": frames}
        if truth and not random_weights:
            ious[1:] = iou(boxes[1:], real[1:])
            scored_iou.append(ious[1:])
            rows[name] |= {"ao": ao(ious[1:]), "sr50": sr(ious[1:], 0.5), "sr75": sr(ious[1:], 0.75)}
        for turn in range(1, rounds + 1):
            inference = latency_ms / 1e3 * (1 + generator.gamma(2.0, 0.02, frames)) * (1 + generator.normal(0, 0.01))
            tables.append(
                pd.DataFrame(
                    {
                        "sequence": name, "repetition": 1, "round": turn, "frame": np.arange(frames),
                        "x": boxes[:, 0], "y": boxes[:, 1], "w": boxes[:, 2], "h": boxes[:, 3], "iou": ious,
                        "scored": np.isfinite(ious), "seconds": inference + 0.0012, "decode": 0.003,
                        "preprocess": 0.0008, "inference": inference, "postprocess": 0.0004,
                    }
                )
            )  # fmt: skip
    table = pd.concat(tables, ignore_index=True)
    seconds = table.loc[table["frame"] > 0, "seconds"].to_numpy(float)
    found = {"rss_mb/peak": 400.0 + latency_ms, "model_mb": 30.0, "pipeline_fps": 0.9 * fps(seconds)}
    if not parallel:
        found |= {"fps": fps(seconds)} | latency_summary(seconds)
        for stage in ("decode", "preprocess", "inference", "postprocess"):
            found[f"stage_ms/{stage}"] = 1e3 * float(table[stage].median())
    if scored_iou:
        pooled = np.concatenate(scored_iou)
        found |= {"ao": ao(pooled), "sr50": sr(pooled, 0.5), "sr75": sr(pooled, 0.75)}
    with tempfile.TemporaryDirectory() as scratch:
        data = write_frames(Path(scratch), table).read_bytes()
    return Drawn(data, found, rows)


def _measure(results: Results, folder: Path, drawn: Drawn, shape: tuple[int, int, int], random_weights: bool, truth: bool) -> None:
    sequences, frames, _ = shape
    (folder / FRAMES_FILE).write_bytes(drawn.frames)
    results.metrics = dict(drawn.metrics)
    results.sequences = copy.deepcopy(drawn.sequences)
    results.dataset = {
        "name": "demo", "split": "val", "digest": f"{sequences}x{frames}", "sequences": sequences,
        "frames": sequences * frames, "truth": truth, "scored_frames": sequences * (frames - 1),
    }  # fmt: skip
    results.scoring = {
        "protocol": "got10k", "feedback": "truth" if random_weights else "self", "random_weights": random_weights,
        "mask": False, "bounds": True,
    }  # fmt: skip


def make_turns(sweep: Path, latencies: dict[str, float], rounds: int = 8, loud: int = 0, spread: float = 0.005) -> Path:
    """A measurement in turns of jobs (id -> milliseconds a frame), of which the first ``loud`` rounds were disturbed."""
    generator = np.random.default_rng(11)
    records = []
    for number in range(rounds):
        samples = {
            name: [[ms / 1e3 * (1 + spread * generator.standard_normal())] * 3 for _ in range(2)] for name, ms in latencies.items()
        }
        records.append({"number": number, "quiet": number >= loud, "load": {}, "samples": samples})
    return write_json(sweep / "turns.json", {"schema": 1, "jobs": list(latencies), "dropped": {}, "rounds": records})


def make_sweep(
    folder: Path, jobs: list[dict[str, Any]], overrides: list[str] | None = None, turns: bool = True, loud: int = 0
) -> Path:
    """Writes a sweep of ``jobs`` (keywords of ``make_job``) with its sweep.json and, if wished, its measurement in turns."""
    latencies = {}
    for number, keywords in enumerate(jobs):
        results = make_job(folder / str(number), **{"seed": number + 1, **keywords})
        if results.status == "ok" and not keywords.get("parallel"):
            latencies[results.id] = keywords.get("latency_ms", 100.0)
    if turns and len(latencies) > 1:
        make_turns(folder, latencies, loud=loud)
    write_json(
        folder / "sweep.json",
        {"id": "5" * 32, "created": "2026-01-01T10:00:00+00:00", "words": ["-m", *(overrides or ["backend=torch,onnx"])],
         "name": "evaluate smat_demo", "jobs": [str(number) for number in range(len(jobs))]},
    )  # fmt: skip
    return folder


def usual(folder: Path) -> Path:
    """A sweep as people run it: three backends, int8, one failed and one skipped job."""
    int8 = {"quantization": {"name": "int8"}}
    return make_sweep(
        folder,
        [
            {"backend": "torch", "latency_ms": 100, "seed": 7},
            {"backend": "onnx", "latency_ms": 41, "seed": 7, "warnings": ["other load on the machine: 0.4 cores"]},
            {"backend": "openvino", "latency_ms": 36, "seed": 7, "noise_px": 3.02},
            {"backend": "openvino", "latency_ms": 25, "seed": 8, "noise_px": 3.4, "drift": (5, 40), "config": int8,
             "name": "openvino, int8", "overrides": ["backend=openvino", "quantization=int8"]},
            {"backend": "onnx", "status": "failed", "message": "onnxruntime: <Unsupported> node & friends",
             "config": int8, "name": "onnx, int8", "overrides": ["backend=onnx", "quantization=int8"]},
            {"backend": "torch", "status": "skipped", "message": "int8 is not for torch", "config": int8,
             "name": "torch, int8", "overrides": ["backend=torch", "quantization=int8"]},
        ],
        ["backend=torch,onnx,openvino", "quantization=none,int8"],
    )  # fmt: skip
