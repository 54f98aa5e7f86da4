"""OpenVINO over the prepared IR: its settings and the preparation of its files. No runtime is imported here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from harness.core.config import MOST_AT_ONCE, at_least
from harness.core.errors import ConfigError, SkipJob
from harness.core.interfaces import SOURCES, Artifact, Backend, Metrics, Session
from harness.core.preparing import Conversion, Handover, Quantization

PRODUCT = "harness.backends.openvino"
DEVICES = ("cpu", "gpu", "npu", "auto", "hetero", "multi")
VIRTUAL = ("auto", "hetero", "multi")
HINTS = ("none", "latency", "throughput", "cumulative_throughput")
PRECISIONS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}


@dataclass
class OpenVino(Backend):
    """``backend=openvino``.

    ``source`` is the source of the IR: the ONNX file (``onnx``), the torch module (``torch``), or ``file``, which means
    that OpenVINO reads the ONNX file itself, without IR. ``precision`` is the requested arithmetic of the device;
    ``weights`` is the format of weights in the IR (``fp16`` halves the file and loses accuracy). ``streams`` and
    ``requests`` default to the values that the hint implies; ``pinning`` to OpenVINO's choice. ``model_cache`` keeps
    compiled models between runs.
    """

    name: ClassVar[str] = "openvino"
    format: ClassVar[str] = "openvino"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "fp16", "int8")
    packages: ClassVar[tuple[str, ...]] = ("openvino",)
    title: ClassVar[str] = "OpenVINO"
    color: ClassVar[str] = "#009E73"
    own_benchmark: ClassVar[str] = "benchmark_app"
    profiler: ClassVar[str | None] = f"{PRODUCT}.profile:layer_times"
    peak: ClassVar[str | None] = f"{PRODUCT}.profile:peak"

    source: Literal["onnx", "torch", "file"] = "onnx"
    precision: Literal["fp32", "fp16", "bf16", "device"] = "fp32"
    weights: Literal["fp32", "fp16"] = "fp32"
    streams: int | None = None
    requests: int | None = None
    pinning: bool | None = None
    model_cache: bool = True
    priorities: list[str] = field(default_factory=list)
    properties: dict[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    hint: str = "none"
    threads: int = 1
    cache: str = ""
    _compiled: dict[str, dict[str, Any]] = field(default_factory=dict, init=False, repr=False)
    _times: Metrics = field(default_factory=dict, init=False, repr=False)
    _parallel: int = field(default=1, init=False, repr=False)
    _core: Any = field(default=None, init=False, repr=False)
    _asked: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
    _told: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    _notices: list[str] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise SkipJob(f"backend=openvino cannot run on device={self.device}; accepted: {', '.join(DEVICES)}.")
        if self.hint not in HINTS:
            raise SkipJob(f"backend=openvino knows no hint={self.hint}; accepted: {', '.join(HINTS)}.")
        at_least(self.streams, 1, "backend.streams", MOST_AT_ONCE)
        at_least(self.requests, 1, "backend.requests", MOST_AT_ONCE)

        if self.source == "file" and self.weights != "fp32":
            raise ConfigError("backend.source=file reads the ONNX file as it is; backend.weights=fp16 needs source=onnx.")

    # ------------------------------------------------------------------------------------ opening

    def load_runtime(self) -> None:
        _heavy("session")

    def check_device(self) -> None:
        self.core()

    def prepare_parallel(self, requests: int) -> None:
        self._parallel = requests

    def open(self, artifact: Artifact) -> dict[str, Session]:
        session = _heavy("session")
        if artifact.key not in self._compiled:
            asked = self.settings()
            self._compiled[artifact.key], self._times, notices = session.compile_graphs(self, artifact, asked)
            self._notices += notices
            self._asked, self._told = asked, session.properties_of(self._last_model())
        compiled = self._compiled[artifact.key]
        return {name: session.OpenVinoSession(artifact.graphs[name], model) for name, model in compiled.items()}

    def core(self) -> Any:
        """OpenVINO's Core, created once; checks that the device exists."""
        if self._core is None:
            self._core = _heavy("session").make_core(self)
        return self._core

    def device_string(self) -> str:
        """OpenVINO's name for the device: ``CPU``, ``AUTO``, ``MULTI:GPU,CPU``."""
        name = self.device.upper()
        if self.device in ("hetero", "multi") and not self.priorities:
            return f"{name}:{','.join(sorted(self.core().available_devices, key=lambda item: item == 'CPU'))}"
        return f"{name}:{','.join(self.priorities)}" if self.priorities else name

    def settings(self) -> dict[str, Any]:
        """The properties given to ``compile_model``."""
        chosen: dict[str, Any] = {}
        if self.hint != "none":
            chosen["PERFORMANCE_HINT"] = self.hint.upper()
        if self.device != "npu" and self.precision != "device":
            chosen["INFERENCE_PRECISION_HINT"] = PRECISIONS[self.precision]
        if self.requests is not None:
            chosen["PERFORMANCE_HINT_NUM_REQUESTS"] = str(self.requests)
        if self.model_cache and self.cache:
            folder = Path(self.cache) / "openvino"
            folder.mkdir(parents=True, exist_ok=True)
            chosen["CACHE_DIR"] = str(folder)
        own = self._own_settings()
        if self.device in VIRTUAL:
            own |= {name: value for name, value in self.properties.items() if name in own}
            # these pass on only properties for a named device, so neither threads nor streams
            chosen |= {"DEVICE_PROPERTIES": {"CPU": own}} if own and self._may_use_cpu() else {}
        else:
            chosen |= own
        return _merged(chosen, self.properties)

    def _own_settings(self) -> dict[str, Any]:
        """Returns properties of the device itself: on the CPU the thread budget and pinning; streams."""
        chosen: dict[str, Any] = {}
        if self.device == "cpu" or self.device in VIRTUAL:
            chosen["INFERENCE_NUM_THREADS"] = self.threads
            if self.pinning is not None:
                chosen["ENABLE_CPU_PINNING"] = self.pinning
        streams = self.streams
        if streams is None and self._parallel > 1 and self.hint == "none":
            streams = self._parallel
        if streams is not None:
            chosen["NUM_STREAMS"] = str(streams)
        return chosen

    def _may_use_cpu(self) -> bool:
        return not self.priorities or any(name.partition("(")[0].upper() == "CPU" for name in self.priorities)

    def warnings(self) -> list[str]:
        return [*self._notices, *unmet(self._asked, self._told)]

    # ------------------------------------------------------------------------------------- reporting

    def parallel_requests(self, artifact: Artifact) -> int:
        if self.requests is not None:
            return self.requests
        if self.streams is not None:
            return self.streams
        if self.device == "cpu" and self.hint == "none":
            return self.threads  # one thread per stream, so that no thread waits for another
        self.open(artifact)
        models = self._compiled[artifact.key].values()
        return max(int(model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) for model in models)

    def describe(self) -> dict[str, str]:
        told: dict[str, str] = _heavy("session").describe(self, self._last_model())
        return told

    def _last_model(self) -> Any:
        return list(list(self._compiled.values())[-1].values())[-1]

    def load_times(self) -> Metrics:
        return dict(self._times)

    @classmethod
    def available(cls) -> list[dict[str, str]]:
        found: list[dict[str, str]] = _heavy("session").available()
        return found

    # ------------------------------------------------------------------------------------- preparation

    def start_from(self, source: str) -> str:
        if source == self.format:
            if self.source != "onnx":
                raise SkipJob(
                    f"the tracker is loaded from {SOURCES[source]}, and backend.source={self.source} reads another format; leave "
                    "backend.source out."
                )
            return source
        if source not in ("torch", "onnx"):
            return super().start_from(source)
        if self.source == "torch" and source != "torch":
            raise SkipJob("backend.source=torch needs a tracker whose weights are torch's; this one comes from ONNX files.")
        return "torch" if self.source == "torch" else "onnx"

    def conversion(self, start: str) -> Conversion | None:
        if start == self.format:
            return None if self.weights == "fp32" else self._converted("ir_to_ir")
        builder = {"file": "keep_onnx", "torch": "torch_to_ir"}.get(self.source, "onnx_to_ir")
        return self._converted(builder)

    def _converted(self, builder: str) -> Conversion:
        return Conversion(
            f"{PRODUCT}.convert:{builder}",
            self.weights,
            {"weights": self.weights},
            ("openvino",),
            half_weights=self.weights != "fp32",
        )

    @classmethod
    def plain(cls, threads: int) -> OpenVino:
        return cls(threads=threads, model_cache=False)

    def quantization(self, name: str) -> Quantization:
        if self.source == "file":
            raise SkipJob(
                f"quantization={name} saves int8 as IR, while backend.source=file keeps the ONNX file; use "
                "backend.source=onnx, or backend=onnx for an int8 ONNX file."
            )
        if self.weights != "fp32":
            raise ConfigError(
                f"backend.weights={self.weights} and quantization={name} both change how weights are stored; leave "
                "backend.weights=fp32."
            )
        modules = (f"{PRODUCT}.quantize", "harness.backends.shared.engine", "harness.backends.shared.nncf_runs")
        return Quantization(f"{PRODUCT}.quantize:OpenVinoEngine", ("openvino", "nncf"), modules, own_form=True)

    @classmethod
    def handover(cls, section: Mapping[str, Any], hint: str, effective: Mapping[str, Any]) -> Handover:
        properties = {}
        precision = str(section.get("precision", "device"))
        if precision in PRECISIONS:
            properties["INFERENCE_PRECISION_HINT"] = PRECISIONS[precision]
        if hint not in ("", "none"):
            properties["PERFORMANCE_HINT"] = hint.upper()
        options = {"device": str(effective.get("provider") or "CPU"), "properties": properties}
        return Handover("openvino", _heavy("export").SESSION, options)


WORDS = {
    "INFERENCE_NUM_THREADS": "threads",
    "NUM_STREAMS": "streams",
    "INFERENCE_PRECISION_HINT": "precision",
    "PERFORMANCE_HINT": "hint",
    "ENABLE_CPU_PINNING": "pinning",
}
"""Properties by their names on the command line. Others keep their names."""
SAME = {"f32": "float32", "fp32": "float32", "f16": "float16", "fp16": "float16", "bf16": "bfloat16", "yes": "true", "no": "false"}
DEVICES_CHOICE = ("auto", "-1", "undefined", "dynamic", "")
"""Values that leave the choice to the device."""
NOT_COMPARED = ("CACHE_DIR", "PERFORMANCE_HINT_NUM_REQUESTS", "CACHE_ENCRYPTION_CALLBACKS", "PERF_COUNT")
"""Properties that do not affect how a network is computed, or that a device reports in another unit."""


def unmet(asked: Mapping[str, Any], told: Mapping[str, str]) -> list[str]:
    """Returns a sentence for each property of ``asked`` that differs in ``told``, the device's report by name.

    A property that the device does not report is not judged.
    """
    flat: dict[str, Any] = {}
    for name, value in asked.items():
        if name == "DEVICE_PROPERTIES" and isinstance(value, Mapping):
            flat |= {key: item for own in value.values() if isinstance(own, Mapping) for key, item in own.items()}
        else:
            flat[name] = value
    found = []
    for name, value in flat.items():
        got = told.get(name, "")
        if name in NOT_COMPARED or _plain(value) in DEVICES_CHOICE:
            continue
        if got and _plain(got) != _plain(value):
            found.append(f"{WORDS.get(name, name)}: {_plain(value)} asked for, the device runs with {_plain(got)}.")
    return found


def _plain(value: Any) -> str:
    """Returns a property's value in one spelling: ``f32``, ``<Type: 'float32'>`` -> ``float32``.

    ``YES``, True -> ``true``.
    """
    text = str(getattr(value, "name", value)).removeprefix("<Type: '").removesuffix("'>").rpartition(".")[2].strip().lower()
    return SAME.get(text, text)


def _merged(chosen: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Merges the user's ``own`` properties into ``chosen``.

    They take precedence, also per device in DEVICE_PROPERTIES.
    """
    found = {**chosen, **own}
    both = [item.get("DEVICE_PROPERTIES") for item in (chosen, own)]
    if all(isinstance(item, Mapping) for item in both):
        ours, theirs = both[0] or {}, both[1] or {}
        found["DEVICE_PROPERTIES"] = {name: {**ours.get(name, {}), **theirs.get(name, {})} for name in {**ours, **theirs}}
    return found


def _heavy(name: str) -> Any:
    """Imports the module ``name`` of this product, which imports the runtime; planning never calls this."""
    return importlib.import_module(f"{PRODUCT}.{name}")
