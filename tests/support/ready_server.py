"""A process that has made the imports of the harness's commands and children, and forks one for each that is asked for.

``python ready_server.py SOCKET``: on the Unix socket it is given modules to run as ``python -m`` does, with their environment, folder and open
files, and tells their exit status. A child ends with whoever asked for it. See ``ready_children``.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import Any

import ready_export
from command_line import UNDRAWN

from harness.machine import reports

MODULES = (
    "numpy", "cv2", "pandas", "pyarrow.parquet", "pydantic", "scipy.stats", "safetensors", "torch", "onnx", "onnxruntime", "openvino",
    "hydra", "mlflow", "mlflow.store.tracking.sqlalchemy_store", "matplotlib.figure",
    "harness.jobs.worker", "harness.jobs.stand", "harness.jobs.live", "harness.prepare.steps", "harness.tasks.evaluate.task",
    "harness.tasks.realtime.task", "harness.tasks.capacity.task", "harness.tasks.soak.task", "harness.tasks.profile.task",
    "harness.tasks.benchmark_app.task", "harness.backends.torch.session", "harness.backends.onnx.session",
    "harness.backends.openvino.session", "harness.cli.main", "harness.jobs.sweep", "harness.jobs.finishing", "harness.report.render", "harness.publish.mlflow",
)  # fmt: skip
"""What is imported. None of it starts a thread by being imported."""
LATER = ("nncf", "onnxscript", "onnx_ir", "torch", "sympy", "networkx")
"""Packages of which what a child has imported is imported here, too, before the next child begins: those of exporters and quantisers take seconds."""
NEVER = "torch._inductor"
"""It starts threads when it is imported."""
FURTHER = ".further"
"""What the name of the file ends in to which children write what they have imported."""
MOST = 1 << 17
"""Bytes of a request."""


class Server:
    """Answers requests until it is ended."""

    def __init__(self, address: str) -> None:
        self.address, self.own = address, os.getpid()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.awake, self.woken = socket.socketpair()
        for end in (self.awake, self.woken):
            end.setblocking(False)
        self.selector = selectors.DefaultSelector()
        self.running: dict[int, socket.socket] = {}
        self.tried: set[str] = set()

    def serve(self) -> None:
        """Listens; a signal of a child's end wakes it."""
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self.woken.fileno(), warn_on_full_buffer=False)
        self.selector.register(self.listener, selectors.EVENT_READ, self._asked)
        self.selector.register(self.awake, selectors.EVENT_READ, self._child_ended)
        self.listener.bind(f"{self.address}.new")
        self.listener.listen()
        os.rename(f"{self.address}.new", self.address)
        while True:
            for key, _ in self.selector.select():
                key.data(key.fileobj)

    def _asked(self, listener: socket.socket) -> None:
        asker, _ = listener.accept()
        try:
            data, files, _, _ = socket.recv_fds(asker, MOST, 3)
        except OSError:
            data, files = b"", []
        if not data:  # whoever asked has gone
            for file in files:
                os.close(file)
            asker.close()
            return
        self._adopt()
        child = os.fork()
        if child == 0:
            self._leave(asker)
            _become(json.loads(data), files, self.address)
        for file in files:
            os.close(file)
        self.running[child] = asker
        self.selector.register(asker, selectors.EVENT_READ, lambda _: self._asker_ended(child))
        try:
            asker.send(json.dumps({"pid": child}).encode())
        except OSError:  # whoever asked was killed meanwhile
            self._asker_ended(child)

    def _adopt(self) -> None:
        """Imports what children have imported that have ended."""
        told = Path(f"{self.address}{FURTHER}")
        if not told.is_file():
            return
        names = [name for name in dict.fromkeys(told.read_text().split()) if name not in self.tried]
        told.unlink()
        self.tried.update(names)
        for name in names:
            with contextlib.suppress(Exception, SystemExit):  # what others put among the modules cannot be imported by its name
                importlib.import_module(name)
        if ready_export.REGISTRATION in names:
            ready_export.hasten()
        if names:
            gc.collect()
            gc.freeze()

    def _leave(self, asker: socket.socket) -> None:
        """In a child: is no longer this server, and ends with it."""
        from harness.machine import tied

        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.selector.close()
        for end in (self.listener, self.awake, self.woken, asker, *self.running.values()):
            end.close()
        tied.arm(self.own, signal.SIGKILL)

    def _asker_ended(self, child: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        with contextlib.suppress(KeyError):  # its end has been heard of already
            self.selector.unregister(self.running[child])

    def _child_ended(self, awake: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            awake.recv(4096)
        while self.running:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                return
            asker = self.running.pop(child, None)
            if asker is None:  # started by what was imported
                continue
            with contextlib.suppress(KeyError):
                self.selector.unregister(asker)
            with contextlib.suppress(OSError):  # whoever asked may have gone
                asker.send(json.dumps({"code": os.waitstatus_to_exitcode(status)}).encode())
            asker.close()


def _become(wanted: dict[str, Any], files: list[int], address: str) -> None:
    """Runs a module as ``python -m`` would; does not return."""
    code = 1
    atexit.register(_tell, set(sys.modules), Path(f"{address}{FURTHER}"))  # a module may end the process itself, and calls what is registered
    try:
        os.setsid()
        with contextlib.suppress(OSError):  # cores that a test has made up
            os.sched_setaffinity(0, wanted["cores"])
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode, 1 if number == 2 else -1, closefd=False) for number, mode in enumerate("rww"))
        os.environ.clear()
        os.environ.update(wanted["environment"])
        os.chdir(wanted["folder"])
        found = [wanted["folder"], *wanted["environment"].get("PYTHONPATH", "").split(os.pathsep)]
        sys.path[:] = list(dict.fromkeys([*filter(None, found), *sys.path]))
        importlib.invalidate_caches()
        tempfile.tempdir = None
        with contextlib.ExitStack() as around:
            if UNDRAWN in os.environ:
                _draw_nothing(around)
            if wanted["command"]:
                _give(around, address, Path(wanted["command"]["stores"]), wanted["command"]["pictures"])
            code = _run(wanted["module"], wanted["arguments"])
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as the interpreter's end does
            atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def _tell(begun: set[str], path: Path) -> None:
    """Writes what this process has imported since it began."""
    names = [name for name in sys.modules if name not in begun and name.partition(".")[0] in LATER and not name.startswith(NEVER)]
    if names:
        with contextlib.suppress(OSError), path.open("a") as file:
            file.write("\n".join(names) + "\n")


def _give(around: contextlib.ExitStack, address: str, stores: Path, pictures: bool) -> None:
    """A command's own children begin ready, too, and its stores with their tables; nothing is drawn unless wanted."""
    from ready_children import Ready
    from ready_store import ready_stores

    around.enter_context(Ready(address).given())
    around.enter_context(ready_stores(stores))
    if not pictures:
        os.environ[UNDRAWN] = "1"
        _draw_nothing(around)


def _draw_nothing(around: contextlib.ExitStack) -> None:
    from command_line import undrawn

    around.enter_context(undrawn())


def _run(module: str, arguments: list[str]) -> int:
    import runpy

    sys.argv = [module, *arguments]
    sys.modules.pop(module, None)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        print(stop.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def warm() -> None:
    """Does what every child that logs would do: the mapping of MLflow's tables, and the search for the newest among its migrations."""
    from mlflow.store.db import utils
    from sqlalchemy.orm import configure_mappers

    configure_mappers()
    utils._get_latest_schema_revision = functools.cache(utils._get_latest_schema_revision)
    utils._get_latest_schema_revision()


if __name__ == "__main__":
    reports.keep_quiet()  # as children of the harness do
    for name in MODULES:
        importlib.import_module(name)
    warm()
    gc.collect()
    gc.freeze()
    Server(sys.argv[1]).serve()
