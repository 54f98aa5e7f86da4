"""Finds the devices that each backend can use here, in separate processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

from harness.core import plugins
from harness.core.config import python_path
from harness.core.options import choices

SECONDS = 120
_PROBE = """
import json, sys
from harness.core.config import load_class
from harness.core.interfaces import Backend
print(json.dumps(load_class(sys.argv[1], Backend, "backend").available()))
"""


def backends() -> dict[str, str]:
    """Returns each backend's class by the name of its choice, without choices that only change another's settings."""
    found = {}
    for path in choices("backend"):
        target = re.search(r"^target: *(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        plugin = plugins.find("backends", path.stem)
        if target:
            found[path.stem] = target[1]
        elif plugin is not None:
            found[path.stem] = plugin.target.replace(":", ".")
    return found


def probe(target: str) -> list[dict[str, Any]] | str:
    """Asks a backend for its devices in a separate process; if its runtime fails to load, only that is reported."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE, target],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env={**os.environ, "PYTHONPATH": python_path()},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"not usable: it gave no answer within {SECONDS} s"
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return f"not usable: {lines[-1] if lines else 'the runtime crashed'}"
    found: list[dict[str, Any]] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def device_names() -> list[str]:
    """Returns the devices that at least one backend can use here, as values of ``device=``."""
    found = {"cpu"}
    for target in backends().values():
        answer = probe(target)
        if not isinstance(answer, str):
            found |= {str(row["device"]).split(".")[0].lower() for row in answer}
    return sorted(found)
