"""Long sweeps: whether a job costs the same at the end as at the beginning, and the memory of the parent.

``python -m benchmarks.load [--jobs 40 100] [--picture FOLDER]``: sweeps of the cheapest possible jobs (one sequence of
two frames, a small network with random weights, logged to its own store). It prints the seconds from one job's end to
the next one's (first and last ten), the parent's memory by job and at the end of the sweep, and the size of the report.
With ``--picture`` the report is drawn by chromium. Do not use the machine meanwhile. Exit code 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import psutil

from benchmarks.jobs import environment
from harness.core.results import RESULTS_FILE

TRACKER = ("tracker=smat", "tracker.weights=random", "tracker.width=0.25", "tracker.template_size=64", "tracker.search_size=128", "tracker.head_channels=16")
FRAMES = 2
EDGE = 10
"""The number of jobs at each end that are compared."""
MOST_GROWTH = 0.20
MOST_MB_A_JOB = 0.2
GLANCE_S = 0.02


@dataclass
class Load:
    """The cost of a sweep.

    Attributes:
        jobs: The number of its jobs.
        ends: When each job's results were written, in seconds from the start.
        memory: The parent's resident memory in MB at these times.
        peak: The parent's peak memory at the end of the sweep.
        whole: Seconds of the whole command.
        report_mb: Size of ``report.html``.
    """

    jobs: int
    ends: list[float]
    memory: list[float]
    peak: float
    whole: float
    report_mb: float

    @property
    def steps(self) -> list[float]:
        """Seconds from one job's end to the next one's."""
        return [float(step) for step in np.diff(self.ends)]

    @property
    def growth(self) -> float:
        """The last ten jobs' median over the first ten's, minus one; the first job, which imports, is left out."""
        return median(self.steps[-EDGE:]) / median(self.steps[:EDGE]) - 1.0

    @property
    def mb_a_job(self) -> float:
        """Slope of the parent's memory over the jobs after the first ten."""
        memory = self.memory[EDGE:]
        return float(np.polyfit(np.arange(len(memory)), memory, 1)[0])

    @property
    def end(self) -> float:
        """Seconds from the last job's end to the command's: rounds, summary, pictures, MLflow."""
        return self.whole - self.ends[-1]

    @property
    def memory_growth(self) -> float:
        """The parent's peak over its memory after the first job, minus one."""
        return self.peak / self.memory[0] - 1.0

    def lines(self) -> list[str]:
        """Returns the figures, a line each, with the bars."""
        return [
            f"{self.jobs} jobs in {self.whole:.0f} s, {self.whole / self.jobs:.2f} s a job; end {self.end:.1f} s, {self.end / self.jobs:.2f} s a job",
            f"first {EDGE} {median(self.steps[:EDGE]):.2f} s a job, last {EDGE} {median(self.steps[-EDGE:]):.2f} s: {self.growth:+.1%} "
            f"(bar: under {MOST_GROWTH:.0%})",
            f"parent {self.memory[0]:.0f} MB after the first job, {self.memory[-1]:.0f} MB after the last: {self.mb_a_job:+.3f} MB a job "
            f"(bar: under {MOST_MB_A_JOB:g}); peak {self.peak:.0f} MB, so the end adds {self.peak - self.memory[-1]:.0f} MB: {self.memory_growth:+.1%} "
            f"over all (bar: under {MOST_GROWTH:.0%})",
            f"report.html has {self.report_mb:.2f} MB",
        ]

    @property
    def met(self) -> bool:
        """Whether all bars are met."""
        return max(self.growth, self.memory_growth) <= MOST_GROWTH and self.mb_a_job <= MOST_MB_A_JOB


def tiny_data(root: Path) -> Path:
    """A data set of one sequence of two frames, in GOT-10k's layout."""
    place = root / "val/one"
    place.mkdir(parents=True)
    image = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    for number in range(1, FRAMES + 1):
        cv2.imwrite(str(place / f"{number:08d}.jpg"), image)
    (place / "groundtruth.txt").write_text("40,30,50,40\n" * FRAMES)
    (root / "val/list.txt").write_text("one\n")
    return root


def sweep(work: Path, jobs: int, more: list[str]) -> Load:
    """Runs a sweep of ``jobs`` jobs by the command line, and observes it from outside."""
    out = work / f"sweep-{jobs}"
    data = work / "data"
    if not data.is_dir():
        tiny_data(data)
    words = [*TRACKER, "backend=onnx", "dataset=folder", f"dataset.root={data}", "dataset.split=val", f"task.warmup=range(1,{jobs + 1})", "turns.seconds=0"]
    command = [sys.executable, "-m", "harness", "-m", *words, f"hydra.sweep.dir={out}", f"mlflow.root={work / 'mlruns'}", *more]
    begin = time.monotonic()
    with open(work / f"sweep-{jobs}.log", "wb") as log:
        run = subprocess.Popen(command, cwd=work, env=environment(), stdout=log, stderr=log)
        parent, ends, memory, peak = psutil.Process(run.pid), [], [], 0.0
        while run.poll() is None:
            time.sleep(GLANCE_S)
            try:
                resident = parent.memory_info().rss / 1e6
            except psutil.NoSuchProcess:
                break
            peak = max(peak, resident)
            while len(ends) < jobs and (out / str(len(ends)) / RESULTS_FILE).is_file():
                ends.append(time.monotonic() - begin)
                memory.append(resident)
    whole = time.monotonic() - begin
    if run.wait() or len(ends) < jobs:
        raise RuntimeError(f"the sweep ended with {len(ends)} of {jobs} jobs, exit code {run.returncode}; see {work}/sweep-{jobs}.log")
    return Load(jobs, ends, memory, peak, whole, (out / "report.html").stat().st_size / 1e6)


def draw(report: Path, picture: Path) -> None:
    """Draws a report with chromium."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        print("no chromium here: no picture")
        return
    words = [program, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,6000", f"--screenshot={picture}", report.resolve().as_uri()]
    subprocess.run(words, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
    print(f"picture: {picture}")


def main() -> int:
    """Prints the figures of each sweep; exits with 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("words", nargs="*", help="further settings of the jobs")
    parser.add_argument("--jobs", type=int, nargs="+", default=[40, 100])
    parser.add_argument("--picture", type=Path, help="folder for pictures of the reports")
    given = parser.parse_args()
    met = True
    with tempfile.TemporaryDirectory(prefix="load-") as scratch:
        for jobs in given.jobs:
            found = sweep(Path(scratch), jobs, given.words)
            print("\n".join(found.lines()), flush=True)
            met = met and found.met
            if given.picture:
                given.picture.mkdir(parents=True, exist_ok=True)
                draw(Path(scratch) / f"sweep-{jobs}/report.html", given.picture.resolve() / f"report-{jobs}.png")
    print("bars met" if met else "a bar is missed")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
