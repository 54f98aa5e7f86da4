"""One hostile input, the small world that it is let loose in, and what its end must look like."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import make_runs
from command_line import PATH, harness, process
from fakes import standing_conf, tiny_dataset

LIMIT_SECONDS = 60
LISTING = ("check-dataset", "validate")
"""Commands whose output is a list of faults."""
FOREIGN = re.compile(
    r"Traceback|\b([A-Z]\w*(Error|Exception)|cv2\.error|pydantic|OmegaConf|omegaconf|hydra\.core|ArrowInvalid|NoneType|BadZipFile|is None)\b|"
    r"<EOF>|<class |object at 0x|object has no attribute|codec can't|(object|indices) (is|are|must be) |not supported between|must be str|unhashable|"
    r"positional argument|unexpected keyword|invalid literal|could not convert|index out of|mismatched input|no viable alternative|token recognition"
)
TEMPORARY = re.compile(r"^\..+\.[a-z0-9_]{8}$|\.(tmp|part)$")


@dataclass(frozen=True)
class Case:
    """An input.

    Attributes:
        kind: What is hostile: ``values``, ``yaml``, ``images``, ...
        name: Says what is wrong.
        words: The command line; ``{here}`` is the case's folder.
        setup: Breaks what is to be broken, in the case's folder.
        codes: Accepted exit codes: 2 for a mistake, 1 for failed work.
        needs: What of the world is copied: ``data``, ``runs``.
        apart: Run in a process of its own, since the process is what is hostile; called with the folder.
        says: A part of the sentence.
        own_code: A person's code is at fault: its exception's name is told.
    """

    kind: str
    name: str
    words: tuple[str, ...]
    setup: Callable[[Path], object] = lambda folder: None
    codes: tuple[int, ...] = (2,)
    needs: tuple[str, ...] = ()
    apart: Callable[[Path, list[str]], subprocess.CompletedProcess[str]] | None = None
    says: str = ""
    own_code: bool = False
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"{self.kind}: {self.name}"

    @property
    def dear(self) -> bool:
        """Whether it is likely to start processes, which cost seconds."""
        return self.apart is not None or (self.words[0] == "--config-dir" and set(self.codes) != {2})


@dataclass(frozen=True)
class World:
    """What cases copy from: data, configuration, runs; and the cache that they share."""

    folder: Path
    cache: Path


def job(*words: str) -> tuple[str, ...]:
    """The words of a small job: a standing tracker, three sequences of tiny frames; ``words`` override."""
    return (
        "--config-dir", "{here}/conf", "tracker=standing", "dataset=folder", "dataset.root={here}/data", "dataset.split=val",
        "backend=onnx", "mlflow=off", "task.warmup=1", "hydra.run.dir=out", *words,
    )  # fmt: skip


def make_world(folder: Path, cache: Path) -> World:
    """The world: ``data`` (GOT-10k's layout), ``conf``, ``runs`` (a sweep of two jobs)."""
    tiny_dataset(folder / "data", sequences=2, frames=4)
    standing_conf(folder / "conf")
    make_runs.make_sweep(
        folder / "runs", [{"backend": "torch", "sequences": 2, "frames": 12}, {"backend": "onnx", "sequences": 2, "frames": 12}]
    )
    return World(folder, cache)


def fault_of(case: Case, world: World, folder: Path) -> str:
    """Runs a case in ``folder``; returns what is wrong with its end, empty if nothing is."""
    for name in ("conf", *case.needs):
        shutil.copytree(world.folder / name, folder / name)
    (folder / "outputs").mkdir()
    (folder / "outputs/cache").symlink_to(world.cache)
    case.setup(folder)
    before = set(_files(folder))
    words = [word.replace("{here}", str(folder)) for word in case.words]
    begun = time.monotonic()
    try:
        with limit(LIMIT_SECONDS):
            if case.apart is not None:
                done = case.apart(folder, words)
            else:
                done = harness(*words, cwd=folder, **case.environment)
    except (Hang, subprocess.TimeoutExpired):
        return f"no end within {LIMIT_SECONDS} s"
    except Exception as error:
        return f"a traceback: {type(error).__name__}: {str(error)[:200]}"
    if time.monotonic() - begun > LIMIT_SECONDS:
        return f"took {time.monotonic() - begun:.0f} s"
    return _wrong(case, done) or _left(folder, before)


def apart(**environment: str) -> Callable[[Path, list[str]], subprocess.CompletedProcess[str]]:
    """Runs the words by ``python -m harness``."""
    return lambda folder, words: process(*words, cwd=folder, timeout=LIMIT_SECONDS, **environment)


class Hang(BaseException):
    """Raised in a case that does not end."""


@contextmanager
def limit(seconds: int) -> Iterator[None]:
    """Raises Hang after ``seconds``, in the main thread."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _wrong(case: Case, done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode not in case.codes:
        return f"exit code {done.returncode} instead of {case.codes}: {done.stderr[-400:] or done.stdout[-300:]}"
    if done.returncode == 0:
        return "a traceback: " + done.stderr[-400:] if "Traceback" in done.stderr else ""
    marks = ("error: ", "failed: ") if "-m" in case.words else ("error: ",)  # a sweep tells of each job that failed
    said = [line for line in done.stderr.splitlines() if line.startswith(marks)]
    if not said and case.words[0] in LISTING and "Traceback" not in done.stderr + done.stdout:
        return ""  # its output is the list of all faults
    if not said or (len(said) > 1 and "-m" not in case.words):
        return f"{len(said)} sentences instead of one: {done.stderr[-600:]!r}"
    if "Traceback" in done.stderr + done.stdout:
        return f"a traceback: {done.stderr[-400:]}"
    if not case.own_code and (found := FOREIGN.search(said[0])):
        return f"foreign words ({found[0]}): {said[0][:500]}"
    if "free space" in said[0]:
        return f"says 'free space': {said[0]}"
    if case.says not in said[0]:
        return f"does not say {case.says!r}: {said[0]}"
    return ""


def _left(folder: Path, before: set[Path]) -> str:
    """What is half-written: temporary files, a result that cannot be read, a bundle of a command that failed."""
    for path in set(_files(folder)) - before:
        if TEMPORARY.search(path.name):
            return f"left behind: {path.relative_to(folder)}"
        if path.name == "results.json":
            status = json.loads(path.read_text())["status"]
            if status not in ("failed", "skipped", "ok"):
                return f"a result of status {status}"
    return ""


def _files(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not (Path(place) / name).is_symlink()]
        yield from (Path(place) / name for name in names)


__all__ = ["PATH", "Case", "World", "apart", "fault_of", "job", "make_world"]
