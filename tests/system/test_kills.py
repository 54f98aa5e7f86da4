"""A run is killed at any moment, by any signal, parent or child: nothing measures on, and resuming ends as an unbroken run.

``HARNESS_KILLS`` is how many kills are made (6 by default).
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from command_line import PATH, harness, with_cache
from fakes import tiny_dataset
from small_jobs import SMALL

KILLS = int(os.environ.get("HARNESS_KILLS", "6"))
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
VARIANTS = {
    "serial": ("backend=onnx",),
    "parallel": ("backend=onnx", "task.mode=parallel"),
    "int8": ("backend=onnx", "quantization=int8", "quantization.sequences=[seq_1]", "dataset.exclude=[seq_1]", "quantization.subset_size=8",
             "quantization.compare_seconds=0"),
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Path:
    """A folder with data and an unbroken run of every variant."""
    folder = with_cache(tmp_path_factory.mktemp("kills"), prepared)
    tiny_dataset(folder / "data", sequences=5, frames=20, size=(160, 120))
    for name in VARIANTS:
        done = harness(*words(folder, name, f"outputs/whole-{name}"), cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


def words(folder: Path, variant: str, out: str) -> list[str]:
    data = ["dataset=folder", f"dataset.root={folder / 'data'}", "dataset.split=val", "task.warmup=1", f"hydra.run.dir={out}"]
    return [*SMALL, *data, *VARIANTS[variant]]


def family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [item for item in processes if item.is_running() and item.status() != psutil.STATUS_ZOMBIE]


def killed(place: Path, variant: str, out: str, number: int, target: str, after: float, early: bool) -> tuple[bool, list[psutil.Process]]:
    """Starts a run and sends ``number`` to its parent or a child; whether it was still running, and who lives on 1 s later."""
    environment = {**os.environ, "PYTHONPATH": PATH, "HARNESS_PROGRESS": "off"}
    run = subprocess.Popen(
        [sys.executable, "-m", "harness", *words(place, variant, out)], cwd=place, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    parent, seen = psutil.Process(run.pid), {}
    patience = time.monotonic() + 60
    while not early and run.poll() is None and not (place / out / "command.json").is_file() and time.monotonic() < patience:
        time.sleep(0.02)  # however long Python takes to start: the moment is counted from the run's own beginning
    end = time.monotonic() + after
    while time.monotonic() < end and run.poll() is None:
        seen.update({item.pid: item for item in family(parent)})
        time.sleep(0.02)
    hit = run.poll() is None
    children = alive(family(parent))
    seen.update({item.pid: item for item in children})
    if hit:
        (children[-1] if target == "child" and children else parent).send_signal(number)
    if target == "child" and children and hit:
        run.wait(60)  # a child's end is a failed job, which the parent tells
    else:
        try:
            run.wait(10)
        finally:
            run.poll()
    time.sleep(1)
    return hit, alive(list(seen.values()))


def boxes(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.glob("tracks/*/*_001.txt"))}


@pytest.mark.slow
def test_killed_runs_leave_no_process_and_resume_to_an_equal_end(place: Path) -> None:
    generator = random.Random(int(os.environ.get("HARNESS_KILLS_SEED", "3")))
    hits = resumed = 0
    for attempt in range(KILLS):
        variant, number = list(VARIANTS)[attempt % 3], SIGNALS[(attempt // 3) % 3]
        target = ("parent", "child")[attempt % 2]
        early = attempt % 4 == 0
        after = generator.uniform(0.05, 1.0) if early else generator.uniform(0.0, 4.0)
        out = f"outputs/kill-{attempt}"
        hit, left = killed(place, variant, out, number, target, after, early)
        said = f"{attempt}: {variant}, signal {number} to the {target} after {after:.2f} s"
        assert not left, f"{said}: {[item.cmdline() for item in left]}"
        hits += hit
        if not (place / out / "command.json").is_file():
            continue  # killed before there was anything to resume
        done = harness("resume=last", cwd=place)
        assert done.returncode == 0, f"{said}: {done.stderr}"
        assert boxes(place / out) == boxes(place / f"outputs/whole-{variant}"), said
        identity = json.loads((place / out / "results.json").read_text())["id"]
        with sqlite3.connect(place / "mlruns/mlflow.db") as store:
            runs = store.execute("select count(*) from tags where key = 'harness.id' and value = ?", (identity,)).fetchone()[0]
        assert runs == 1, f"{said}: {runs} runs in the store"
        resumed += 1
    print(f"{KILLS} kills, {hits} while it ran, {resumed} resumed to an equal end, no process left, one run each in the store")
    assert hits > 0 and resumed > 0
