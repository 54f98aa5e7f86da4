"""A run killed at any moment and started again ends as an unbroken one, and does only what was missing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from command_line import PATH, harness, with_cache
from fakes import standing_conf, tiny_dataset
from ready_children import Ready

KILLS = 20
SLOW_TRACKER = '''
"""Standing, but each update takes a while, so that a kill can hit any of them."""
import time
from dataclasses import dataclass
from standing_tracker import Standing, StandingTracker

@dataclass
class Slow(Standing):
    def start(self, sessions):
        return SlowTracker(sessions["search"], False)

class SlowTracker(StandingTracker):
    def update(self, image):
        time.sleep(0.01)
        return super().update(image) + self._box[2:3].repeat(4) * 1e-3
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Path:
    """A folder with data, tracker, configuration, a prepared model, and an unbroken run in ``outputs/whole``."""
    folder = with_cache(tmp_path_factory.mktemp("kill"), prepared)
    tiny_dataset(folder / "data", sequences=10, frames=12)
    standing_conf(folder / "conf")
    (folder / "slow_tracker.py").write_text(SLOW_TRACKER)
    (folder / "conf/tracker/standing.yaml").write_text("# Slow.\nname: standing\ntarget: slow_tracker.Slow\n")
    done = harness(*words(folder, "outputs/whole"), cwd=folder, PYTHONPATH=f"{PATH}:{folder}")
    assert done.returncode == 0, done.stderr
    return folder


def words(folder: Path, out: str) -> list[str]:
    return [
        "--config-dir", str(folder / "conf"), "tracker=standing", "dataset=folder", f"dataset.root={folder / 'data'}",
        "dataset.split=val", "backend=onnx", "mlflow=off", f"hydra.run.dir={out}",
    ]


def boxes(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.glob("tracks/*/*_001.txt"))}


def accuracy(folder: Path) -> dict[str, float]:
    metrics = json.loads((folder / "results.json").read_text())["metrics"]
    return {name: metrics[name] for name in ("ao", "sr50", "sr75", "mao")}


def begun(python: Ready, place: Path, command: list[str]) -> Any:
    """A run that has begun; its measuring child ends with it, as children do."""
    return python.begin(*command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, PYTHONPATH=f"{PATH}:{place}")


@pytest.mark.slow
def test_killed_runs_end_like_an_unbroken_one(place: Path, imports: Ready) -> None:
    generator = random.Random(20)
    kills = attempts = 0
    out = None
    start = time.monotonic()
    assert begun(imports, place, words(place, "outputs/timed")).wait() == 0
    whole_seconds = time.monotonic() - start
    while kills < KILLS:
        attempts += 1
        assert attempts < 6 * KILLS, "runs end before they can be killed"
        if out is None:
            out, again = place / f"outputs/cut-{attempts}", False
            command = words(place, str(out))
        else:
            again = True
            command = [*words(place, str(out)), f"resume={out}"]
        before = {path: path.stat().st_mtime_ns for path in out.glob("sequences/*.json")}
        # anywhere between the start and a little after the end of an unbroken run's tracking
        limit = time.monotonic() + generator.uniform(0.1, 1.0) * whole_seconds * (0.7 if again else 1.0)
        child = begun(imports, place, command)
        while child.poll() is None and time.monotonic() < limit:
            time.sleep(0.01)
        if child.poll() is None:
            child.kill()
            child.wait()
            kills += 1
        for path, changed in before.items():
            assert path.stat().st_mtime_ns == changed, f"{path.name} was complete and was tracked again"
        if child.returncode == 0:
            assert boxes(out) == boxes(place / "outputs/whole")
            assert accuracy(out) == accuracy(place / "outputs/whole")
            out = None
        elif not (out / "command.json").is_file():
            out = None  # killed before the run's folder was there: nothing to resume
    if out is not None:
        done = harness(*words(place, str(out)), f"resume={out}", cwd=place, PYTHONPATH=f"{PATH}:{place}")
        assert done.returncode == 0, done.stderr
        assert boxes(out) == boxes(place / "outputs/whole")
        assert accuracy(out) == accuracy(place / "outputs/whole")


def killed_once(python: Ready, place: Path, command: list[str], enough: Callable[[], bool]) -> None:
    """Starts a run and kills it, parent and child, as soon as ``enough`` of it is done."""
    child = begun(python, place, command)
    deadline = time.monotonic() + 120
    while child.poll() is None and not enough():
        assert time.monotonic() < deadline, "the run does not begin"
        time.sleep(0.02)
    assert child.poll() is None, "the run ended before it could be killed"
    child.kill()
    child.wait()


def test_a_killed_soak_goes_on_with_the_seconds_that_are_left(place: Path, imports: Ready) -> None:
    out = place / "outputs/soak"
    samples = out / "soak.csv"
    soak = [*words(place, str(out)), "task=soak", "task.minutes=0.15"]
    killed_once(imports, place, soak, lambda: samples.is_file() and samples.read_text().count("\n") > 4)
    whole = samples.read_text().rpartition("\n")[0]
    left = time.time()
    time.sleep(2)
    done = harness("resume=last", cwd=place, PYTHONPATH=f"{PATH}:{place}")
    assert done.returncode == 0, done.stderr
    assert samples.read_text().startswith(whole + "\n")
    rows = [line.split(",") for line in samples.read_text().splitlines()]
    seconds = [float(row[rows[0].index("seconds")]) for row in rows[1:]]
    assert all(before < after for before, after in pairwise(seconds)) and 8 <= seconds[-1] <= 10
    results = json.loads((out / "results.json").read_text())
    [cut] = results["details"]["soak"]["interruptions"]
    assert cut["second"] == seconds[whole.count("\n") - 1]
    assert 2 <= cut["away_s"] <= time.time() - left
    assert [warning for warning in results["warnings"] if "interrupted after" in warning]
    assert "interrupted after" in done.stdout


def test_a_killed_search_for_the_capacity_makes_no_step_twice(place: Path, imports: Ready) -> None:
    out = place / "outputs/capacity"
    steps = out / "capacity.json"
    quick = ["task=capacity", "task.fps=2", "task.deadline_ms=5000", "task.most=2", "task.least_s=1", "task.most_s=1.5"]
    killed_once(imports, place, [*words(place, str(out)), *quick], steps.is_file)
    before = json.loads(steps.read_text())["steps"]
    done = harness("resume=last", cwd=place, PYTHONPATH=f"{PATH}:{place}")
    assert done.returncode == 0, done.stderr
    after = json.loads((out / "results.json").read_text())
    made = after["details"]["capacity"]["steps"]  # by number of streams, not in the order of the search
    assert before and all(step in made for step in before)
    assert after["metrics"]["capacity/streams"] in (0, 1, 2)  # others may have the machine's cores


def test_a_killed_realtime_job_tracks_what_is_missing(place: Path, imports: Ready) -> None:
    out = place / "outputs/live"
    runs = lambda: sorted(out.glob("sequences/*/*.json"))  # noqa: E731
    killed_once(imports, place, [*words(place, str(out)), "task=realtime", "task.fps=[5,10]"], lambda: len(runs()) >= 3)
    stamps = {path: path.stat().st_mtime_ns for path in runs()}
    done = harness("resume=last", cwd=place, PYTHONPATH=f"{PATH}:{place}")
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert json.loads((out / "results.json").read_text())["details"]["resumed_runs"] == len(stamps)
    assert len(runs()) == 2 * 10


def test_a_changed_setting_never_reuses_a_stale_result(place: Path) -> None:
    out = place / "outputs/changed"
    first = harness(*words(place, str(out)), "dataset.limit=2", cwd=place, PYTHONPATH=f"{PATH}:{place}")
    assert first.returncode == 0, first.stderr
    stamp = (out / "sequences/seq_1.json").stat().st_mtime_ns
    same = harness(*words(place, str(out)), "dataset.limit=2", f"resume={out}", cwd=place, PYTHONPATH=f"{PATH}:{place}")
    assert same.returncode == 0 and (out / "sequences/seq_1.json").stat().st_mtime_ns == stamp
    more = harness(*words(place, str(out)), "dataset.limit=3", f"resume={out}", cwd=place, PYTHONPATH=f"{PATH}:{place}")
    assert more.returncode == 0 and (out / "sequences/seq_1.json").stat().st_mtime_ns == stamp
    assert json.loads((out / "results.json").read_text())["dataset"]["sequences"] == 3
    other = harness(
        *words(place, str(out)), "dataset.limit=3", "tracker.tremble=true", "task.repetitions=1", f"resume={out}", cwd=place,
        PYTHONPATH=f"{PATH}:{place}",
    )
    assert other.returncode == 2  # the YAML above has no key tremble: nothing was run, nothing reused
    truth = place / "data/val/seq_1/groundtruth.txt"
    old = truth.read_text()
    truth.write_text(old.replace("8.0000,10.0000", "9.0000,10.0000", 1))
    try:
        changed = harness(*words(place, str(out)), "dataset.limit=3", f"resume={out}", cwd=place, PYTHONPATH=f"{PATH}:{place}")
        assert changed.returncode == 0, changed.stderr
        assert (out / "sequences/seq_1.json").stat().st_mtime_ns != stamp
        assert (out / "tracks/seq_1/seq_1_001.txt").read_text().startswith("9.000,10.000")
    finally:
        truth.write_text(old)


def test_resume_last_needs_no_other_word(place: Path) -> None:
    out = place / "outputs/last-one"
    done = harness(*words(place, str(out)), "dataset.limit=2", cwd=place, PYTHONPATH=f"{PATH}:{place}")
    assert done.returncode == 0, done.stderr
    (out / "results.json").unlink()
    (out / "sequences/seq_2.json").unlink()
    stamp = (out / "sequences/seq_1.json").stat().st_mtime_ns
    again = harness("resume=last", cwd=place, PYTHONPATH=f"{PATH}:{place}")
    assert again.returncode == 0, again.stderr
    assert (out / "sequences/seq_1.json").stat().st_mtime_ns == stamp
    assert (out / "sequences/seq_2.json").is_file() and (out / "results.json").is_file()


def test_a_sweep_resumes_job_by_job(place: Path) -> None:
    sweep = [word for word in words(place, "x") if not word.startswith(("hydra.run", "backend="))]
    first = harness(
        *sweep, "-m", "backend=torch,onnx", "dataset.limit=2", "hydra.sweep.dir=outputs/sweep", cwd=place,
        PYTHONPATH=f"{PATH}:{place}",
    )
    assert first.returncode == 0, first.stderr
    (place / "outputs/sweep/1/results.json").unlink()
    stamp = (place / "outputs/sweep/0/results.json").stat().st_mtime_ns
    again = harness("resume=outputs/sweep", cwd=place, PYTHONPATH=f"{PATH}:{place}")
    assert again.returncode == 0, again.stderr
    assert (place / "outputs/sweep/0/results.json").stat().st_mtime_ns == stamp
    assert (place / "outputs/sweep/1/results.json").is_file()


def test_ctrl_c_ends_the_child_and_exits_with_130(place: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{PATH}:{place}", "HARNESS_PROGRESS": "off"}
    out = place / "outputs/interrupted"
    child = subprocess.Popen(
        [sys.executable, "-m", "harness", *words(place, str(out))], cwd=place, env=environment, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not list(out.glob("sequences/*.json")) and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    _, error = child.communicate(timeout=30)
    assert child.returncode == 130
    assert b"Traceback" not in error and b"resume=last" in error
    workers = subprocess.run(["pgrep", "-f", f"harness.jobs.worker measure {out}"], capture_output=True, check=False)
    assert workers.stdout == b""
