"""The end of a sweep: equal in one process and in several, logged job by job when it is drawn, whole or not there after any kill."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from command_line import PATH
from scored_jobs import scored_sweep

from harness.core.results import Results
from harness.jobs import ending
from harness.jobs.ending import finish_sweep

JOBS = 3
END = f"""
import sys
from pathlib import Path
from harness.jobs import ending
ending.log_job = lambda *_: None
sweep = Path(sys.argv[1])
ending.finish_sweep(sweep, [sweep / str(number) for number in range({JOBS})], False, None, None, True)
"""
PICTURES = {"latency_histogram.png", "latency_trace.png", "success_curve.png"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sweep of jobs that were measured and nothing else."""
    folder = tmp_path_factory.mktemp("measured")
    sweep = scored_sweep(folder, jobs=JOBS, sequences=3, frames=12)
    for job in jobs(sweep):
        results = Results.load(job)
        results.config["dataset"] = {"target": "harness.datasets.folder.Folder", "name": "folder", "root": str(folder / "data"), "split": "val"}
        results.save(job)
    return folder


@pytest.fixture
def sweep(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "sweep", tmp_path / "a/sweep"))


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool, bool]]:
    """What was logged: (job, whether its pictures were there, whether its verdict was)."""
    found: list[tuple[str, bool, bool]] = []
    monkeypatch.setattr(ending, "log_job", lambda job, sweep, recorder: found.append((job.name, (job / "plots").is_dir(), (job / "verdict.json").is_file())))
    return found


def jobs(sweep: Path) -> list[Path]:
    return [sweep / str(number) for number in range(JOBS)]


def files(sweep: Path) -> set[str]:
    return {path.relative_to(sweep).as_posix() for path in sweep.rglob("*") if path.is_file()}


def drawn(job: Path) -> set[str]:
    return {path.name for path in (job / "plots").iterdir()} if (job / "plots").is_dir() else set()


def test_child_processes_make_the_end_that_one_process_makes(sweep: Path, tmp_path: Path, logged: list[tuple[str, bool, bool]]) -> None:
    other = Path(shutil.copytree(sweep, tmp_path / "b/sweep"))
    shown: list[tuple[str, str, list[str]]] = []
    for place, alone in ((sweep, False), (other, True)):
        found = finish_sweep(place, jobs(place), False, lambda folder, table, warnings: shown.append((folder.name, table, list(warnings))), None, alone)
        assert (found is None) == alone
    assert shown[0] == shown[1] and "made_2" in shown[0][1]
    assert files(sweep) == files(other) and {"report.html", "2/agreement.json", "2/verdict.json"} <= files(sweep)
    assert all(drawn(job) >= PICTURES and any(name.startswith("worst_") for name in drawn(job)) for job in jobs(sweep))
    for name in ("summary.csv", "verdict.json", "2/verdict.json", "2/agreement.json", "0/plots/latency_trace.png"):
        assert (sweep / name).read_bytes() == (other / name).read_bytes(), name
    assert logged == [(str(number), True, True) for number in range(JOBS)] * 2


def test_pictures_that_are_there_stay_and_are_drawn_again_on_request(sweep: Path, logged: list[tuple[str, bool, bool]]) -> None:
    (sweep / "1/plots").mkdir()
    (sweep / "1/plots/mine.png").write_text("mine")
    finish_sweep(sweep, jobs(sweep)[:2], False, None, None, True)
    assert drawn(sweep / "1") == {"mine.png"} and drawn(sweep / "0") >= PICTURES
    finish_sweep(sweep, jobs(sweep)[:2], True, None, None, True)
    assert drawn(sweep / "1") >= PICTURES and "mine.png" not in drawn(sweep / "1")


def test_the_end_is_made_here_if_its_processes_die(
    sweep: Path, logged: list[tuple[str, bool, bool]], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("harness.machine.children.module_words", lambda *_: [sys.executable, "-c", "import os; print('{}', flush=True); input(); os._exit(9)"])
    shown: list[str] = []
    finish_sweep(sweep, jobs(sweep), False, lambda folder, table, warnings: shown.append(table), None, True)
    assert len(shown) == 1 and "made_2" in shown[0]
    assert logged == [(str(number), False, True) for number in range(JOBS)]
    said = capfd.readouterr().err
    assert said.count("were not drawn") == JOBS and "resume=last draws them" in said


@pytest.mark.posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_end_that_is_killed_has_whole_pictures_or_none_and_is_made_up_for(sweep: Path, number: signal.Signals, logged: list[tuple[str, bool, bool]]) -> None:
    run = subprocess.Popen([sys.executable, "-c", END, str(sweep)], env={**os.environ, "PYTHONPATH": PATH}, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not any(sweep.glob("*/.plots.*/*.png")) and run.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    children = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(number)
    assert run.wait(30) != 0, "it had ended already"
    _, left = psutil.wait_procs(children, 3)
    assert not left
    for job in jobs(sweep):
        assert drawn(job) == set() or drawn(job) >= PICTURES
        assert number != signal.SIGINT or not list(job.glob(".*")), "half-made files are left"
    finish_sweep(sweep, jobs(sweep), False, None, None, True)
    for job in jobs(sweep):
        assert drawn(job) >= PICTURES and not list(job.glob(".plots*"))
