"""quantization=int8 and int8_accuracy: the calibration data, checks of what makes sense, and the step.

The parent plans here without importing a runtime; ``harness.prepare.quantise`` runs in the preparing child.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from harness.artifacts.digests import code_digest
from harness.core.config import at_least, build, class_of
from harness.core.errors import ConfigError, SkipJob
from harness.core.interfaces import Dataset, TrackerSpec
from harness.prepare.plan import QuantizationJob, Quantizer, Step, checker_of, make_step

FOLDER_TARGET = "harness.datasets.folder.Folder"
CODE = ("harness.prepare.calibration", "harness.prepare.quantise", "harness.prepare.accuracy_control")
CROPS = ("harness.tracking.loop", "harness.imaging.crops", "harness.imaging.decoding")
_UNKEYED = ("sequences", "root", "split", "validation", "compare_seconds")


@dataclass
class Int8(Quantizer):
    """``quantization=int8``.

    The fields are the keys of ``conf/quantization/int8.yaml``, which describes each of them.
    """

    sequences: list[str] | None = None
    root: str | None = None
    split: str | None = None
    graphs: Literal["per_frame", "all"] = "per_frame"
    preset: Literal["performance", "mixed"] = "performance"
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
                f"quantization.smooth_quant is {self.smooth_quant}; accepted: 0 to 1, or null for no smoothing."
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
        """Raises SkipJob if the job cannot be int8, ConfigError if calibration data are missing or also evaluated."""
        job.backend.quantization(self.name)
        evaluated = build(job.config["dataset"], Dataset, "dataset")
        apart(self.data(job, self.sequences), evaluated, "sequences")

    def data(self, job: QuantizationJob, names: list[str] | None) -> Dataset:
        """Returns the data set of the sequences ``names`` for calibration (or validation). Raises ConfigError."""
        return build(self.section(job, names), Dataset, "quantization")

    def section(self, job: QuantizationJob, names: list[str] | None) -> dict[str, Any]:
        """Returns the configuration of that data set: the demo's calibration split, or ``names`` of root and split."""
        own = {key: value for key, value in job.config["dataset"].items() if key not in ("exclude", "limit")}
        if names is None:
            split = class_of(job.config["dataset"], Dataset, "dataset").calibration_split
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
        names = dataset.all_names()[:3]
        if not names:
            return f"{start}quantization.root=FOLDER 'quantization.sequences=[NAME,NAME]' (GOT-10k layout)."
        words = ",".join(names)
        return f"{start}for example: quantization.sequences=[{words}] dataset.exclude=[{words}]"

    # ------------------------------------------------------------------------------------- planning

    def tracker(self, job: QuantizationJob) -> TrackerSpec:
        """Returns the tracker in the form that is quantised."""
        return job.tracker.for_int8() if job.backend.quantization(self.name).own_form else job.tracker

    def add(self, step: Step, job: QuantizationJob) -> Step:
        """Returns the step that quantises the result of ``step``. Raises ConfigError if that is already int8."""
        if step.precision == "int8":
            raise ConfigError(f"the model is int8 already; quantization={self.name} cannot be applied twice.")
        options, unkeyed = self.options(job)
        how = job.backend.quantization(self.name)
        return make_step(
            step.format,
            "int8",
            "harness.prepare.quantise:quantise",
            options,
            step,
            step.graphs,
            how.packages,
            seed=job.seed,
            unkeyed={**unkeyed, "_engine": how.engine},
            checker=checker_of(job.backend),
            keeps_parent=True,
        )

    def options(self, job: QuantizationJob) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns (options that the result depends on, further options of the builder)."""
        data = self.data(job, self.sequences)
        tracker = {key: value for key, value in job.config["tracker"].items() if key != "weights"}
        modules = (*job.backend.quantization(self.name).modules, type(job.tracker).__module__, *CROPS)
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
        """Raises SkipJob or ConfigError if the quantisation of this job cannot be controlled by accuracy."""
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
        """Returns the options of the step: those that enter its key, and those that do not."""
        options, unkeyed = super().options(job)
        data = self.data(job, self._validation())
        options["validation"] = {"digest": data.digest(), "sequences": [item.name for item in data]}
        return options, {**unkeyed, "_validation": self.section(job, self._validation())}


def apart(data: Dataset, evaluated: Dataset, key: str) -> None:
    """Raises ConfigError if a sequence of ``data`` is evaluated too, judged by place and name, or by its images."""
    both = data.shared_with(evaluated)
    if both:
        copies = [f"{name} (the same images as {other})" if name != other else name for name, other in both.items()]
        raise ConfigError(
            f"quantization.{key}: {', '.join(copies)} would be evaluated too, and what int8 was calibrated on must not be; "
            f"add dataset.exclude=[{','.join(both.values())}] or name other sequences."
        )
