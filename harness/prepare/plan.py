"""Plans the preparation steps and their keys, in the parent, without importing any runtime.

A plan is a chain of steps, each with its parent: the tracker's source, then ONNX, IR and int8, as backend and
quantisation require. A step's key is the SHA-256 of everything that its files depend on: the bytes of the weights, the
code of the builder, the options, the versions of the libraries, and the parent's key.
"""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.artifacts.digests import code_digest, version_of
from harness.artifacts.store import ARTIFACT_FILE, artifact_folder, damage, load_artifact
from harness.core.errors import ConfigError
from harness.core.files import file_digest, plain
from harness.core.interfaces import Artifact, Backend, GraphSpec, Source, TrackerSpec
from harness.core.preparing import Conversion

ONNX_CHECKER = "harness.backends.onnx.backend:Onnx"
"""The checker of ONNX files: for every backend, ONNX is the exchange format and is checked by ONNX Runtime."""


OPSETS = (11, 25)
"""The least and the largest ONNX opset that may be requested; torch refuses those that it does not know."""


@dataclass(frozen=True)
class Settings:
    """``prepare`` of the configuration.

    ``exporter`` is torch's (``dynamo`` or ``torchscript``), ``opset`` ONNX's; ``tolerance`` the largest difference from
    the source's outputs that is accepted, as a share of an output's range (``tolerance_fp16`` for fp16 weights);
    ``cache`` the folder that holds prepared models, shared by all jobs.
    """

    exporter: Literal["dynamo", "torchscript"] = "dynamo"
    opset: int = 18
    tolerance: float = 1e-4
    tolerance_fp16: float = 5e-2
    cache: str = "outputs/cache"

    def __post_init__(self) -> None:
        if not OPSETS[0] <= self.opset <= OPSETS[1]:
            raise ConfigError(f"prepare.opset is {self.opset}; accepted: {OPSETS[0]} to {OPSETS[1]}.")
        for name, value in (("tolerance", self.tolerance), ("tolerance_fp16", self.tolerance_fp16)):
            if not 0 <= value < math.inf:
                raise ConfigError(f"prepare.{name} is {value}; accepted: a share of an output's range, 0 or more.")
        if not self.cache.strip():
            raise ConfigError("prepare.cache is empty; give a folder, as prepare.cache=outputs/cache.")


@dataclass(frozen=True)
class Step:
    """One step of the chain. ``builder`` is ``module:function``, called as ``function(step, parent, folder)``.

    ``checker`` names the backend (``module:Class``) that opens the files to compare them with the source.
    ``keeps_parent`` is True if a job reads the parent's files too.
    """

    format: str
    precision: str
    builder: str
    options: Mapping[str, Any]
    parent: Step | None
    graphs: tuple[GraphSpec, ...]
    tolerance: float | None
    key: str = ""
    seed: int = 0
    checker: str = ""
    keeps_parent: bool = False

    def chain(self) -> list[Step]:
        """The steps from the source to this one."""
        return [*(self.parent.chain() if self.parent else []), self]


class Quantizer(ABC):
    """The ``quantization`` section. Adds steps to a plan; ``NoQuantizer`` adds none."""

    @abstractmethod
    def add(self, step: Step, job: QuantizationJob) -> Step:
        """Returns the plan whose last step makes a quantised artifact, or ``step`` itself."""

    def tracker(self, job: QuantizationJob) -> TrackerSpec:
        """Returns the tracker whose graphs are prepared: the job's, or an equivalent one that quantises better."""
        return job.tracker

    def check(self, job: QuantizationJob) -> None:
        """Raises SkipJob or ConfigError if this quantisation does not fit the job."""
        del job


@dataclass(frozen=True)
class QuantizationJob:
    """The data that a quantiser may use: the parts of the job and the sections they were built from."""

    tracker: TrackerSpec
    backend: Backend
    config: Mapping[str, Any]
    threads: int
    seed: int


@dataclass
class NoQuantizer(Quantizer):
    """``quantization=none``.

    Accepts the keys of int8 without using them, so that a sweep over int8 and none gives them once.
    """

    sequences: Any = None
    root: Any = None
    split: Any = None
    graphs: Any = None
    preset: Any = None
    model_type: Any = None
    subset_size: Any = None
    ignored_names: Any = None
    ignored_types: Any = None
    ignored_patterns: Any = None
    fast_bias_correction: Any = None
    smooth_quant: Any = None
    overflow_fix: Any = None
    compare_seconds: Any = None
    onnx_engine: Any = None
    validation: Any = None
    validation_frames: Any = None
    max_drop: Any = None
    blocks: Any = None
    minutes: Any = None
    max_reverts: Any = None

    def add(self, step: Step, job: QuantizationJob) -> Step:
        """Returns the step itself: nothing is quantised."""
        del job
        return step


# ------------------------------------------------------------------------------------------- planning


def plan(tracker: TrackerSpec, backend: Backend, settings: Settings, seed: int) -> Step:
    """Returns the chain of steps to the files of ``backend``. Raises SkipJob if it cannot run the tracker's graphs."""
    parent = source_step(tracker, seed)
    start = backend.start_from(parent.format)
    if start != parent.format:
        parent = onnx_step(parent, settings)
    conversion = backend.conversion(start)
    return parent if conversion is None else conversion_step(parent, backend, conversion, settings)


def checker_of(backend: Backend) -> str:
    """The backend's class, by name."""
    return f"{type(backend).__module__}:{type(backend).__qualname__}"


NATIVE = "native"
"""Format and precision of a native tracker."""
SOURCE_PACKAGES: dict[str, tuple[str, ...]] = {
    "torch": ("torch", "onnx"),
    "onnx": ("onnx", "onnxruntime"),
    "openvino": ("openvino",),
    NATIVE: (),
}
"""The packages whose versions enter the key of a source of each kind."""


def source_step(tracker: TrackerSpec, seed: int) -> Step:
    """Returns the first step: the tracker's source, with seeded inputs and outputs to compare later steps with."""
    source = tracker.source()
    options = {
        "kind": source.kind,
        "factory": source.factory,
        "weights": [str(path.resolve()) for path in source.weights],
        "sha256": [file_digest(path) for path in with_their_weights(source.weights)],
        "options": plain(dict(source.options)),
        "seed": source.seed if not source.weights else 0,
        "code": code_digest((source.factory.partition(":")[0], *source.code)),
    }
    return make_step(
        source.kind,
        NATIVE if source.kind == NATIVE else "fp32",
        f"harness.prepare.sources:from_{source.kind}",
        options,
        None,
        tuple(tracker.graphs.values()),
        SOURCE_PACKAGES[source.kind],
        seed=seed,
    )


def with_their_weights(files: Sequence[Path]) -> list[Path]:
    """``files`` and, beside each IR's ``.xml``, its ``.bin``."""
    found = [*files, *(path.with_suffix(".bin") for path in files if path.suffix == ".xml")]
    return [path for path in dict.fromkeys(found) if path in files or path.is_file()]


def onnx_step(parent: Step, settings: Settings) -> Step:
    """torch -> ONNX."""
    options = {"exporter": settings.exporter, "opset": settings.opset}
    return make_step(
        "onnx",
        "fp32",
        "harness.prepare.steps:export_onnx",
        options,
        parent,
        parent.graphs,
        ("torch", "onnx", "onnxscript", "onnxruntime"),
        settings.tolerance,
        checker=ONNX_CHECKER,
    )


def conversion_step(parent: Step, backend: Backend, conversion: Conversion, settings: Settings) -> Step:
    """The step that makes a backend's own files."""
    options = {
        **conversion.options,
        "conversion": conversion.builder,
        "conversion_code": code_digest((conversion.builder.partition(":")[0],)),
    }
    return make_step(
        backend.format,
        conversion.precision,
        "harness.prepare.steps:convert",
        options,
        parent,
        parent.graphs,
        conversion.packages,
        settings.tolerance_fp16 if conversion.half_weights else settings.tolerance,
        checker=checker_of(backend),
    )


def make_step(
    format_: str,
    precision: str,
    builder: str,
    options: Mapping[str, Any],
    parent: Step | None,
    graphs: tuple[GraphSpec, ...],
    packages: Sequence[str],
    tolerance: float | None = None,
    seed: int | None = None,
    unkeyed: Mapping[str, Any] | None = None,
    checker: str = "",
    keeps_parent: bool = False,
) -> Step:
    """Makes a step with its key. ``unkeyed`` options are passed to the builder but do not change its result."""
    seed = seed if seed is not None else (parent.seed if parent else 0)
    builder_module = builder.partition(":")[0]
    hashed = {key: value for key, value in options.items() if key != "weights" or "sha256" not in options}
    content = {
        "format": format_,
        "precision": precision,
        "builder": builder,
        "options": hashed,
        "seed": seed,
        "parent": parent.key if parent else None,
        "graphs": [asdict(graph) for graph in graphs],
        "code": code_digest((builder_module,)),
        "versions": {name: version_of(name) for name in packages},
        "tolerance": tolerance,
    }
    key = hashlib.sha256(json.dumps(plain(content), sort_keys=True).encode()).hexdigest()
    return Step(
        format_,
        precision,
        builder,
        {**options, **(unkeyed or {})},
        parent,
        graphs,
        tolerance,
        key,
        seed,
        checker,
        keeps_parent,
    )


# ------------------------------------------------------------------------------------------ the cache


def lookup(step: Step, cache: Path) -> Artifact | None:
    """Returns the artifact of ``step`` if it is in the cache with all its files unchanged, else None."""
    folder = artifact_folder(cache, step.key)
    if not (folder / ARTIFACT_FILE).is_file() or damage(folder):
        return None
    if step.keeps_parent and step.parent is not None and lookup(step.parent, cache) is None:
        return None
    return load_artifact(folder)


def source_of(step: Step) -> Source:
    """Returns the Source at the beginning of the chain of ``step``."""
    options = step.chain()[0].options
    return Source(
        options["kind"],
        options["factory"],
        tuple(Path(path) for path in options["weights"]),
        options["options"],
        options["seed"],
    )


@dataclass
class Timings:
    """Seconds of each step that had to be built; empty if all came from the cache."""

    built: dict[str, float] = field(default_factory=dict)
