"""Tries a backend on a device with a tiny graph, in a separate process, so that a crash ends nothing else.

``python -m harness.jobs.doctor.trial BACKEND_CLASS DEVICE CACHE`` prepares the graph as any model is prepared (with the check of its
outputs against torch's), opens it and runs it; it prints one line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.core.catalog import catalog
from harness.core.config import construct, load_class
from harness.core.errors import HarnessError, SkipJob, reason
from harness.core.interfaces import Backend
from harness.core.options import choices
from harness.jobs import probing
from harness.machine import children

SECONDS = 120.0
RUNS = 3
MARK = "trial: "


@dataclass(frozen=True)
class Trial:
    """The result of trying a backend on a device.

    Attributes:
        backend: As in ``backend=``.
        device: As in ``device=``; empty if the backend could not list its devices.
        name: The device's full name.
        status: ``works``, ``fails`` (installed but does not work), ``absent`` (not installed), or ``untried``.
        said: Details for the user.
    """

    backend: str
    device: str
    name: str
    status: str
    said: str

    def plain(self) -> dict[str, str]:
        """Returns the trial as JSON values."""
        return asdict(self)


def all_trials(seconds: float = SECONDS) -> list[Trial]:
    """Tries every backend on every device that it lists.

    Args:
        seconds: The most that one trial may take.
    """
    with tempfile.TemporaryDirectory(prefix="doctor-") as scratch:
        return [found for name, target in probing.backends().items() for found in _trials(name, target, Path(scratch), seconds)]


def _trials(name: str, target: str, cache: Path, seconds: float) -> list[Trial]:
    answer = probing.probe(target)
    if isinstance(answer, str):
        absent = "No module named" in answer
        return [Trial(name, "", "", "absent" if absent else "fails", answer.removeprefix("not usable: "))]
    known = {path.stem for path in choices("device")}
    found = []
    for row in answer:
        device = str(row["device"]).split(".")[0].lower()
        if device not in known:
            found.append(Trial(name, str(row["device"]), str(row["name"]), "untried", "not a choice of device="))
        elif not any(item.device == device for item in found):
            status, said = attempt(target, device, cache, seconds)
            found.append(Trial(name, device, str(row["name"]), status, said))
    return found


def attempt(target: str, device: str, cache: Path, seconds: float) -> tuple[str, str]:
    """Tries a backend's class on a device in a child process with a time limit; returns (status, details)."""
    words = children.module_words("harness.jobs.doctor.trial", target, device, str(cache))
    child = children.start(words, env=children.variables(1), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        said = child.communicate(timeout=seconds)[0].decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        return "fails", f"gave no answer within {seconds:g} s"
    finally:
        children.end(child, 1.0)
    lines = [line for line in said.splitlines() if line.strip()]
    answer = next((line for line in reversed(lines) if line.startswith(MARK)), "")
    if answer:
        found = json.loads(answer.removeprefix(MARK))
        return str(found["status"]), str(found["said"])
    if child.returncode < 0:
        return "fails", f"the process was ended by {signal.Signals(-child.returncode).name}"
    return "fails", lines[-1] if lines else f"the process ended with exit code {child.returncode}"


# --------------------------------------------------------------------------------------- in the child


def main(arguments: list[str]) -> int:
    """Tries one backend; always returns the exit code 0."""
    target, device, cache = arguments
    try:
        found = {"status": "works", "said": try_out(target, device, Path(cache))}
    except SkipJob as error:
        found = {"status": "untried", "said": f"takes no such graph ({str(error).partition(';')[0].rstrip('.')})"}
    except ModuleNotFoundError as error:
        found = {"status": "absent", "said": f"{error.name} is not installed"}
    except Exception as error:
        found = {"status": "fails", "said": reason(error)}
    print(f"\n{MARK}{json.dumps(found)}", flush=True)
    return 0


def try_out(target: str, device: str, cache: Path) -> str:
    """Prepares, opens and runs the tiny graph; returns the details. Raises the error if it fails."""
    import numpy as np

    from harness.jobs.doctor.tiny import GRAPH, INPUT, OUTPUT, SIZE, Tiny
    from harness.machine.progress import Silent
    from harness.prepare import parity
    from harness.prepare.plan import Settings, plan
    from harness.prepare.steps import realise

    cls = load_class(target, Backend, "backend")
    fields: Mapping[str, Any] = {"device": device, "hint": "none", "threads": 1, "cache": str(cache)}
    backend = construct(cls, {key: value for key, value in fields.items() if hasattr(cls, key)}, "backend")
    backend.check_device()
    step = plan(Tiny(), backend, Settings(cache=str(cache)), 0)
    artifact = realise(step, cache, Silent(), 1)
    session = backend.open(artifact)[GRAPH]
    image = np.random.default_rng(0).integers(0, 255, (1, SIZE, SIZE, 3), dtype=np.uint8)
    outputs = [session.run({INPUT: image})[OUTPUT] for _ in range(RUNS)]
    with contextlib.suppress(HarnessError):
        backend.close()
    shape = (1, 4, SIZE // 2, SIZE // 2)
    if any(found.shape != shape or not np.isfinite(found).all() or not np.allclose(found, outputs[0], atol=1e-3) for found in outputs):
        raise HarnessError("the graph's outputs are not what they should be: wrong shape, not finite, or not the same twice.")
    compared = parity.summary(artifact.info)
    entry = catalog().get("parity/max_abs_diff")
    return f"a tiny graph runs; {entry.title} {parity.largest(compared):.1e}" if compared else "a tiny graph runs"


if __name__ == "__main__":
    os.environ.setdefault("HARNESS_PROGRESS", "off")
    sys.exit(main(sys.argv[1:]))
