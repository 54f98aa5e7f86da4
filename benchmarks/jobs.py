"""Measures whole jobs as users start them: the cost besides tracking, and what grows with the data."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core.files import read_json, write_json
from harness.core.interfaces import Dataset
from harness.core.results import Results
from harness.jobs.children import measure
from harness.jobs.worker import JOB_FILE, outcome_file

ROOT = Path(__file__).resolve().parents[1]
FRAMES = 8
"""Frames of each sequence, if the number of sequences varies."""
WARMUP = 5
"""Updates of a warm-up (the default of ``task.warmup``)."""


def fixed_cost(work: Path, words: list[str]) -> dict[str, float]:
    """Runs one job by the command line with a warm cache, logging to its own store. Returns seconds:

    ``start`` from the start of the measuring process to its first tracked frame, ``end`` from its last frame to the end
    of logging, ``fixed`` both, ``command`` everything that the command took besides tracking.
    """
    folder = work / "fixed"
    shutil.rmtree(folder, ignore_errors=True)
    begin = time.time()
    done = subprocess.run(
        [sys.executable, "-m", "harness", *words, f"hydra.run.dir={folder}", f"mlflow.root={work / 'mlruns'}"],
        cwd=work,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the job failed (exit code {done.returncode}): {done.stderr[-2000:]}")
    wall = time.time() - begin
    results = Results.load(folder)
    tracking = float(results.dataset["frames"]) / results.metrics["pipeline_fps"]
    start = results.metrics["fixed_s/start"]
    end = (folder / "mlflow.json").stat().st_mtime - float(results.details["last_frame"])
    return {"start": start, "end": end, "fixed": start + end, "command": wall - tracking}


def further_job(work: Path, words: list[str], few: int = 2, many: int = 6) -> dict[str, float]:
    """``further``: seconds that one more job of a sweep takes beside tracking, its share of the sweep's end included.

    The jobs differ by their warm-up; its updates beyond the default's are tracking too.
    """
    few_s, many_s = (_sweep_beside_tracking(work, words, count) for count in (few, many))
    return {"further": (many_s - few_s) / (many - few)}


def _sweep_beside_tracking(work: Path, words: list[str], count: int) -> float:
    folder = work / "further"
    shutil.rmtree(folder, ignore_errors=True)
    varied = f"task.warmup=range({WARMUP},{WARMUP + count})"
    begin = time.time()
    command = [sys.executable, "-m", "harness", "-m", *words, varied, "turns.seconds=0", f"hydra.sweep.dir={folder}", f"mlflow.root={work / 'mlruns'}"]
    done = subprocess.run(command, cwd=work, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the sweep failed (exit code {done.returncode}): {done.stderr[-2000:]}")
    wall = time.time() - begin
    jobs = [Results.load(folder / str(number)) for number in range(count)]
    return wall - sum((job.dataset["frames"] + more) / job.metrics["pipeline_fps"] for more, job in enumerate(jobs))


def environment() -> dict[str, str]:
    """Returns this process's environment with the checkout on the Python path."""
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT), "HARNESS_PROGRESS": "off", "MLFLOW_DISABLE_TELEMETRY": "true"}


def many_sequences(folder: Path, demo: Dataset, count: int) -> Path:
    """Makes a data set of ``count`` sequences of eight frames in the GOT-10k layout from links; returns its root."""
    root = folder / f"sequences-{count}"
    if (root / "list.txt").is_file():
        return root
    sources = list(demo)
    names = []
    for index in range(count):
        source = sources[index % len(sources)]
        assert source.truth is not None
        place = root / f"seq_{index + 1:04d}"
        place.mkdir(parents=True, exist_ok=True)
        begin = index // len(sources) % (len(source) - FRAMES)
        for number in range(FRAMES):
            link = place / f"{number + 1:08d}.jpg"
            link.unlink(missing_ok=True)
            link.symlink_to(Path(source.frames[begin + number]).resolve())
        boxes = source.truth[begin : begin + FRAMES]
        (place / "groundtruth.txt").write_text("".join(",".join(f"{v:.4f}" for v in box) + "\n" for box in boxes))
        for label in ("cover", "absence", "cut_by_image"):
            (place / f"{label}.label").write_text(("8\n" if label == "cover" else "0\n") * FRAMES)
        (place / "meta_info.ini").write_text("[METAINFO]\nresolution: (640, 360)\n")
        names.append(place.name)
    (root / "list.txt").write_text("\n".join(names) + "\n")
    return root


def measured(work: Path, config: Mapping[str, Any], name: str) -> dict[str, float]:
    """Runs one measuring process over ``config``: returns ``peak_mb``, wall clock ``seconds``, ``frames``."""
    folder = work / f"job-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_json(folder / JOB_FILE, {"config": config, "overrides": [], "name": name, "varied": {}})
    begin = time.perf_counter()
    measure(folder, 1)
    wall = time.perf_counter() - begin
    outcome = read_json(folder / outcome_file(1))
    return {
        "peak_mb": outcome["metrics"]["rss_mb/peak"],
        "seconds": wall,
        "frames": float(outcome["dataset"]["frames"]),
    }
