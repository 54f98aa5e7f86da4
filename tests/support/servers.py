"""Servers for tests, on loopback ports of their own: MLflow's, PostgreSQL's, and an S3-compatible one. Ended by whoever starts them."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import ready_store
from command_line import PATH
from ready_children import Ready

START_SECONDS = 240


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(address: str, child: subprocess.Popen[bytes], log: Path) -> None:
    """Returns when ``address`` answers; fails where the server ended or took too long."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if child.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.1)
    raise AssertionError(f"{address} did not come up: {log.read_text()[-2000:]}")


def stop(child: subprocess.Popen[bytes]) -> None:
    """Ends a server and its workers, which share its session."""
    for sign in (15, 9):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(15)
            return


def start_mlflow(
    folder: Path, port: int, store: str, artifacts: str, python: Ready, empty: Path | None = None, **environment: str
) -> subprocess.Popen[bytes]:
    """A tracking server that hands artifacts through, as the one in deploy/ does; returns when it answers.

    It is ``mlflow server`` in one process (``serve_mlflow``), forked from ``python``. A new SQLite store begins as a copy of the
    empty one in the folder ``empty`` (``ready_store``), if given.
    """
    if empty is not None and not Path(store.removeprefix("sqlite:///")).exists():
        ready_store.fill(Path(store.removeprefix("sqlite:///")), empty)
    log = folder / f"server-{port}.log"
    words = ["--backend-store-uri", store, "--artifacts-destination", artifacts, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    found = {**os.environ, "PYTHONPATH": PATH, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with log.open("ab") as output:
        child = python.module("serve_mlflow", *words, cwd=folder, env={**found, **environment}, stdout=output, stderr=output)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", child, log)
    except BaseException:
        stop(child)
        raise
    return child


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL of its own on loopback; yields its address for MLflow. Skips where it is not installed."""
    bins = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = shutil.which("initdb") or (str(bins[-1] / "initdb") if bins else None)
    if found is None:
        pytest.skip("no PostgreSQL here (Debian: apt install postgresql)")
    place, port = Path(found).resolve().parent, free_port()
    home = Path(tempfile.mkdtemp(prefix="postgres-"))  # not pytest's folder, which is closed to other users
    data = home / "data"
    as_user: dict[str, str] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(home, "nobody")
        as_user = {"user": "nobody"}
    name = "nobody" if as_user else getpass.getuser()
    quiet = {"stdout": subprocess.DEVNULL, "cwd": "/", "check": True}
    subprocess.run([place / "initdb", "-D", data, "-A", "trust", "-U", name, "--no-sync"], **quiet, **as_user)
    said = (folder / "postgres.log").open("wb")
    child = subprocess.Popen(
        [place / "postgres", "-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1",
         "-c", f"unix_socket_directories={home}", "-c", "fsync=off"],
        cwd="/", stdout=said, stderr=said, **as_user,
    )  # fmt: skip
    try:
        ready = [place / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        until = time.monotonic() + START_SECONDS
        while subprocess.run(ready, check=False).returncode and time.monotonic() < until and child.poll() is None:
            time.sleep(0.2)
        make = [place / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", name, "mlflow"]
        subprocess.run(make, check=True, cwd="/")
        yield f"postgresql+psycopg2://{name}@127.0.0.1:{port}/mlflow"
    finally:
        child.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown: it does not wait for clients
        child.wait(60)
        said.close()
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def s3(bucket: str) -> Iterator[dict[str, str]]:
    """An S3-compatible server (moto's) with an empty bucket; yields the environment that leads to it."""
    server = pytest.importorskip("moto.server", reason="no moto here (pip install -e .[test])")
    boto3 = pytest.importorskip("boto3", reason="no boto3 here (extra [server])")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    environment = {
        "MLFLOW_S3_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        client = boto3.client(
            "s3", endpoint_url=environment["MLFLOW_S3_ENDPOINT_URL"], region_name="us-east-1",
            aws_access_key_id="test", aws_secret_access_key="test",
        )  # fmt: skip
        client.create_bucket(Bucket=bucket)
        yield environment
    finally:
        running.stop()
