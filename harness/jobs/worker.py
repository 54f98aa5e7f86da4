"""The child process of a job: prepares a model, or measures. Imports neither hydra nor mlflow.

``python -m harness.jobs.worker prepare|measure FOLDER [ROUND]`` reads ``FOLDER/job.json``. It ends with an outcome file, or with
a failure file that states in one sentence why not. The parent turns any other end into a failed job.

``python -m harness.jobs.worker ahead`` gets two lines of JSON on its standard input: the configuration of a job, for which it
loads, and later the arguments above, with which it goes on.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import json
import os
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from filelock import FileLock, Timeout

from harness.core import secrets
from harness.core.errors import HarnessError, StoreError, TrackingError, exit_code_of, in_words, unexpected
from harness.core.files import read_record, write_json
from harness.core.interfaces import Artifact, Context, TaskResult
from harness.jobs.experiment import Experiment, build_experiment
from harness.machine import progress
from harness.machine.environment import LoadWatch, keep_freed_memory, peak_rss_mb
from harness.prepare import parity

JOB_FILE = "job.json"
FAILURE_FILE = "failure.json"
LOCK_FILE = ".job.lock"
LOCK_SECONDS = 10.0
MEASURED = b"\x1e"
"""ASCII's record separator in the output of a measuring process: from here on it times nothing."""


def outcome_file(round_: int) -> str:
    """Returns the name of the file with the outcome of round ``round_`` (from 1)."""
    return f"rounds/{round_}.json"


def main(arguments: list[str]) -> int:
    """Runs one phase; returns the exit code."""
    faulthandler.enable()
    keep_freed_memory()
    built = None
    if arguments == ["ahead"]:
        arguments, built = _loaded_ahead()
        if not arguments:
            return 0  # the job was not wanted
    phase, folder = arguments[0], Path(arguments[1])
    round_ = int(arguments[2]) if len(arguments) > 2 else 1
    try:
        record = read_record(folder / JOB_FILE)
        folder = folder.resolve()
        if record.get("chdir"):
            os.chdir(record["chdir"])
        with alone(folder):
            experiment = built if built is not None and built.config == record["config"] else build_experiment(record["config"])
            if phase == "prepare":
                prepare(experiment)
            else:
                measure(experiment, folder, round_)
        return 0
    except KeyboardInterrupt:
        return 130
    except HarnessError as error:
        return _fail(folder, type(error).__name__, str(error), exit_code_of(error))
    except OSError as error:
        return _fail(folder, "OSError", in_words(error), 1)
    except MemoryError:
        return _fail(folder, "MemoryError", "the job ran out of memory; use a smaller data set, model or mode.", 1)
    except Exception as error:
        return _fail(folder, type(error).__name__, unexpected(error), 1)


def _loaded_ahead() -> tuple[list[str], Experiment | None]:
    """Loads for the job whose configuration comes first, and waits for the job itself.

    Returns:
        The arguments, empty if the parent disconnected instead; the job's parts, None if they could not be built, which is
        reported when the job is run.
    """
    built = None
    config = json.loads(sys.stdin.readline() or "{}").get("config")
    with contextlib.suppress(Exception):
        built = build_experiment(config)
        built.backend.load_runtime()  # what the job needs after its last frame it imports then: nothing waits for that
    order = json.loads(sys.stdin.readline() or "{}")
    os.environ.update(order.get("environment", {}))
    with open(os.devnull, "rb") as nothing:  # what the user's own code may read
        os.dup2(nothing.fileno(), 0)
    return list(order.get("arguments", [])), built


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Locks the job's folder, so that a process that still measures for it keeps a second one out."""
    try:
        with FileLock(folder / LOCK_FILE, timeout=LOCK_SECONDS):
            yield
    except Timeout as error:
        raise StoreError(f"another process is measuring in {folder}; end it, or choose another folder.") from error


def _fail(folder: Path, kind: str, message: str, code: int) -> int:
    print(secrets.masked(traceback.format_exc()), end="", file=sys.stderr)
    for note in notes_of(sys.exception()):  # last, so that the log ends with the output of the failed part
        print(secrets.masked(note), file=sys.stderr)
    if isinstance(sys.exception(), TrackingError) or not isinstance(sys.exception(), (HarnessError, OSError, MemoryError)):
        message = f"{message.rstrip('.')}; the traceback is in {folder / 'worker.log'}."  # the user's own code failed
    write_json(folder / FAILURE_FILE, {"kind": kind, "message": secrets.masked(message), "exit_code": code})
    return code


def notes_of(error: BaseException | None) -> list[str]:
    """The notes of an error and of what caused it."""
    found: list[str] = []
    while error is not None:
        found = [*getattr(error, "__notes__", []), *found]
        error = error.__cause__
    return found


def prepare(experiment: Experiment) -> Artifact:
    """Builds the artifacts that are missing in the cache."""
    from harness.prepare.steps import realise

    display = progress.make()
    if experiment.task.uses_backend:
        experiment.backend.check_device()  # first, because preparing for a missing device would waste minutes
    try:
        return realise(experiment.step(), experiment.cache, display, experiment.threads)
    finally:
        display.close()


def measure(experiment: Experiment, folder: Path, round_: int) -> None:
    """Runs the task over the prepared artifact and writes the outcome."""
    artifact = prepare(experiment)
    context = Context(
        experiment.config,
        artifact,
        experiment.backend,
        experiment.tracker,
        experiment.dataset,
        folder,
        experiment.threads,
        experiment.seed,
        progress.make(),
        round_,
        tell_measured,
    )
    watch = LoadWatch()
    watch.start()
    try:
        result = experiment.task.run(context)
        context.measured()
        add_submission(context, result)
    finally:
        context.progress.close()
        experiment.backend.close()  # before the load is reported: its own processes do not count as other load
    found = outcome(experiment, artifact, result)
    found["details"]["other_load_cores"] = round(watch.stop(), 3)
    write_json(folder / outcome_file(round_), found)


def tell_measured() -> None:
    """Tells the parent that nothing more is timed."""
    sys.stdout.flush()
    os.write(1, MEASURED)


def add_submission(context: Context, result: TaskResult) -> None:
    """Adds the archive for the data set's evaluation server, if it has one, or the reason why it could not be made."""
    if not context.dataset.submits() or context.tracker.random_weights or not (context.folder / "tracks").is_dir():
        return
    from harness.publish.submission import pack_job

    files, warnings = pack_job(context)
    result.files += files
    result.warnings += warnings


def outcome(experiment: Experiment, artifact: Artifact, result: TaskResult) -> dict[str, Any]:
    """Returns the outcome of one round, with what the runtime reports."""
    metrics = dict(result.metrics)
    opened = experiment.backend.load_times() if experiment.task.uses_backend else {}
    metrics |= {f"load_ms/{key}": seconds * 1e3 for key, seconds in opened.items()}
    metrics.setdefault("rss_mb/peak", peak_rss_mb() + experiment.backend.outside_rss_mb())
    card = experiment.backend.card_mb()
    if card is not None:
        metrics["card_mb/peak"] = card
    if artifact.info.get("mb") is not None:
        metrics["model_mb"] = float(artifact.info["mb"])
    found = parity.summary(artifact.info)
    if found:
        metrics["parity/max_abs_diff"] = parity.largest(found)
    return {
        "metrics": metrics,
        "files": result.files,
        "sequences": result.sequences,
        "details": result.details,
        "warnings": [*result.warnings, *(experiment.backend.warnings() if opened else [])],
        "effective": result.record.effective or (experiment.backend.describe() if opened else {}),
        "artifact": describe_artifact(artifact),
        "dataset": describe_dataset(experiment, result),
        "pid": os.getpid(),
    }


def describe_artifact(artifact: Artifact) -> dict[str, Any]:
    """The artifact as results.json records it."""
    return {
        "key": artifact.key,
        "format": artifact.format,
        "precision": artifact.precision,
        "folder": str(artifact.folder),
        "files": {name: str(path) for name, path in artifact.files.items()},
        **{key: value for key, value in artifact.info.items() if key not in ("parameter_bytes", "reads_weights")},
    }


def describe_dataset(experiment: Experiment, result: TaskResult) -> Mapping[str, Any]:
    """The data set as results.json records it."""
    dataset = experiment.dataset
    sequences = list(dataset)
    return {
        "name": dataset.name,
        "split": dataset.split,
        "digest": dataset.digest(),
        "sequences": len(sequences),
        "frames": sum(len(item) for item in sequences),
        "truth": dataset.has_truth,
        "scored_frames": result.record.scored_frames or 0,
    }


def end(code: int) -> NoReturn:
    """Ends the process after what libraries and the user's own code registered for the end.

    The interpreter's own end would take runtimes apart piece by piece, which takes a tenth of a second for nothing.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads that are no daemons, as the interpreter does
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    end(main(sys.argv[1:]))
