"""Lets the harness's children begin with everything imported: most of what a small job costs is importing its runtimes.

A child is forked from a process that keeps the imports ready (``ready_server``) instead of started anew. It is a process of its own all the same,
with its own session, environment, folder and output, and runs the same module; only Python's start and the imports are left out.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from command_line import PATH, SUPPORT, UNDRAWN, brief

from harness.machine import children

START_SECONDS = 240
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
usual = children.start
LOKY = "joblib.externals.loky.backend.popen_loky_posix"
"""The module that joblib's processes run."""
TASK = "submitit.core._submit"
"""The module that runs a job that submitit's local controller starts."""
PASSED_ON = """
import os
import sys

from harness.machine import children
from ready_children import Ready

ready = Ready({address!r}, {stores!r})
children.start = ready.start
if "submitit.local._local" in sys.orig_argv:
    from types import SimpleNamespace

    from submitit.local import local

    local.subprocess = SimpleNamespace(Popen=ready.submitted)
if "{loky}" in sys.orig_argv and "{undrawn}" in os.environ:
    from command_line import undrawn

    around = undrawn()
    around.__enter__()
"""
"""The module by which a Python that starts passes it on; jobs of submitit begin ready, too, and joblib's processes draw no more than what began them."""


def possible() -> bool:
    """Whether processes can be forked here."""
    return sys.platform == "linux" and os.environ.get("HARNESS_WITHOUT_POSIX") != "1"


class Forked(subprocess.Popen):  # type: ignore[type-arg]
    """A child of ``ready_server``, as if this process had started it."""

    def __init__(self, words: Sequence[str], answers: socket.socket, pipes: tuple[Any, Any, Any], text: bool) -> None:
        self.args, self._answers = list(words), answers
        self.stdin, self.stdout, self.stderr = pipes
        self.returncode = None
        self.text_mode = text
        self._communication_started, self._input = False, None
        self._waitpid_lock, self._sigint_wait_secs, self._child_created = threading.Lock(), 0.25, True
        self.pid = self._next(None)["pid"]

    def _next(self, timeout: float | None) -> dict[str, int]:
        self._answers.settimeout(timeout)
        data = self._answers.recv(1000)
        if not data:
            raise AssertionError("the process that keeps the imports ready has ended")
        return dict(json.loads(data))

    def _internal_poll(self, _deadstate: int | None = None) -> int | None:  # type: ignore[override]
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._wait(0.0)
        return self.returncode

    def _wait(self, timeout: float | None) -> int:  # type: ignore[override]
        if self.returncode is None:
            try:
                self.returncode = self._next(timeout)["code"]
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0) from None
            self._answers.close()
        return self.returncode


class Ready:
    """The process that keeps the imports ready, started when it is first needed; or, given its address, one that runs.

    Attributes:
        address: Its socket.
        stores: Where the empty store of ``ready_store`` is; commands need it.
    """

    def __init__(self, address: str | None = None, stores: Path | None = None) -> None:
        self._folder = None if address else tempfile.TemporaryDirectory(prefix="ready-")
        self.address = address or str(Path(self._folder.name) / "ask")  # type: ignore[union-attr]
        self._server: subprocess.Popen[bytes] | None = None
        self.stores = stores

    @contextlib.contextmanager
    def given(self) -> Iterator[None]:
        """Inside of it children begin ready; it changes nothing where processes cannot be forked."""
        if not possible():
            yield
            return
        self._launch()
        with mock.patch.object(children, "start", self.start):
            yield

    def start(self, words: Sequence[str], **options: Any) -> Any:
        """Stands for ``children.start``."""
        if list(words[:3]) != [sys.executable, "-m", children.TIED] or words[4] != "module":
            return usual(words, **options)
        options.setdefault("stdin", subprocess.DEVNULL)
        return self._fork(words, words[5], list(words[6:]), options, None)

    def begin(
        self, *words: object, cwd: Path, pictures: bool = False, stdout: Any = None, stderr: Any = None, **environment: str
    ) -> Any:
        """``python -m harness WORDS``, running: the command and its children begin ready. Nothing is drawn unless ``pictures`` is set."""
        command = [sys.executable, "-m", "harness", *brief(words)]
        options = {
            "cwd": cwd, "env": {**os.environ, "PYTHONPATH": PATH, **environment}, "text": True, "stdin": subprocess.DEVNULL,
            "stdout": stdout, "stderr": stderr,
        }  # fmt: skip
        if not possible():
            return subprocess.Popen(command, **options)
        return self._fork(command, "harness", command[3:], options, {"stores": str(self.stores), "pictures": pictures})

    def module(self, name: str, *words: str, **options: Any) -> Any:
        """``python -m NAME WORDS``, running, with a session of its own; ``options`` are those of ``subprocess.Popen``."""
        command = [sys.executable, "-m", name, *words]
        options.setdefault("stdin", subprocess.DEVNULL)
        if not possible():
            return subprocess.Popen(command, start_new_session=True, **options)
        return self._fork(command, name, list(words), options, None)

    def passed_on(self, folder: Path) -> Path:
        """Makes ``folder`` one for PYTHONPATH: processes that start with it have children that begin ready."""
        if possible():
            self._wait()
            stores = self.stores and str(self.stores)
            (folder / "sitecustomize.py").write_text(PASSED_ON.format(address=self.address, stores=stores, loky=LOKY, undrawn=UNDRAWN))
        return folder

    def submitted(self, words: Sequence[str], **options: Any) -> Any:
        """Stands for the start of a task by submitit's local controller: what it runs is a command, and begins ready."""
        assert TASK in words and not options.pop("shell", False), words
        arguments = list(words[list(words).index(TASK) + 1 :])
        return self._fork(words, TASK, arguments, options, {"stores": str(self.stores), "pictures": False})

    def run(self, *words: object, cwd: Path, timeout: float = 300, pictures: bool = False, **environment: str) -> subprocess.CompletedProcess[str]:
        """``python -m harness WORDS``, finished; see ``begin``."""
        child = self.begin(*words, cwd=cwd, pictures=pictures, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **environment)
        out, err = child.communicate(timeout=timeout)
        return subprocess.CompletedProcess(child.args, child.returncode, out, err)

    def _fork(self, words: Sequence[str], module: str, arguments: list[str], options: dict[str, Any], command: dict[str, Any] | None) -> Forked:
        self._wait()
        folder = os.path.abspath(options.get("cwd") or Path.cwd())
        environment = dict(options.get("env") or os.environ)
        cores = sorted(os.sched_getaffinity(0))  # a child takes over those of its parent
        wanted = {"module": module, "arguments": arguments, "environment": environment, "folder": folder, "command": command, "cores": cores}
        asker = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            asker.connect(self.address)
        except ConnectionRefusedError as error:
            raise AssertionError(f"the process that keeps the imports ready has ended; its last words: {self._last_words()}") from error
        with contextlib.ExitStack() as given:
            theirs, ours = [], []
            for number, name in enumerate(("stdin", "stdout", "stderr")):
                if name == "stderr" and options.get(name) == subprocess.STDOUT:
                    theirs, ours = [*theirs, theirs[1]], [*ours, None]
                    continue
                file, pipe = _end(given, options.get(name), number, options.get("text", False))
                theirs, ours = [*theirs, file], [*ours, pipe]
            socket.send_fds(asker, [json.dumps(wanted).encode()], theirs)
            return Forked(words, asker, (ours[0], ours[1], ours[2]), options.get("text", False))

    def _last_words(self) -> str:
        log = Path(self.address).with_name("log")
        return log.read_text()[-2000:] if log.is_file() else ""

    def _launch(self) -> None:
        if self._server is not None or self._folder is None:
            return
        environment = {**os.environ, "PYTHONPATH": PATH, **dict.fromkeys(THREADS, "1")}
        command = [sys.executable, str(SUPPORT / "ready_server.py"), self.address]
        with open(Path(self.address).with_name("log"), "wb") as log:
            self._server = subprocess.Popen(command, env=environment, cwd=self._folder.name, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _wait(self) -> None:
        """Until the imports are made."""
        self._launch()
        until = time.monotonic() + START_SECONDS
        while not Path(self.address).exists():
            assert time.monotonic() < until and (self._server is None or self._server.poll() is None), "the imports cannot be made ready"
            time.sleep(0.02)

    def stop(self) -> None:
        """Ends the process, and with it all that it has forked."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
        if self._folder is not None:
            self._folder.cleanup()


def _end(given: contextlib.ExitStack, wanted: Any, number: int, text: bool) -> tuple[int, Any]:
    """The child's end of a stream, and ours where it is a pipe."""
    if wanted is None:
        return number, None
    if wanted == subprocess.DEVNULL:
        file = os.open(os.devnull, os.O_RDWR)
        given.callback(os.close, file)
        return file, None
    if wanted == subprocess.PIPE:
        read, write = os.pipe()
        theirs, ours = (read, write) if number == 0 else (write, read)
        given.callback(os.close, theirs)
        pipe: Any = open(ours, "wb" if number == 0 else "rb", buffering=-1)  # noqa: SIM115  # the child's owner closes it
        return theirs, io.TextIOWrapper(pipe, write_through=True) if text else pipe
    return wanted if isinstance(wanted, int) else wanted.fileno(), None
