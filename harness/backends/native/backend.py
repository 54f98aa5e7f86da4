"""The backend of trackers that are not graphs: it starts their processes and passes them frames."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import util
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from harness.backends.native.process import ForeignProcess, Launch
from harness.core.errors import ConfigError, SkipJob
from harness.core.interfaces import SOURCES, Array, Arrays, Artifact, Backend, GraphSpec, Metrics, Session
from harness.machine.environment import limit_threads

SESSION = "tracker"
"""The name of the one session that ``open`` returns, and of the recipe among an artifact's files."""
DEVICES = ("cpu", "cuda")


@dataclass
class Native(Backend):
    """``backend=native``.

    A tracker's process sees no CUDA device unless ``device=cuda``, and its libraries get the job's threads, which are
    shared if several sequences are in flight.
    """

    name: ClassVar[str] = "native"
    format: ClassVar[str] = "native"
    precisions: ClassVar[tuple[str, ...]] = ("native",)

    device: str = "cpu"
    hint: str = "none"
    threads: int = 1
    cache: str = ""
    _open: list[ForeignProcess] = field(default_factory=list, init=False, repr=False)
    _facts: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    _seconds: float = field(default=0.0, init=False, repr=False)
    _rss_mb: float = field(default=0.0, init=False, repr=False)
    _requests: int = field(default=1, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.hint != "none":
            raise SkipJob(f"hint={self.hint} is OpenVINO's; backend=native takes hint=none.")
        if self.device not in DEVICES:
            raise SkipJob(
                f"backend=native cannot choose device={self.device} for a tracker that runs as it is; accepted: "
                f"{', '.join(DEVICES)} (whether it sees a CUDA device)."
            )
        if self.threads < 1:
            raise ConfigError(f"threads is {self.threads}; accepted: 1 or more.")

    def prepare_parallel(self, requests: int) -> None:
        self._requests = requests

    def parallel_requests(self, artifact: Artifact) -> int:
        del artifact
        return self.threads

    def open(self, artifact: Artifact) -> dict[str, Session]:
        """Starts a tracker in its own process, as the only session ``tracker``; every call starts another process."""
        recipe = json.loads(artifact.files[SESSION].read_text())
        process = ForeignProcess(self._launch(recipe))
        self._open.append(process)
        self._seconds = self._seconds or process.load_seconds
        self._facts = process.facts
        return {SESSION: NativeSession(process)}

    def describe(self) -> dict[str, str]:
        return {
            "runtime": "native",
            "device": "CPU" if self.device == "cpu" else "the tracker's own choice",
            "threads": str(self._each()),
            "streams": "1",
            "precision": "native",
            "provider": "a process of its own",
            **self._facts,
        }

    @classmethod
    def available(cls) -> list[dict[str, str]]:
        """Returns the CPU, and CUDA if there is a device that a tracker might use."""
        rows = [{"device": "cpu", "name": "any tracker's own process", "precisions": "native"}]
        if any(Path("/dev").glob("nvidia[0-9]*")):
            rows.append({"device": "cuda", "name": "whatever the tracker uses", "precisions": "native"})
        return rows

    def start_from(self, source: str) -> str:
        if source != self.format:
            raise SkipJob(
                f"backend=native runs trackers as they are, and this one is graphs, loaded from {SOURCES.get(source, source)}; "
                "choose backend=torch, onnx or openvino."
            )
        return source

    def load_times(self) -> Metrics:
        return {"read": 0.0, "compile": self._seconds} if self._seconds else {}

    def close(self) -> None:
        """Ends the trackers' processes."""
        for process in self._open:
            process.close()
        self._rss_mb = max(self._rss_mb, sum(process.rss_mb for process in self._open))
        self._open.clear()

    def outside_rss_mb(self) -> float:
        return self._rss_mb

    def _each(self) -> int:
        return max(1, self.threads // self._requests)

    def _launch(self, recipe: Mapping[str, Any]) -> Launch:
        variables = limit_threads(dict(os.environ), self._each())
        variables["PYTHONUNBUFFERED"] = "1"  # keeps the output of a tracker that dies
        if self.device == "cpu":
            variables["CUDA_VISIBLE_DEVICES"] = ""
        if recipe["python"] is not None:  # another environment must not see this one's packages
            for name in ("PYTHONPATH", "PYTHONHOME"):
                variables.pop(name, None)
        load = {
            "do": "load",
            "recipe": recipe,
            "styles": str(module_folder(recipe["styles"])),
            "device": self.device,
            "threads": self._each(),
            "seed": recipe["seed"],
        }
        return Launch(
            recipe["python"] or sys.executable,
            Path(recipe["cwd"]),
            variables,
            load,
            recipe["start_timeout"],
            recipe["timeout"],
            recipe["command"] is not None,
            bool(os.environ.get("HARNESS_VERBOSE")),
        )


class NativeSession:
    """A tracker's process in the form of a session.

    ``run`` takes ``{"image", "box"}`` to start on a target and ``{"image"}`` to follow it. It returns ``seconds``
    ``[1]`` (of the tracker's own call, by its process's clock), after an update also ``box`` ``[4]`` and, if the
    tracker reports it, ``confidence`` ``[1]``.
    """

    spec = GraphSpec(SESSION, (), ())

    def __init__(self, process: ForeignProcess) -> None:
        self._process = process

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        if "box" in inputs:
            return {"seconds": np.array([self._process.init(inputs["image"], inputs["box"].tolist())["seconds"]])}
        reply = self._process.update(inputs["image"])
        found = {"seconds": np.array([reply["seconds"]]), "box": np.array(reply["box"], np.float64)}
        if reply.get("confidence") is not None:
            found["confidence"] = np.array([reply["confidence"]])
        return found


def module_folder(name: str) -> Path:
    """The folder of a package."""
    spec = util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ConfigError(f"package {name} is not found; reinstall the harness.")
    return Path(spec.origin).parent
