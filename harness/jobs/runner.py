"""The parent's side of a job: prepare and measure in children, wait, save, and keep a sweep's record.

Nothing here imports a runtime. A child that dies, even by a segmentation fault, is a failed job with its last words.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from harness.core.config import python_path
from harness.core.errors import DataError, HarnessError, SkipJob, StoreError, exit_code_of
from harness.core.files import plain, read_json, write_json
from harness.core.results import FRAMES_FILE, RESULTS_FILE, Results, read_frames, write_frames
from harness.jobs.experiment import Experiment, build_experiment
from harness.jobs.worker import FAILURE_FILE, JOB_FILE, outcome_file
from harness.machine import environment

TAIL_LINES = 20
NOISE_SPREAD = 0.10
SPEEDS = ("fps", "pipeline_fps", "benchmark_app/throughput_fps")
OTHER_LOAD_CORES = 0.25


class JobFailed(HarnessError):
    """A child process ended without an outcome."""

    def __init__(self, kind: str, message: str, tail: list[str], exit_code: int = 1) -> None:
        super().__init__(message)
        self.kind, self.tail, self.exit_code = kind, tail, exit_code


@dataclass
class Job:
    """One job of a single run or a sweep: its resolved configuration and its folder."""

    config: Mapping[str, Any]
    folder: Path
    overrides: Sequence[str] = ()
    varied: Mapping[str, str] = field(default_factory=dict)
    sweep: bool = False

    @property
    def name(self) -> str:
        """What the sweep varies, else backend and tracker."""
        if self.varied:
            return " ".join(str(value) for value in self.varied.values())
        words = [self.config["backend"]["name"], self.config["tracker"]["name"]]
        for group in ("hint", "quantization"):
            if self.config[group]["name"] != "none":
                words.append(self.config[group]["name"])
        return " ".join(str(word) for word in words)


def run_job(job: Job) -> Results:
    """Runs a job to its ``results.json``; never raises for a job's own failure, except SkipJob in a single run."""
    make_folder(job.folder)
    write_json(
        job.folder / JOB_FILE,
        {"config": job.config, "overrides": list(job.overrides), "name": job.name, "varied": dict(job.varied)},
    )
    resumed = finished(job)
    if resumed is not None:
        return resumed
    results = Results(
        id=_identity(job.folder),
        name=job.name,
        status="ok",
        config=plain({**job.config, "resume": "off"}),
        overrides=list(job.overrides),
        started=now(),
    )
    try:
        results.environment = environment.describe()
        experiment = build_experiment(job.config)
        ensure_prepared(experiment, job.folder)
        measure(job.folder, 1)
        complete(results, job.folder, 1, experiment)
    except SkipJob as error:
        if not job.sweep:
            raise
        _failed(results, "skipped", "SkipJob", str(error), [], 2)
    except JobFailed as error:
        _failed(results, "failed", error.kind, str(error), error.tail, error.exit_code)
    except HarnessError as error:
        _failed(results, "failed", type(error).__name__, str(error), [], exit_code_of(error))
    results.ended = now()
    results.save(job.folder)
    return results


def record_lost(job: Job, error: Exception) -> Results:
    """The result of a job whose launcher's process died (node, memory, time limit) before it left any."""
    make_folder(job.folder)
    said = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]  # a launcher adds the job's log below
    results = Results(
        id=_identity(job.folder),
        name=job.name,
        status="failed",
        config=plain({**job.config, "resume": "off"}),
        overrides=list(job.overrides),
        started=now(),
        ended=now(),
    )
    message = f"the process of this job died in its launcher ({said}); its last words are in the launcher's logs."
    _failed(results, "failed", "Lost", message, tail_of(job.folder), 1)
    results.save(job.folder)
    return results


def finished(job: Job) -> Results | None:
    """The results of a folder that is resumed, where they are complete and of the same configuration."""
    if job.config.get("resume", "off") == "off" or not (job.folder / RESULTS_FILE).is_file():
        return None
    with contextlib.suppress(DataError):
        found = Results.load(job.folder)
        same = _comparable(found.config) == _comparable(plain(job.config))
        if found.status == "ok" and same and _still_current(job, found):
            return found
    return None


def _comparable(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as far as it decides results: the thread budget by its number, ``resume`` left out."""
    threads = config.get("threads") or environment.thread_budget()
    return {**{key: value for key, value in config.items() if key != "resume"}, "threads": threads}


def _still_current(job: Job, found: Results) -> bool:
    """Whether model and data set are still those of a finished result."""
    try:
        experiment = build_experiment(job.config)
        return bool(
            found.artifact.get("key") == experiment.step().key
            and found.dataset.get("digest") == experiment.dataset.digest()
        )
    except HarnessError:
        return False


def _failed(results: Results, status: str, kind: str, message: str, tail: list[str], code: int) -> None:
    results.status = status
    results.error = {"kind": kind, "message": message, "tail": tail, "exit_code": code}


def make_folder(folder: Path) -> None:
    """Makes a run's folder. Raises StoreError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be made ({error.strerror}); set hydra.run.dir or hydra.sweep.dir to a folder "
            "that can be written."
        ) from error


def _identity(folder: Path) -> str:
    """The run's identity: kept when a folder is resumed."""
    path = folder / "id"
    if path.is_file():
        return path.read_text().strip()
    identity = uuid.uuid4().hex
    path.write_text(identity + "\n")
    return identity


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


# ------------------------------------------------------------------------------------------ children


def ensure_prepared(experiment: Experiment, folder: Path) -> None:
    """Prepares the model in a child of its own, where it is not in the cache."""
    if experiment.prepared() is None:
        spawn(["prepare", str(folder)], folder)


def measure(folder: Path, round_: int) -> None:
    """Runs one round of a job's measurement in a child. Raises JobFailed."""
    (folder / outcome_file(round_)).unlink(missing_ok=True)
    watch = environment.LoadWatch()
    watch.start()
    spawn(["measure", str(folder), str(round_)], folder)
    path = folder / outcome_file(round_)
    if not path.is_file():
        raise JobFailed("NoOutcome", "the measuring process ended without an outcome.", tail_of(folder))
    outcome = read_json(path)
    outcome["details"]["other_load_cores"] = round(watch.stop(), 3)
    write_json(path, outcome)


def spawn(arguments: list[str], folder: Path) -> None:
    """Runs ``harness.jobs.worker`` with ``arguments``, relaying what it prints. Raises JobFailed, KeyboardInterrupt."""
    (folder / FAILURE_FILE).unlink(missing_ok=True)
    job = read_json(folder / JOB_FILE)["config"]
    threads = job.get("threads") or environment.thread_budget()
    variables = environment.limit_threads(dict(os.environ), threads) | {
        "PYTHONPATH": python_path(),
        "PYTHONFAULTHANDLER": "1",
        "HARNESS_SPAWNED": repr(time.time()),
        "HARNESS_PROGRESS": os.environ.get("HARNESS_PROGRESS") or ("bar" if sys.stderr.isatty() else "lines"),
    }
    command = [sys.executable, "-m", "harness.jobs.worker", *arguments]
    with open(folder / "worker.log", "ab") as log:
        # a process group of its own: Ctrl-C reaches the parent alone, which then ends the child and its children
        child = subprocess.Popen(
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _relay(child, log)
            code = child.wait()
        except BaseException:
            _end(child)
            raise
    if code:
        raise _failure(folder, code)


def _relay(child: subprocess.Popen[bytes], log: Any) -> None:
    """Copies the child's output to the log, and to the terminal what is not a traceback."""
    assert child.stdout is not None
    verbose = bool(os.environ.get("HARNESS_VERBOSE"))
    hiding = False
    while chunk := os.read(child.stdout.fileno(), 65536):
        log.write(chunk)
        log.flush()
        text = chunk.decode("utf-8", "replace")
        hiding = hiding or text.startswith("Traceback") or "\nTraceback" in text
        if verbose or not hiding:
            sys.stderr.write(text)
            sys.stderr.flush()


def _end(child: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(3)
            return


def _failure(folder: Path, code: int) -> JobFailed:
    tail = tail_of(folder)
    if (folder / FAILURE_FILE).is_file():
        said = read_json(folder / FAILURE_FILE)
        return JobFailed(said["kind"], said["message"], tail, int(said["exit_code"]))
    if code < 0:
        name = signal.Signals(-code).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return JobFailed(
            "Crash", f"the process was ended by {name}{hint}; its last lines are in {folder}/worker.log.", tail
        )
    return JobFailed("Crash", f"the process ended with exit code {code}; see {folder}/worker.log.", tail)


def tail_of(folder: Path) -> list[str]:
    """The last lines that the child printed, progress bars aside."""
    try:
        text = (folder / "worker.log").read_bytes().decode("utf-8", "replace")
    except OSError:
        return []
    lines = [line.rsplit("\r", 1)[-1].rstrip() for line in text.splitlines()]
    return [line for line in lines if line][-TAIL_LINES:]


# ------------------------------------------------------------------------------------------- results


def complete(results: Results, folder: Path, rounds: int, experiment: Experiment | None = None) -> None:
    """Fills ``results`` from the outcomes of ``rounds`` rounds: medians of what was measured more than once."""
    outcomes = [read_json(folder / outcome_file(number)) for number in range(1, rounds + 1)]
    first = outcomes[0]
    results.metrics = merged([outcome["metrics"] for outcome in outcomes])
    results.sequences = first["sequences"]
    results.effective, results.artifact, results.dataset = first["effective"], first["artifact"], first["dataset"]
    results.details = dict(first["details"])
    results.scoring = results.details.pop("scoring", {})
    results.files = list(first["files"])
    results.warnings = list(dict.fromkeys(warning for outcome in outcomes for warning in outcome["warnings"]))
    if "cluster" not in first["details"]:  # a cluster's workers are no strangers
        results.warnings += load_warnings([outcome["details"].get("other_load_cores", 0.0) for outcome in outcomes])
    if rounds > 1:
        results.details["rounds"] = [outcome["metrics"] for outcome in outcomes]
        results.metrics |= spreads(results.details["rounds"])
        results.warnings += spread_warnings(results.details["rounds"])
    if experiment is not None:
        results.config = plain({**results.config, "threads": experiment.threads})


def merged(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Each metric's median over the rounds that have it."""
    names = dict.fromkeys(name for metrics in rounds for name in metrics)
    values = {name: [item[name] for item in rounds if item.get(name) is not None] for name in names}
    return {name: median(found) for name, found in values.items() if found and all(map(math.isfinite, found))}


def load_warnings(loads: list[float]) -> list[str]:
    """A warning where other processes used the machine."""
    worst = max(loads, default=0.0)
    if worst <= OTHER_LOAD_CORES:
        return []
    return [f"Other processes used {worst:.1f} cores on average while this was measured: its times are too long."]


def spreads(rounds: list[dict[str, float]]) -> dict[str, float]:
    """``spread/<speed>``: (largest - smallest) / median over the rounds, of each speed that several rounds have."""
    found = {}
    for name in SPEEDS:
        values = [metrics[name] for metrics in rounds if metrics.get(name)]
        if len(values) > 1:
            found[f"spread/{name}"] = (max(values) - min(values)) / median(values)
    return found


def spread_warnings(rounds: list[dict[str, float]]) -> list[str]:
    """A warning where the rounds' speeds spread over 10 % of their median."""
    return [
        f"{name.removeprefix('spread/')} spread over {share:.0%} of its median in {len(rounds)} rounds: this is noise."
        for name, share in spreads(rounds).items()
        if share > NOISE_SPREAD
    ]


def fixed_cost(results: Results) -> str:
    """What the job took beside tracking, now that it is logged, as a line for the terminal; empty where it is not known."""
    start, last = results.metrics.get("fixed_s/start"), results.details.get("last_frame")
    if start is None or last is None:
        return ""
    return f"fixed cost: {start:.1f} s to the first tracked frame, {time.time() - last:.1f} s from the last one to the record"


# -------------------------------------------------------------------------------------------- rounds


def more_rounds(folders: Sequence[Path], repeats: int) -> None:
    """Runs rounds 2 to ``repeats`` of all jobs, each round in another order, so that drift hits all alike."""
    jobs = [folder for folder in folders if Results.load(folder).status == "ok"]
    for round_ in range(2, repeats + 1):
        shift = (round_ - 1) % max(1, len(jobs))
        for folder in (*jobs[shift:], *jobs[:shift]):
            found = Results.load(folder)
            # a job that failed in an earlier round stays failed; a resumed one keeps the rounds that it has
            if found.status != "ok" or len(found.details.get("rounds", [])) >= round_:
                continue
            print(f"round {round_}/{repeats}: {found.name}", file=sys.stderr, flush=True)
            run_round(folder, round_)


def run_round(folder: Path, round_: int) -> None:
    """One further round of a finished job, in a folder of its own; then the job's results over all rounds."""
    results = Results.load(folder)
    scratch = folder / "rounds" / f"work-{round_}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    shutil.copy(folder / JOB_FILE, scratch / JOB_FILE)
    try:
        measure(scratch, round_)
        os.replace(scratch / outcome_file(round_), folder / outcome_file(round_))
        _append_frames(folder, scratch)
        _keep_reports(folder, scratch, round_)
        complete(results, folder, round_)
    except JobFailed as error:
        _failed(results, "failed", error.kind, f"round {round_}: {error}", error.tail, error.exit_code)
    shutil.rmtree(scratch, ignore_errors=True)
    results.ended = now()
    results.save(folder)


def _append_frames(folder: Path, scratch: Path) -> None:
    if (scratch / "frames.parquet").is_file():
        write_frames(folder, pd.concat([read_frames(folder), read_frames(scratch)], ignore_index=True))


def _keep_reports(folder: Path, scratch: Path, round_: int) -> None:
    """Moves what a further round reported (benchmark_app's own report, a ladder) to ``rounds/<round>/``."""
    for name in read_json(folder / outcome_file(round_))["files"]:
        source, goal = scratch / name, folder / "rounds" / str(round_) / name
        if source.is_file() and source.name != FRAMES_FILE:
            goal.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, goal)
