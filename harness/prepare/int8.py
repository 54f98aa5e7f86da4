"""quantization=int8 and int8_accuracy: what is calibrated on what, refused where it makes no sense, and the builder.

The parent plans here without importing a runtime; ``quantise`` runs in the preparing child.
"""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from harness.artifacts.digests import code_digest
from harness.artifacts.store import REFERENCE_FILE, artifact_folder
from harness.core.config import at_least, build
from harness.core.errors import ConfigError, PrepareError, SkipJob
from harness.core.interfaces import Artifact, Backend, Dataset, Sequence, TrackerSpec
from harness.datasets.layouts.got10k import FolderDataset, image_digest
from harness.machine import progress
from harness.prepare import calibration, parity
from harness.prepare.plan import QuantizationJob, Quantizer, Step, make_step

if TYPE_CHECKING:
    from harness.prepare.engines import Engine

FOLDER_TARGET = "harness.datasets.folder.Folder"
CODE = ("harness.prepare.calibration", "harness.prepare.engines", "harness.prepare.accuracy_control")
CROPS = ("harness.tracking.loop", "harness.imaging.crops", "harness.imaging.decoding")
STEADY, STEADY_ITEMS = 0.25, 4
"""How far, as a share of an output's range, an int8 graph may depend on the number of threads: rounding to 255 levels at
other places moves a few of them; a wrong kernel moves the whole. On how many items this is looked at."""
_UNKEYED = ("sequences", "root", "split", "validation", "compare_seconds")


@dataclass
class Int8(Quantizer):
    """``quantization=int8``. The fields are the keys of ``conf/quantization/int8.yaml``, where each has its line."""

    sequences: list[str] | None = None
    root: str | None = None
    split: str | None = None
    graphs: Literal["per_frame", "all"] = "per_frame"
    preset: Literal["performance", "mixed"] = "mixed"
    model_type: Literal["none", "transformer"] = "transformer"
    subset_size: int = 300
    ignored_names: list[str] = field(default_factory=list)
    ignored_types: list[str] = field(default_factory=list)
    ignored_patterns: list[str] = field(default_factory=list)
    fast_bias_correction: bool = True
    smooth_quant: float | None = None
    overflow_fix: Literal["disable", "first_layer", "all"] = "first_layer"
    onnx_engine: Literal["onnxruntime", "nncf"] = "onnxruntime"
    compare_seconds: float = 30.0
    name: str = "int8"

    def __post_init__(self) -> None:
        at_least(self.subset_size, 1, "quantization.subset_size")
        at_least(self.compare_seconds, 0.0, "quantization.compare_seconds")
        if self.smooth_quant is not None and not 0 <= self.smooth_quant <= 1:
            raise ConfigError(
                f"quantization.smooth_quant is {self.smooth_quant}; accepted: 0 to 1, or null for NNCF's own choice."
            )
        for pattern in self.ignored_patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ConfigError(
                    f"quantization.ignored_patterns: {pattern!r} is not a regular expression ({error})."
                ) from error

    # ------------------------------------------------------------------------------------- checking

    def check(self, job: QuantizationJob) -> None:
        """Raises SkipJob for what cannot be int8, ConfigError for calibration data that is missing or evaluated."""
        self._check_backend(job.backend)
        evaluated = build(job.config["dataset"], Dataset, "dataset")
        apart(self.data(job, self.sequences), evaluated, "sequences")

    def _check_backend(self, backend: Backend) -> None:
        if "int8" not in backend.precisions:
            raise SkipJob(
                f"quantization={self.name} with backend={backend.name}: int8 is a graph for OpenVINO or ONNX Runtime; "
                "torch's eager CPU kernels have no int8 convolution for such a graph. Choose backend=openvino or onnx."
            )
        if getattr(backend, "source", "") == "file":
            raise SkipJob(
                f"quantization={self.name} saves int8 as IR, while backend.source=file keeps the ONNX file; use "
                "backend.source=onnx, or backend=onnx for an int8 ONNX file."
            )
        if getattr(backend, "weights", "fp32") != "fp32":
            raise ConfigError(
                f"backend.weights={getattr(backend, 'weights', '')} and quantization={self.name} both change how weights "
                "are stored; leave backend.weights=fp32."
            )

    def data(self, job: QuantizationJob, names: list[str] | None) -> Dataset:
        """The data set of the sequences ``names`` that this job calibrates (or validates) on. Raises ConfigError."""
        return build(self.section(job, names), Dataset, "quantization")

    def section(self, job: QuantizationJob, names: list[str] | None) -> dict[str, Any]:
        """The configuration of that data set: the demo's own calibration split, or ``names`` of root and split."""
        own = {key: value for key, value in job.config["dataset"].items() if key not in ("exclude", "limit")}
        if names is None:
            cls = type(build(job.config["dataset"], Dataset, "dataset"))
            split = getattr(cls, "CALIBRATION_SPLIT", None)
            if split is None or self.root is not None:
                raise ConfigError(self._missing(job))
            return own | {"split": split, "sequences": None}
        if self.root is not None:
            cache = str(own.get("cache", "outputs/cache"))
            return {
                "target": FOLDER_TARGET,
                "name": "folder",
                "root": self.root,
                "split": self.split or "",
                "sequences": names,
                "cache": cache,
            }
        if "sequences" not in own:
            raise ConfigError(self._missing(job))
        return own | ({"split": self.split} if self.split is not None else {}) | {"sequences": names}

    def _missing(self, job: QuantizationJob) -> str:
        dataset = build(job.config["dataset"], Dataset, "dataset")
        start = f"quantization={self.name} is calibrated on sequences that are not evaluated, and none are named; add "
        if not isinstance(dataset, FolderDataset):
            return f"{start}quantization.root=FOLDER 'quantization.sequences=[NAME,NAME]' (GOT-10k layout)."
        names = dataset.all_names()[:3]
        words = ",".join(names)
        return f"{start}for example: quantization.sequences=[{words}] dataset.exclude=[{words}]"

    # ------------------------------------------------------------------------------------- planning

    def tracker(self, job: QuantizationJob) -> TrackerSpec:
        return job.tracker.for_int8() if job.backend.name == "openvino" else job.tracker

    def add(self, step: Step, job: QuantizationJob) -> Step:
        if step.precision == "int8":
            raise ConfigError(f"the model is int8 already; quantization={self.name} cannot be applied twice.")
        options, unkeyed = self.options(job)
        packages = ("openvino", "nncf") if step.format == "openvino" else ("onnx", "onnxruntime", "nncf")
        return make_step(
            step.format,
            "int8",
            "harness.prepare.int8:quantise",
            options,
            step,
            step.graphs,
            packages,
            seed=job.seed,
            unkeyed=unkeyed,
        )

    def options(self, job: QuantizationJob) -> tuple[dict[str, Any], dict[str, Any]]:
        """(what the result depends on, what the builder needs besides)."""
        data = self.data(job, self.sequences)
        tracker = {key: value for key, value in job.config["tracker"].items() if key != "weights"}
        modules = (type(job.tracker).__module__, *CROPS)
        options = {
            "settings": {key: value for key, value in asdict(self).items() if key not in _UNKEYED},
            "calibration": {"digest": data.digest(), "sequences": [item.name for item in data]},
            "tracker": tracker,
            "code": code_digest((*CODE, *modules)),
        }
        unkeyed = {
            "_tracker": dict(job.config["tracker"]),
            "_calibration": self.section(job, self.sequences),
            "_threads": job.threads,
        }
        return options, unkeyed


@dataclass
class Int8Accuracy(Int8):
    """``quantization=int8_accuracy``: int8 with as many layers left in fp32 as the tracker's own AO demands."""

    validation: list[str] | None = None
    validation_frames: int | None = 150
    max_drop: float = 0.01
    blocks: int = 4
    minutes: float = 5.0
    max_reverts: int = 10
    name: str = "int8_accuracy"

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self.validation_frames, 2, "quantization.validation_frames")
        at_least(self.max_drop, 0.0, "quantization.max_drop")
        at_least(self.blocks, 2, "quantization.blocks")
        at_least(self.minutes, 0.0, "quantization.minutes")
        at_least(self.max_reverts, 1, "quantization.max_reverts")

    def check(self, job: QuantizationJob) -> None:
        if job.tracker.random_weights:
            raise SkipJob(
                f"quantization={self.name} steers by the tracker's accuracy, and random weights have none; use "
                "quantization=int8, which measures speed alone."
            )
        super().check(job)
        data = self.data(job, self._validation())
        apart(data, build(job.config["dataset"], Dataset, "dataset"), "validation")
        if not data.has_truth:
            raise ConfigError("quantization.validation names sequences without ground truth; AO needs it on every frame.")

    def _validation(self) -> list[str] | None:
        return self.sequences if self.validation is None else self.validation

    def options(self, job: QuantizationJob) -> tuple[dict[str, Any], dict[str, Any]]:
        options, unkeyed = super().options(job)
        data = self.data(job, self._validation())
        options["validation"] = {"digest": data.digest(), "sequences": [item.name for item in data]}
        return options, {**unkeyed, "_validation": self.section(job, self._validation())}


def apart(data: Dataset, evaluated: Dataset, key: str) -> None:
    """Raises ConfigError where a sequence of ``data`` is evaluated too: by place and name, or by its images, whatever its name.

    Two splits of the demo are told apart by their names, which hold the seed: they need not be drawn for it.
    """
    drawn = all(getattr(type(item), "CALIBRATION_SPLIT", None) is not None for item in (data, evaluated))
    if isinstance(data, FolderDataset) and isinstance(evaluated, FolderDataset) and not drawn:
        both = _same_images(data, evaluated)
    else:
        both = {name: name for name in names_of(data) if name in set(names_of(evaluated))}
    if both:
        copies = [f"{name} (the same images as {other})" if name != other else name for name, other in both.items()]
        raise ConfigError(
            f"quantization.{key}: {', '.join(copies)} would be evaluated too, and what int8 was calibrated on must not be; "
            f"add dataset.exclude=[{','.join(both.values())}] or name other sequences."
        )


def names_of(data: Dataset) -> list[str]:
    """Names of a data set's sequences, without reading them where that is possible."""
    names = getattr(data, "names", None)
    return list(names) if names is not None else [item.name for item in data]


def _same_images(data: FolderDataset, evaluated: FolderDataset) -> dict[str, str]:
    """Sequences of ``data`` -> the evaluated one that is the same; images are read only where their sizes are alike."""
    if data.folder.resolve() == evaluated.folder.resolve():
        found = {name: name for name in data.names if name in set(evaluated.names)}
    else:
        found = {}
    others: dict[tuple[int, int], list[Sequence]] = {}
    for item in evaluated:
        others.setdefault(_weight(item), []).append(item)
    for item in data:
        alike = others.get(_weight(item), []) if item.name not in found else []
        own = image_digest(item) if alike else ""
        copy = next((other for other in alike if image_digest(other) == own), None)
        if copy is not None:
            found[item.name] = copy.name
    return found


def _weight(sequence: Sequence) -> tuple[int, int]:
    """Frames, and bytes of the first image: what copies have in common, known without reading."""
    return len(sequence.frames), sequence.frames[0].stat().st_size


# -------------------------------------------------------------------------------------------- building


def quantise(step: Step, parent: Artifact, folder: Path) -> tuple[dict[str, Path], dict[str, Any]]:
    """Records calibration data with the fp32 graphs, quantises, saves; returns the files and what is to be recorded."""
    from harness.prepare import accuracy_control, engines

    begin = perf_counter()
    random.seed(step.seed)
    np.random.seed(step.seed)  # libraries below draw from the global generator
    settings, display = step.options["settings"], progress.make()
    tracker = build(step.options["_tracker"], TrackerSpec, "tracker")
    data = build(step.options["_calibration"], Dataset, "quantization")
    engine = engines.engine(step, parent, display)
    chosen = [name for name in parent.graphs if settings["graphs"] == "all" or name in tracker.per_frame]
    items = calibration.record(
        tracker, engine.open(parent), data, int(settings["subset_size"]), step.seed, display
    )
    report: dict[str, Any] = {"network": step.chain()[0].options["options"], "calibration": _calibration_record(step, items, chosen)}
    for name in chosen:
        calibration.check(parent.graphs[name], items[name])
    files = copied(parent, folder, [name for name in parent.graphs if name not in chosen])
    if "max_drop" in settings:
        control = accuracy_control.Control(step, parent, engine, tracker, items, folder, display)
        found, report["accuracy_control"] = control.run(chosen, files)
    else:
        found = {name: engine.save(engine.quantise(name, items[name]), name, folder) for name in chosen}
    files |= found
    report["across_threads"] = _same_with_one_thread(step, files, folder, engine, {name: items[name] for name in chosen})
    report["layers"] = {name: engine.layers(files[name]) for name in chosen}
    report["seconds"] = round(perf_counter() - begin, 2)
    info = {key: parent.info[key] for key in ("exporter", "opset", "converter") if key in parent.info}
    info |= {"int8": report, "engine": engine.describe(), "fp32": _fp32_record(parent)}
    return {name: files[name] for name in parent.graphs}, info | {"parity": _parity(step, files, folder, engine)}


def _calibration_record(step: Step, items: calibration.Items, chosen: list[str]) -> dict[str, Any]:
    return {
        "sequences": step.options["calibration"]["sequences"],
        "digest": step.options["calibration"]["digest"],
        "samples": {name: len(items[name]) for name in chosen},
    }


def _fp32_record(parent: Artifact) -> dict[str, Any]:
    """Where the fp32 artifact lies beside this one in the cache, for comparisons."""
    return {
        "key": parent.key,
        "folder": parent.folder.name,
        "files": {name: Path(path).name for name, path in parent.files.items()},
        "mb": parent.info.get("mb", 0.0),
    }


def copied(parent: Artifact, folder: Path, names: list[str]) -> dict[str, Path]:
    """Copies of the graphs that stay fp32."""
    files = {}
    for name in names:
        source = parent.files[name]
        files[name] = Path(shutil.copy(source, folder / source.name))
        weights = source.with_suffix(".bin")
        if source.suffix == ".xml" and weights.is_file():
            shutil.copy(weights, folder / weights.name)
    return files


def _parity(step: Step, files: Mapping[str, Path], folder: Path, engine: Engine) -> dict[str, Any]:
    """Differences from the source's reference outputs on seeded inputs: recorded, not judged."""
    root = artifact_folder(Path(), step.chain()[0].key).name
    reference = folder.parent / root / REFERENCE_FILE
    graphs = {graph.name: graph for graph in step.graphs}
    artifact = Artifact(step.format, step.precision, files, graphs, step.key, folder)
    try:
        return parity.measure(artifact, engine.fresh(), reference)
    except PrepareError as error:
        raise PrepareError(f"the int8 model is broken: {error}") from error


def _same_with_one_thread(
    step: Step, files: Mapping[str, Path], folder: Path, engine: Engine, items: calibration.Items
) -> dict[str, float]:
    """Largest difference between two runs with one thread, and between these and one with several, as a share of the
    output's range, per graph. Raises PrepareError where it shows a fault: runtimes choose other kernels for one thread."""
    artifact = Artifact(step.format, step.precision, files, {graph.name: graph for graph in step.graphs}, step.key, folder)
    several = engine.fresh(max(2, engine.threads)).open(artifact)
    single = engine.fresh(1).open(artifact)
    found = {}
    for name, some in items.items():
        share = max(
            parity.share(session.run(item), expected)
            for item in some[:: max(1, len(some) // STEADY_ITEMS)][:STEADY_ITEMS]
            for expected in [{key: np.array(value) for key, value in several[name].run(item).items()}]
            for session in (single[name], single[name])
        )
        if share > STEADY:
            raise PrepareError(
                f"the int8 graph {name} gives other outputs with one thread than with {max(2, engine.threads)} (by "
                f"{share:.0%} of their range), which is a fault of the runtime; find the layer with quantization.ignored_types "
                "(for example [MatMul]) or ignored_patterns, and leave it in fp32."
            )
        found[name] = share
    return found


def without_spinning(backend: Backend) -> Backend:
    """A fresh copy of ``backend`` whose idle threads do not poll: two of them in one process do not disturb each other."""
    changes: dict[str, Any] = {"spinning": False} if hasattr(backend, "spinning") else {}
    return replace(backend, **changes)  # type: ignore[type-var]
