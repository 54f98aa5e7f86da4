"""Opens the MLflow UI on the store, for this machine only: on the comparison of runs, or on the experiment's table.

Without RUN it opens the comparison of the last sweep's jobs, if there is one in the store. It also prints the address
of the experiment's table with the important columns.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import sys
import threading
import time
import urllib.request
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import DataError, StoreError
from harness.core.words import shown
from harness.machine import children

if TYPE_CHECKING:
    from harness.publish.mlflow import Logged

SUMMARY = "the MLflow UI on our store, on the comparison that matters (this machine alone)"
EXAMPLE = "python -m harness ui outputs/2026-01-31/12-00-00 --port 5000"
LAST = "last.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="*", metavar="RUN", help="runs to compare: folders or ids (default: the last sweep)")
    parser.add_argument("--root", help="folder of the store (default: that of the last run, else mlruns)")
    parser.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1 (default: 5000)")
    parser.add_argument("--experiment", default="harness", help="experiment to open (default: harness)")
    parser.add_argument("--outputs", metavar="DIR", type=Path, default=Path("outputs"), help="where runs are looked for")
    parser.add_argument("--no-browser", action="store_true", help="print the addresses only")


def run(args: argparse.Namespace) -> int:
    from harness.publish.mlflow import DATABASE, Target, check_database, compare_page, page_of

    root = args.root or root_of_last(args.outputs)
    database = Path(root).resolve() / DATABASE
    if not database.is_file():
        raise DataError(f"{database} does not exist: nothing was logged here yet; run `python -m harness` first.")
    check_database(Path(root))
    check_free(args.port)
    target = Target(root=root, experiment=args.experiment)
    base = f"http://127.0.0.1:{args.port}"
    table = base + page_of(target)
    chosen = compared(args.runs, args.outputs, target)
    address = table
    if len(chosen) > 1:
        address = base + compare_page([item.run_id for item in chosen], [item.experiment_id for item in chosen])
        print(f"compared: {address}")
    print(f"all runs: {table}\nCtrl-C ends it.", flush=True)
    if not args.no_browser:
        threading.Thread(target=_open_when_ready, args=(address,), daemon=True).start()
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", target.address]
    command += ["--host", "127.0.0.1", "--port", str(args.port), "--workers", "1"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    child = children.start(children.command_words(command), env={**os.environ, **quiet})
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that the server ends too
    try:
        return child.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        children.end(child)


def root_of_last(outputs: Path) -> str:
    """Returns the store of the last run; ``mlruns`` if there is none. Prints a note if the run went to a server."""
    from harness.jobs.resume import last_folder
    from harness.publish.mlflow.target import State

    with contextlib.suppress(DataError, KeyError):
        state = State.load(last_folder(outputs / LAST))
        if state is not None and state.target.kind == "server":
            print(f"note: the last run went to the server {state.target.tracking_uri}; open that address to see it.")
        elif state is not None and state.target.kind == "local":
            return state.target.root
    return "mlruns"


def check_free(port: int) -> None:
    """Raises StoreError if something listens at the port already, or there is no such port."""
    if not 0 < port < 65536:
        raise StoreError(f"--port is {shown(port)}; accepted: 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StoreError(f"port {port} of 127.0.0.1 cannot be used ({error.strerror}); give another by --port.") from error


def compared(words: list[str], outputs: Path, target: object) -> list[Logged]:
    """Returns the runs in ``target``'s store that ``words`` name; without words, the jobs of the last sweep."""
    from harness.jobs.resume import last_folder
    from harness.publish.mlflow import Target
    from harness.publish.mlflow.target import State
    from harness.report import sources

    assert isinstance(target, Target)
    if not words:
        if not (outputs / LAST).is_file():
            return []
        words = [str(last_folder(outputs / LAST))]
        if not Path(words[0]).is_dir():
            return []
    found = []
    for word in words:
        for job in sources.resolve(word, outputs):
            state = State.load(job.folder, target)
            if state and state.logged:
                found.append(state.logged)
            elif words:
                print(f"note: {job.folder} is not in this store; `python -m harness sync {job.folder}` sends it.")
    return found


def _open_when_ready(address: str) -> None:
    root = address.split("#", 1)[0]
    for _ in range(120):
        try:
            with urllib.request.urlopen(root, timeout=2):  # noqa: S310 (our own loopback address)
                webbrowser.open(address)
                return
        except OSError:
            time.sleep(0.5)
