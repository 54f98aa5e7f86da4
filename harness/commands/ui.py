"""Opens the MLflow UI on the store of the current folder, on this machine alone."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
import urllib.request
import webbrowser
from pathlib import Path

from harness.errors import DataError

SUMMARY = "the MLflow UI on our store, on the experiment that matters (this machine alone)"
EXAMPLE = "python -m harness ui --port 5000"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", default="mlruns", help="folder of the store (default: mlruns)")
    parser.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1 (default: 5000)")
    parser.add_argument("--experiment", default="harness", help="experiment to open (default: harness)")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")


def run(args: argparse.Namespace) -> int:
    from harness.mlflow_log import DATABASE, Target, page_of

    database = Path(args.root).resolve() / DATABASE
    if not database.is_file():
        raise DataError(f"{database} does not exist: nothing was logged here yet; run `python -m harness` first.")
    target = Target(root=args.root, experiment=args.experiment)
    address = f"http://127.0.0.1:{args.port}{page_of(target)}"
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        target.tracking_uri,
        "--host",
        "127.0.0.1",
        "--port",
        str(args.port),
        "--workers",
        "1",
    ]
    print(f"{address}\nCtrl-C ends it.", flush=True)
    if not args.no_browser:
        threading.Thread(target=_open_when_ready, args=(address,), daemon=True).start()
    child = subprocess.Popen(command, env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"})
    try:
        return child.wait()
    except KeyboardInterrupt:
        child.terminate()
        child.wait(10)
        return 0


def _open_when_ready(address: str) -> None:
    root = address.split("#", 1)[0]
    for _ in range(120):
        try:
            with urllib.request.urlopen(root, timeout=2):  # noqa: S310 (our own loopback address)
                webbrowser.open(address)
                return
        except OSError:
            time.sleep(0.5)
