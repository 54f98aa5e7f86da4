"""The child process of a job measured in turns: it loads, waits, and runs turns until its parent disconnects.

``python -m harness.jobs.stand FOLDER ADDRESS`` reads ``FOLDER/job.json`` and uses JSON over a local connection, whose
key is in the environment.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any

from harness.core.errors import HarnessError
from harness.core.files import plain, read_record
from harness.core.interfaces import Context, Stand
from harness.jobs.experiment import build_experiment
from harness.jobs.worker import JOB_FILE, prepare
from harness.machine.environment import keep_freed_memory
from harness.machine.progress import Silent

KEY = "HARNESS_STAND_KEY"


def main(arguments: list[str]) -> int:
    """Serves turns; returns the exit code."""
    folder, address = Path(arguments[0]), arguments[1]
    keep_freed_memory()
    found: Any = Client(json.loads(address), authkey=bytes.fromhex(os.environ[KEY]))  # a pipe on Windows
    with found as parent:
        try:
            stand, facts = load(folder)
            if stand is None:
                raise HarnessError("its task is not measured in turns.")
            stand.turn(0, 0.0)  # untimed: caches, first inference
            gc.collect()
            gc.freeze()
            send(parent, "ready", facts())
            serve(parent, stand)
        except (EOFError, ConnectionError):
            return 0
        except Exception as error:
            send(parent, "failed", {"message": str(error) or type(error).__name__})
            return 1
    return 0


def load(folder: Path) -> tuple[Stand | None, Callable[[], dict[str, Any]]]:
    """Opens the job of ``folder`` for tracking.

    Also returns a function that returns its model and effective settings.
    """
    experiment = build_experiment(read_record(folder / JOB_FILE)["config"])
    artifact = prepare(experiment)
    stand = experiment.task.stand(
        Context(
            experiment.config, artifact, experiment.backend, experiment.tracker, experiment.dataset, folder,
            experiment.threads, experiment.seed, Silent(),
        )
    )
    return stand, lambda: {"artifact": artifact.key, "effective": plain(experiment.backend.describe())}


def serve(parent: Connection, stand: Stand) -> None:
    """Runs turns until the parent disconnects."""
    while True:
        order = json.loads(parent.recv_bytes())
        if order["kind"] == "boxes":
            send(parent, "boxes", {"boxes": stand.boxes(int(order["turn"])).tolist()})
            continue
        seconds = stand.turn(int(order["turn"]), float(order["seconds"]))
        send(parent, "turn", {"seconds": seconds.tolist()})


def send(connection: Connection, kind: str, content: dict[str, Any]) -> None:
    """Sends one message: ``kind`` and its content."""
    connection.send_bytes(json.dumps({"kind": kind, **content}).encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
